/** Models of rows and columns as an engine: XGBoost's, LightGBM's and scikit-learn's are read and evaluated here. */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Categories } from '../../formats/categories.ts';
import { type Origin, sliceRows, type Table } from '../../formats/table.ts';
import { openForThreads } from '../../formats/tabular-file.ts';
import {
  DEFAULT_OUTPUT,
  type TabularModel,
  type TabularOutput,
  type TabularValues,
} from '../../formats/tabular-model.ts';
import { RowError } from '../../protocol/errors.ts';
import { concatenated } from '../../protocol/v2/datatypes.ts';
import { isWholeTable } from '../../protocol/v2/tabular.ts';
import type { TabularSignature, Tensor, TensorMetadata } from '../../protocol/v2/types.ts';
import type { Engine, RunOptions } from '../engine.ts';
import { inputsOf, originOf, signatureOf, tableOf } from './request-table.ts';
import { TabularThreads } from './tabular-threads.ts';

const PROBABILITIES = 'predict_proba';
/** Time after which the calling thread does something else first, in ms. */
const SLICE_MS = 5;
const FIRST_SLICE_ROWS = 16;
/** Time of a run up to which it needs no turn of its own, in ms. */
const SHORT_MS = 0.3;
/** Time of a run above which it goes to other threads, in ms; sending it there and back takes a tenth. */
const LONG_MS = 1;
/** Longest time of one part of such a run, in ms, so that a caller who leaves stops it soon. */
const MAX_PART_MS = 20;
/** Shortest time that the clock can tell, in ms. */
const MIN_MS = 1e-3;

/** A model's file, and how its rows are answered. */
export interface TabularOptions {
  readonly path: string;
  /**
   * Free values of the configuration; `output` names what is answered when a request names no output, `predict` if not
   * given.
   */
  readonly parameters: Readonly<Record<string, string>>;
  /** True when a model that has probabilities answers them. */
  readonly predictProba: boolean;
  /** Threads of a run; with several, long runs leave the calling thread. */
  readonly threads: number;
}

/**
 * Opens a model of rows and columns.
 * @throws Error when the file cannot be read, or has no output of the name that `parameters` give.
 */
export async function openTabularModel(options: TabularOptions): Promise<Engine> {
  const { path, parameters, predictProba, threads } = options;
  const { model, shared } = await openForThreads(path, threads > 1 ? threads : 0);
  const hasProbabilities =
    model.platform === 'sklearn' && model.outputs.some(({ name }) => name === PROBABILITIES);
  const preferred = predictProba && hasProbabilities ? PROBABILITIES : undefined;
  const others = threads > 1 ? new TabularThreads(shared, threads) : undefined;
  return new TabularEngine(model, parameters.output ?? preferred, others);
}

class TabularEngine implements Engine {
  readonly explains = false;
  /** Number of runs at once: a long run takes all threads, a short one the loop's. */
  readonly parallelRuns = 1;
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  readonly tabular: TabularSignature;
  readonly #categories: Categories | undefined;
  readonly #outputs: ReadonlyMap<string, TabularOutput>;
  readonly #threads: TabularThreads | undefined;
  readonly #origin: Origin | undefined;
  /** Time that a row took last, in ms. */
  #rowMs = 0;

