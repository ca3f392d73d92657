/** A loaded ONNX model in this process: its signature, and runs that can be stopped. */
import { containerCpus } from '../../platform/container.ts';
import type { Tensor, TensorMetadata } from '../../protocol/v2/types.ts';
import type { Engine, RunOptions } from '../engine.ts';
import { BoundRun } from './bound-run.ts';
import { appendProviders } from './execution-providers.ts';
import { GRAPH_OPTIMIZATIONS, type GraphOptimization } from './graph-optimization.ts';
import { dropOptimized, keepOptimized, optimizedModel } from './optimized-model.ts';
import { cString, ort, ortAsync, ortOut, type Pointer, release } from './ort-api.ts';
import { ortEnvironment } from './ort-environment.ts';
import { libraryVersion } from './ort-library.ts';
import { valuesOf } from './ort-signature.ts';
import { fromValue, toValue } from './ort-value.ts';
import { Pace } from './pace.ts';
import type { Provider } from './provider-choice.ts';

/** Settings of a session. */
export interface SessionOptions {
  /** Threads of one run. */
  readonly threads: number;
  /** True when short runs may take the calling thread: only where nothing but such models runs on it. */
  readonly mayBlock?: boolean;
  /** Ceiling of the memory that the runs of all sessions of this process may take, in bytes; 0 is none. */
  readonly arenaBytes: number;
  /** Execution providers, first choice first; the CPU if none is given. */
  readonly executionProviders?: readonly Provider[];
  /** Level to which the graph may be rewritten; all the way if not given. */
  readonly graphOptimization?: GraphOptimization;
  /** Folder where optimised models are kept for the next start; absent when they are not. */
  readonly optimizedModelDir?: string;
}

/** Arguments of one run for ONNX Runtime: names as C strings, values by their addresses. */
interface RunArguments {
  readonly inputNames: BigUint64Array;
  readonly feeds: BigUint64Array;
  readonly inputCount: number;
  readonly outputNames: BigUint64Array;
  readonly results: BigUint64Array;
  readonly outputCount: number;
}

/** Most lists of names that are kept; clients ask for the same few. */
const MAX_NAME_LISTS = 100;

/** Most shapes of requests whose tensors have a fixed place. */
const MAX_BOUND_RUNS = 8;

function sizeOf(tensors: readonly Tensor[]): number {
  let size = 0;
  for (const { data } of tensors) size += Array.isArray(data) ? data.length : data.byteLength;
  return size;
}

/** Runs an ONNX model in this process. */
export class OrtSession implements Engine {
  readonly explains = false;
  readonly parallelRuns: number;
  readonly platform = 'onnxruntime_onnx';
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  readonly #session: Pointer;
  /** C strings of the inputs' and outputs' names, made once. */
  readonly #names = new Map<string, Pointer>();

  readonly #mayBlock: boolean;
  readonly #nameLists = new Map<string, BigUint64Array>();
  readonly #bound: BoundRun[] = [];
  /** Number of bound runs that there may still be. */
  #boundLeft = MAX_BOUND_RUNS;
  readonly #pace = new Pace();

  private constructor(
    session: Pointer,
    { mayBlock, parallelRuns }: Pick<OrtSession, 'parallelRuns'> & { mayBlock: boolean },
  ) {
    this.#session = session;
    this.#mayBlock = mayBlock;
    this.parallelRuns = parallelRuns;
    this.inputs = [
      ...valuesOf(session, 'Input'),
      ...valuesOf(session, 'OverridableInitializer').map((input) => ({ ...input, optional: true })),
    ];
    this.outputs = valuesOf(session, 'Output');
    for (const { name } of [...this.inputs, ...this.outputs]) this.#names.set(name, cString(name));
  }

  /** Loads a model file off the event loop. @throws OrtError with ONNX Runtime's reason. */
  static async open(path: string, options: SessionOptions): Promise<OrtSession> {
    const { optimizedModelDir: dir, executionProviders = [], graphOptimization = 'all' } = options;
    if (dir === undefined) return OrtSession.#create(path, options);
    const about = [libraryVersion(), ...executionProviders, graphOptimization];
    const cached = await optimizedModel(dir, path, about);
    if (cached.exists) {
      try {
        // The model was optimised before.
        return await OrtSession.#create(cached.path, { ...options, graphOptimization: 'off' });
      } catch {
        await dropOptimized(cached);
      }
    }
    const session = await OrtSession.#create(path, { ...options, draft: cached.draft });
    await keepOptimized(cached);
    return session;
  }

