/** A request in the scheduler, from its admission to its one answer. */
import { InferenceError } from '../../protocol/errors.ts';
import type { Tensor } from '../../protocol/v2/types.ts';
import { rowsOf, signatureOf } from './batch.ts';
import type { Job } from './job.ts';
import type { Queued } from './request-queue.ts';
import type { FailureReason, Statistics } from './statistics.ts';
import type { Timeouts } from './timeouts.ts';

/** Circumstances of a request that its job does not say. */
export interface EntryOptions {
  /** Name of the model, for messages. */
  readonly model: string;
  /** True when the request may share a run with others. */
  readonly isBatched: boolean;
  readonly priorityLevel: number;
  /** Total size of the request's tensors, in bytes. */
  readonly bytes: number;
  readonly timeouts: Timeouts;
  readonly statistics: Statistics;
  /** Hears that the deadline is over or the caller has left: the entry is to be settled with the error. */
  onLeave(entry: Entry, error: InferenceError): void;
  /** Hears that the entry has waited as long as it may, and still does. */
  onLate(entry: Entry): void;
}

/** One run and the requests that wait for it. */
export interface SharedRun {
  readonly members: Set<Entry>;
  /** Stops the run; absent where the signal of the only member does so itself. */
  readonly controller?: AbortController;
}

/** Longest time that a timer of Node holds, in ms; a longer timeout ends then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const REASONS: Partial<Record<InferenceError['code'], FailureReason>> = {
  OVERLOADED: 'REJECTED',
  UNAVAILABLE: 'REJECTED',
  DEADLINE_EXCEEDED: 'REJECTED',
  CANCELLED: 'CANCELED',
  MODEL_FAILED: 'BACKEND',
};

/** Returns the reason under which a failed request is counted. */
export function reasonOf({ code }: InferenceError): FailureReason {
  return REASONS[code] ?? 'OTHER';
}

/** Holds a request while it waits and runs, watches its deadline and its caller, and answers it once. */
export class Entry implements Queued {
  readonly job: Job;
  /** Settles with the request's outputs, or with the InferenceError that says why there are none. */
  readonly answer: Promise<Tensor[]>;
  readonly priorityLevel: number;
  readonly bytes: number;
  /** Signature that requests of one run share. */
  readonly key: string;
  /** Rows of the request; undefined when it cannot share a run. */
  readonly rows: number | undefined;
  /** Time of the admission, as `performance.now()` tells it. */
  readonly enqueuedAt = performance.now();
  /** Run that the request is part of; undefined while it waits. */
  run: SharedRun | undefined;
  isDelayed = false;
  readonly #options: EntryOptions;
  readonly #settlers: PromiseWithResolvers<Tensor[]>;
  #deadline: NodeJS.Timeout | undefined;
  #waitLimit: NodeJS.Timeout | undefined;
  readonly #onAbort = () => {
    this.#options.onLeave(this, new InferenceError('CANCELLED', 'the caller left'));
  };
  #isSettled = false;

  constructor(job: Job, options: EntryOptions) {
    this.job = job;
    this.#options = options;
    this.#settlers = Promise.withResolvers<Tensor[]>();
    this.answer = this.#settlers.promise;
    this.priorityLevel = options.priorityLevel;
    this.bytes = options.bytes;
    this.key = options.isBatched ? signatureOf(job.inputs, job.outputs) : '';
    this.rows = options.isBatched ? rowsOf(job.inputs) : undefined;
    this.#watch();
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  get hasDeadline(): boolean {
    return this.#deadline !== undefined;
  }

  /** Says that the request's run begins: from now on it cannot be late in the queue. */
  stopWaiting(): void {
    clearTimeout(this.#waitLimit);
  }

  /** Answers the request and counts the answer. Every call but the first does nothing. */
  settle(outcome: Tensor[] | InferenceError): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    clearTimeout(this.#deadline);
    this.stopWaiting();
    this.job.caller?.signal.removeEventListener('abort', this.#onAbort);
    const { statistics } = this.#options;
    const took = performance.now() - this.enqueuedAt;
    if (outcome instanceof InferenceError) {
      statistics.failed(reasonOf(outcome), took);
      this.#settlers.reject(outcome);
    } else {
      statistics.add('success', took);
      this.#settlers.resolve(outcome);
    }
  }

  #watch(): void {
    const signal = this.job.caller?.signal;
    if (signal?.aborted) {
      this.#onAbort();
      return;
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    const { model, onLeave, onLate, timeouts } = this.#options;
    const waitMs = Math.min(timeouts.waitMs, MAX_TIMER_MS);
    if (waitMs > 0) this.#waitLimit = setTimeout(() => onLate(this), waitMs);
    const answerMs = Math.min(timeouts.answerMs, MAX_TIMER_MS);
    if (answerMs <= 0) return;
    const text = `model '${model}' did not answer within ${answerMs} ms`;
    const onTimeout = () => onLeave(this, new InferenceError('DEADLINE_EXCEEDED', text));
    this.#deadline = setTimeout(onTimeout, answerMs);
  }
}
