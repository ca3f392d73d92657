/** The statistics of a model version since it was loaded. Source of the terms: Triton, statistics extension. */
/** Number of times that something happened, and how long it took altogether, in ns. */
export interface Duration {
  count: number;
  ns: number;
}

export const DURATIONS = [
  'success',
  'fail',
  'queue',
  'compute_input',
  'compute_infer',
  'compute_output',
  'cache_hit',
  'cache_miss',
] as const;
/** Name of something that is counted and timed. */
export type DurationName = (typeof DURATIONS)[number];

/** Reason of a failed request, as Triton's `reason` label has it. */
export type FailureReason = 'REJECTED' | 'CANCELED' | 'BACKEND' | 'OTHER';

/** Times of the stages of one run, in ms. */
export interface RunTimes {
  readonly input: number;
  readonly infer: number;
  readonly output: number;
}

/** Hears of what happens as it happens. */
export interface StatisticsListener {
  duration(name: DurationName, ms: number): void;
  batch(rows: number): void;
}

interface BatchStatistics {
  compute_input: Duration;
  compute_infer: Duration;
  compute_output: Duration;
}

const NS_PER_MS = 1e6;

/** Counts and times the requests and runs of one model version. */
export class Statistics {
  readonly durations = Object.fromEntries(
    DURATIONS.map((name) => [name, { count: 0, ns: 0 }]),
  ) as Record<DurationName, Duration>;
  readonly failures: Record<FailureReason, number> = {
    REJECTED: 0,
    CANCELED: 0,
    BACKEND: 0,
    OTHER: 0,
  };
  /** Times of runs by their number of rows. */
  readonly batches = new Map<number, BatchStatistics>();
  /** Number of rows inferred; answers from the cache do not count. */
  inferenceCount = 0;
  /** Number of runs of the model. */
  executionCount = 0;
  /** Time of the last request, in ms since 1970; 0 before the first. */
  lastInference = 0;
  readonly #listeners: StatisticsListener[] = [];

  /** Tells the listener of everything from now on, after those that were added before. */
  addListener(listener: StatisticsListener): void {
    this.#listeners.push(listener);
  }

  add(name: DurationName, ms: number): void {
    extend(this.durations[name], ms);
    for (const listener of this.#listeners) listener.duration(name, ms);
  }

  failed(reason: FailureReason, ms: number): void {
    this.failures[reason]++;
    this.add('fail', ms);
  }

  /** Counts a run of `rows` rows for `requests` requests; each of them took the whole run's time. */
  ran(rows: number, requests: number, times: RunTimes): void {
    this.executionCount++;
    this.inferenceCount += rows;
    this.lastInference = Date.now();
    for (const listener of this.#listeners) listener.batch(rows);
    for (let i = 0; i < requests; i++) {
      this.add('compute_input', times.input);
      this.add('compute_infer', times.infer);
      this.add('compute_output', times.output);
    }
    let batch = this.batches.get(rows);
    if (batch === undefined) {
      batch = {
        compute_input: { count: 0, ns: 0 },
        compute_infer: { count: 0, ns: 0 },
        compute_output: { count: 0, ns: 0 },
      };
      this.batches.set(rows, batch);
    }
    extend(batch.compute_input, times.input);
    extend(batch.compute_infer, times.infer);
    extend(batch.compute_output, times.output);
  }
}

function extend(duration: Duration, ms: number): void {
  duration.count++;
  duration.ns += Math.round(ms * NS_PER_MS);
}
