/** Requests ↔ batches: which go together, how many, and how they are merged and split along the first dimension. */
import { concatenated } from '../../protocol/v2/datatypes.ts';
import { elementCount, type Tensor } from '../../protocol/v2/types.ts';

/** Describes what requests of one run share: the same inputs and outputs, equal but for the first dimension. */
export function signatureOf(inputs: readonly Tensor[], outputs: readonly string[]): string {
  const parts = inputs.map(({ name, datatype: type, shape }) => [name, type, shape.slice(1)]);
  parts.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return JSON.stringify([parts, outputs]);
}

/** Counts the rows of a request; undefined when its inputs do not agree on them. */
export function rowsOf(inputs: readonly Tensor[]): number | undefined {
  const [first] = inputs;
  const rows = first?.shape[0];
  return inputs.every(({ shape }) => shape[0] === rows) ? rows : undefined;
}

/** Joins the tensors of one name along the first dimension, in the order of the requests. */
export function concat(requests: readonly (readonly Tensor[])[]): readonly Tensor[] {
  const [first = []] = requests;
  if (requests.length === 1) return first;
  return first.map(({ name, datatype: type, shape }) => {
    const parts = requests.map((inputs) => inputs.find((input) => input.name === name) as Tensor);
    const rows = parts.reduce((sum, part) => sum + (part.shape[0] as number), 0);
    const data = concatenated(
      type,
      parts.map((part) => part.data),
    );
    return { name, datatype: type, shape: [rows, ...shape.slice(1)], data };
  });
}

/** Takes rows `start` to `end` of every tensor, as views. */
export function slice(tensors: readonly Tensor[], start: number, end: number): Tensor[] {
  return tensors.map(({ name, datatype: type, shape, data }) => {
    const row = elementCount(shape.slice(1));
    const part = Array.isArray(data)
      ? data.slice(start * row, end * row)
      : data.subarray(start * row, end * row);
    return { name, datatype: type, shape: [end - start, ...shape.slice(1)], data: part };
  });
}

/**
 * Splits the outputs of a batch into those of its requests; undefined when one has another number of rows than went in.
 */
export function split(
  outputs: readonly Tensor[],
  rows: readonly number[],
): readonly Tensor[][] | undefined {
  const total = rows.reduce((sum, count) => sum + count, 0);
  if (outputs.some(({ shape }) => shape[0] !== total)) return undefined;
  let start = 0;
  return rows.map((count) => {
    start += count;
    return slice(outputs, start - count, start);
  });
}

/** Sizes and delays of batches. */
export interface BatchPolicy {
  /** Most rows of one run. */
  readonly maxRows: number;
  /** Sizes, in rows, that the model runs best at; may be empty. */
  readonly preferredRows: readonly number[];
  /** Longest time that the oldest request may wait for company while every executor is busy, in ms. */
  readonly maxDelayMs: number;
  /** True when requests are answered in the order in which they came. */
  readonly preservesOrder?: boolean;
}

/** Requests that may go together, and the runs under way. */
export interface BatchState {
  /** Rows of the requests that may go together, the oldest first. */
  readonly rows: readonly number[];
  /** Time that the oldest request has waited, in ms. */
  readonly waitedMs: number;
  /** True when an executor has nothing to do. */
  readonly idle: boolean;
  /** Rows of the runs under way. */
  readonly runningRows: number;
  /** Number of runs that can go on at once, each with processors of its own. */
  readonly parallelRuns: number;
}

/** Number of the waiting requests to send now, or the time to wait for more, in ms. */
export type BatchDecision = { readonly send: number } | { readonly waitMs: number };

/**
 * Decides how many requests go. They go as soon as the largest wanted size is reached, at once when an executor is
 * idle, and at the latest when the oldest has waited `maxDelayMs`. Where no size is preferred, no run takes more than
 * its share of all rows that are there.
 */
export function decide(state: BatchState, policy: BatchPolicy): BatchDecision {
  const { rows, waitedMs, idle } = state;
  const sizes = policy.preferredRows.filter((size) => size <= policy.maxRows);
  const goal = sizes.length > 0 ? Math.max(...sizes) : policy.maxRows;
  const full = fitting(rows, goal);
  const isFull = full.rows === goal || full.count < rows.length;
  const overdue = waitedMs >= policy.maxDelayMs;
  if (!isFull && !idle && !overdue) return { waitMs: policy.maxDelayMs - waitedMs };
  if (sizes.length === 0) return { send: fitting(rows, Math.min(goal, fairShare(state))).count };
  const reached = sizes.filter((size) => fitting(rows, size).rows === size);
  const best =
    !isFull && reached.length > 0 && !overdue ? fitting(rows, Math.max(...reached)) : full;
  return { send: best.count };
}

/**
 * Returns the rows for each of the parallel runs: a run that took more would leave processors idle until its callers
 * come back.
 */
function fairShare({ rows, runningRows, parallelRuns }: BatchState): number {
  const waiting = rows.reduce((sum, count) => sum + count, 0);
  return Math.ceil((waiting + runningRows) / parallelRuns);
}

/** Counts the first requests whose rows do not exceed `limit`; the first of all always goes. */
function fitting(rows: readonly number[], limit: number): { count: number; rows: number } {
  let [sum = 0] = rows;
  let count = Math.min(1, rows.length);
  while (count < rows.length && sum + (rows[count] as number) <= limit) {
    sum += rows[count] as number;
    count++;
  }
  return { count, rows: sum };
}