  constructor(model: TabularModel, wanted: string | undefined, threads?: TabularThreads) {
    this.#threads = threads;
    const { platform, categories, outputs } = model;
    this.#categories = categories;
    const chosen = outputs.find(({ name }) => name === wanted) ?? outputs[0];
    if (chosen === undefined || (wanted !== undefined && chosen.name !== wanted)) {
      const known = outputs.map(({ name }) => name).join(', ');
      throw new Error(`it has no output '${wanted}' (it has ${known})`);
    }
    this.platform = platform;
    this.tabular = signatureOf(model);
    this.inputs = inputsOf(model);
    this.#origin = originOf(model);
    this.#outputs = new Map([
      [DEFAULT_OUTPUT, chosen],
      ...outputs
        .filter(({ name }) => name !== DEFAULT_OUTPUT)
        .map((output): [string, TabularOutput] => [output.name, output]),
    ]);
    this.outputs = [...this.#outputs].map(([name, { datatype, shape }]) => ({
      name,
      datatype,
      shape,
      ...(name !== DEFAULT_OUTPUT && { onRequest: true }),
    }));
  }

  /** Evaluates a few rows at once, where one slice is enough and the last rows were not slow; otherwise undefined. */
  runNow(inputs: readonly Tensor[], names: readonly string[]): Tensor[] | undefined {
    const rows = inputs[0]?.shape[0] ?? 0;
    if (rows > FIRST_SLICE_ROWS || this.#rowMs * rows > SHORT_MS) return undefined;
    const table = this.#tableOf(inputs);
    return names.map((name) => {
      const output = this.#outputs.get(name) as TabularOutput;
      const { width, data } = this.#timed(table, () => output.compute(table));
      const shape = width === undefined ? [rows] : [rows, width];
      return { name, datatype: output.datatype, shape, data };
    });
  }

  async run(
    inputs: readonly Tensor[],
    names: readonly string[],
    { signal }: RunOptions,
  ): Promise<Tensor[]> {
    const table = this.#tableOf(inputs);
    const wanted = names.map((name) => this.#outputs.get(name) as TabularOutput);
    const isLong = this.#rowMs * table.rows > LONG_MS;
    const parts =
      isLong && this.#threads !== undefined && this.#threads.ready > 0
        ? await this.#runThere(table, wanted, signal)
        : await this.#runHere(table, wanted, signal);
    return wanted.map((output, i) => {
      const own = parts.map((part) => part[i] as TabularValues);
      return { name: names[i] as string, ...joined(own, table.rows, output) };
    });
  }

  /** Evaluates rows on this thread, in short slices, so that a large request holds up nobody. */
  async #runHere(
    table: Table,
    wanted: readonly TabularOutput[],
    signal?: AbortSignal,
  ): Promise<TabularValues[][]> {
    const parts: TabularValues[][] = [];
    let size = FIRST_SLICE_ROWS;
    let start = 0;
    do {
      if (start > 0) {
        await breathe();
        signal?.throwIfAborted();
      }
      const end = Math.min(start + size, table.rows);
      const slice = sliceRows(table, start, end);
      parts.push(
        counted(start, () =>
          this.#timed(slice, () => wanted.map((output) => output.compute(slice))),
        ),
      );
      size = Math.max(1, Math.floor(SLICE_MS / this.#rowMs));
      start = end;
    } while (start < table.rows);
    return parts;
  }

  /** Evaluates rows on other threads, a part for each of them at a time. */
  async #runThere(
    table: Table,
    wanted: readonly TabularOutput[],
    signal?: AbortSignal,
  ): Promise<TabularValues[][]> {
    const threads = this.#threads as TabularThreads;
    const names = wanted.map(({ name }) => name);
    const share = Math.ceil(table.rows / threads.ready);
    const size = Math.max(1, Math.min(share, Math.floor(MAX_PART_MS / this.#rowMs)));
    const parts: TabularValues[][] = [];
    for (let start = 0; start < table.rows; ) {
      signal?.throwIfAborted();
      const { ready } = threads;
      if (ready === 0) {
        const rest = sliceRows(table, start, table.rows);
        const own = await this.#runHere(rest, wanted, signal).catch(rethrowAfter(start));
        return [...parts, ...own];
      }
      const running: Promise<TabularValues[]>[] = [];
      for (let i = 0; i < ready && start < table.rows; i++) {
        const part = sliceRows(table, start, Math.min(start + size, table.rows));
        running.push(
          threads
            .evaluate(part, names)
            .then(({ values, ms }) => this.#keep(part, ms, values))
            .catch(rethrowAfter(start)),
        );
        start += part.rows;
      }
      parts.push(...(await Promise.all(running)));
    }
    return parts;
  }

  /** Makes a table of a checked request. @throws RowError when a column that comes by name has no such category. */
  #tableOf(inputs: readonly Tensor[]): Table {
    const table = { ...tableOf(inputs, this.tabular), origin: this.#origin };
    if (this.#categories === undefined || isWholeTable(inputs, this.tabular)) return table;
    return this.#categories.encode(table);
  }

  #timed<T>(table: Table, compute: () => T): T {
    const started = performance.now();
    const result = compute();
    return this.#keep(table, performance.now() - started, result);
  }

  /** Keeps the time that a row took, and returns the result. */
  #keep<T>({ rows }: Table, ms: number, result: T): T {
    this.#rowMs = Math.max(ms, MIN_MS) / Math.max(rows, 1);
    return result;
  }

  close(): void {
    this.#threads?.close();
  }
}

/** Makes a function that throws an error; the row that it names follows `rows` others. */
function rethrowAfter(rows: number): (error: unknown) => never {
  return (error) => {
    throw error instanceof RowError ? error.after(rows) : error;
  };
}

/** Computes a part of a request that follows `rows` others. @throws RowError whose row counts them. */
function counted<T>(rows: number, compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    return rethrowAfter(rows)(error);
  }
}

/** Joins the parts of an output, one after the other. */
function joined(
  parts: readonly TabularValues[],
  rows: number,
  { datatype }: TabularOutput,
): Pick<Tensor, 'datatype' | 'shape' | 'data'> {
  const [first] = parts as [TabularValues];
  const { width } = first;
  const shape = width === undefined ? [rows] : [rows, width];
  const all = () =>
    concatenated(
      datatype,
      parts.map(({ data }) => data),
    );
  return { datatype, shape, data: parts.length === 1 ? first.data : all() };
}