  static async #create(
    path: string,
    options: SessionOptions & { readonly draft?: string },
  ): Promise<OrtSession> {
    const env = await ortEnvironment(options.arenaBytes);
    const settings = ortOut('CreateSessionOptions');
    const out = new BigUint64Array(1);
    let devices: Provider[];
    try {
      ort('SetIntraOpNumThreads', settings, options.threads);
      // Spinning threads take the time of the other models and of this process's own loop.
      ort('AddSessionConfigEntry', settings, 'session.intra_op.allow_spinning', '0');
      // Without this entry, 8-bit kernels overflow on CPUs that lack VNNI: faster, but other answers on other nodes.
      ort('AddSessionConfigEntry', settings, 'session.x64quantprecision', '1');
      if (options.arenaBytes > 0) {
        ort('AddSessionConfigEntry', settings, 'session.use_env_allocators', '1');
      }
      const { graphOptimization: level = 'all' } = options;
      ort('SetSessionGraphOptimizationLevel', settings, GRAPH_OPTIMIZATIONS[level]);
      if (options.draft !== undefined) ort('SetOptimizedModelFilePath', settings, options.draft);
      devices = appendProviders(settings, options.executionProviders ?? []);
      await ortAsync('CreateSession', env, path, settings, out);
    } finally {
      release('ReleaseSessionOptions', settings);
    }
    const session = out[0] as Pointer;
    try {
      return new OrtSession(session, {
        mayBlock: options.mayBlock ?? false,
        // A device runs one request at a time.
        parallelRuns: devices.length > 0 ? 1 : Math.floor(containerCpus() / options.threads) || 1,
      });
    } catch (error) {
      release('ReleaseSession', session);
      throw error;
    }
  }

  /** Runs the model on the calling thread; undefined where that would hold it up, or might. @throws OrtError. */
  runNow(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] | undefined {
    const bytes = sizeOf(inputs);
    if (!this.#mayBlock || !this.#pace.isShort(bytes)) return undefined;
    const started = performance.now();
    const bound = this.#bound.find((run) => run.fits(inputs, outputs));
    const results =
      bound === undefined
        ? this.#runFirst(inputs, outputs)
        : this.#runBound(bound, inputs, outputs);
    this.#pace.took({ ms: performance.now() - started, bytes, here: true });
    return results;
  }

  /**
   * Runs the model over tensors with a fixed place. When that fails only because outputs have other shapes this time,
   * no tensors have a fixed place from now on.
   */
  #runBound(run: BoundRun, inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] {
    run.fill(inputs);
    try {
      run.call(this.#session);
      return run.read();
    } catch {
      // If the request is to blame, this fails again, and the bound run is kept for the others.
      const tensors = this.#runHere(inputs, outputs);
      this.#bound.splice(this.#bound.indexOf(run), 1);
      this.#boundLeft = 0;
      run.close();
      return tensors;
    }
  }

  /** Runs the model, and gives the tensors of such runs a fixed place, where all outputs have a value. */
  #runFirst(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] {
    const tensors = this.#runHere(inputs, outputs);
    if (this.#boundLeft === 0 || tensors.length !== outputs.length) return tensors;
    const inputNames = this.#namesOf(inputs.map(({ name }) => name));
    const bound = BoundRun.like(inputs, tensors, {
      inputNames,
      outputNames: this.#namesOf(outputs),
    });
    if (bound !== undefined) {
      this.#boundLeft--;
      this.#bound.push(bound);
    }
    return tensors;
  }

  #runHere(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] {
    const run = this.#prepare(inputs, outputs);
    try {
      ort('Run', ...this.#arguments(run, null));
      return this.#results(run, outputs);
    } finally {
      this.#release(run);
    }
  }

  /**
   * Runs the model off the event loop. An output that has no value is left out.
   * @throws OrtError, also when `signal` stopped it: ONNX Runtime looks between two nodes.
   */
  async run(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    { signal }: RunOptions,
  ): Promise<Tensor[]> {
    const run = this.#prepare(inputs, outputs);
    try {
      const started = performance.now();
      await this.#runElsewhere(run, signal);
      this.#pace.took({ ms: performance.now() - started, bytes: sizeOf(inputs), here: false });
      return this.#results(run, outputs);
    } finally {
      this.#release(run);
    }
  }

  #prepare(inputs: readonly Tensor[], outputs: readonly string[]): RunArguments {
    return {
      inputNames: this.#namesOf(inputs.map(({ name }) => name)),
      outputNames: this.#namesOf(outputs),
      inputCount: inputs.length,
      outputCount: outputs.length,
      feeds: BigUint64Array.from(inputs, toValue),
      results: new BigUint64Array(outputs.length),
    };
  }

  #results({ results }: RunArguments, names: readonly string[]): Tensor[] {
    return names
      .map((name, i) => fromValue(name, results[i] as Pointer))
      .filter((tensor) => tensor !== undefined);
  }

  #release({ feeds, results }: RunArguments): void {
    for (const value of [...feeds, ...results]) release('ReleaseValue', value as Pointer);
  }

  async #runElsewhere(run: RunArguments, signal: AbortSignal | undefined): Promise<void> {
    const options = ortOut('CreateRunOptions');
    const stop = () => ort('RunOptionsSetTerminate', options);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await ortAsync('Run', ...this.#arguments(run, options));
    } finally {
      signal?.removeEventListener('abort', stop);
      release('ReleaseRunOptions', options);
    }
  }

  #arguments(run: RunArguments, options: Pointer | null) {
    const { inputNames, feeds, inputCount, outputNames, results, outputCount } = run;
    return [
      this.#session,
      options,
      inputNames,
      feeds,
      inputCount,
      outputNames,
      outputCount,
      results,
    ] as const;
  }

  /** Frees the model. No run may be under way. */
  close(): void {
    for (const run of this.#bound) run.close();
    release('ReleaseSession', this.#session);
  }

  #namesOf(names: readonly string[]): BigUint64Array {
    const key = names.join('\0');
    const known = this.#nameLists.get(key);
    if (known !== undefined) return known;
    const list = BigUint64Array.from(names, (name) => this.#names.get(name) ?? cString(name));
    if (this.#nameLists.size < MAX_NAME_LISTS) this.#nameLists.set(key, list);
    return list;
  }
}
