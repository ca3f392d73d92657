/**
 * The queue before a model version's executors: bounded, by priority, with deadlines; and its batcher. Each request is
 * answered once: with its outputs, or with the reason why not.
 */
import { ExecutorError } from '../../engine/executor.ts';
import type { ExecutorPool } from '../../engine/executor-pool.ts';
import { InferenceError } from '../../protocol/errors.ts';
import type { Tensor } from '../../protocol/v2/types.ts';
import { type BatchPolicy, concat, decide, rowsOf, signatureOf, slice, split } from './batch.ts';
import type { Job } from './job.ts';
import { type Queued, type QueuePolicy, RequestQueue } from './request-queue.ts';
import type { FailureReason, RunTimes, Statistics } from './statistics.ts';

export interface SchedulerOptions {
  /** Of the model, for messages. */
  readonly name: string;
  readonly pool: ExecutorPool;
  readonly queue: QueuePolicy;
  /** Absent when requests are not batched. */
  readonly batch?: BatchPolicy;
  readonly statistics: Statistics;
}

interface Entry extends Job, Queued {
  readonly key: string;
  /** Undefined when it cannot share a run. */
  readonly rows: number | undefined;
  readonly enqueuedAt: number;
  readonly hasDeadline: boolean;
  readonly resolve: (outputs: Tensor[]) => void;
  /** Answers with the reason, once. */
  readonly reject: (error: InferenceError) => void;
  /** The run it is part of. */
  run?: Run;
  answered: boolean;
}

interface Run {
  readonly members: Set<Entry>;
  /** Absent where the one member's own signal stops the run. */
  readonly controller?: AbortController;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #queue: RequestQueue<Entry>;
  #running = 0;
  #runningRows = 0;
  #wakeUp: NodeJS.Timeout | undefined;
  #isDispatching = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#queue = new RequestQueue(options.queue);
    options.pool.addJoinListener(() => this.#dispatch());
  }

  /** Requests that wait. */
  get pending(): number {
    return this.#queue.length;
  }

  /** @throws InferenceError OVERLOADED, DEADLINE_EXCEEDED, CANCELLED, MODEL_FAILED, INVALID_ARGUMENT. */
  submit(job: Job): Tensor[] | Promise<Tensor[]> {
    return this.#runNow(job) ?? this.#wait(job);
  }

  /** What a short run gives at once, when nothing waits and an executor is idle: such a request needs no place in a queue. */
  #runNow(job: Job): Tensor[] | undefined {
    const { pool, batch, statistics } = this.#options;
    const isAlone = this.#queue.length === 0 && this.#running < pool.capacity;
    const isPlain = batch === undefined && job.method !== 'explain' && job.priority === undefined;
    if (!isAlone || !isPlain) return undefined;
    const started = performance.now();
    try {
      const outputs = pool.runNow(job.inputs, job.outputs);
      if (outputs === undefined) return undefined;
      const ended = performance.now();
      job.trace?.stage('compute', started, ended);
      statistics.add('queue', 0);
      statistics.ran(1, 1, { input: 0, infer: ended - started, output: 0 });
      statistics.add('success', ended - started);
      return outputs;
    } catch (error) {
      statistics.failed('BACKEND', performance.now() - started);
      throw this.#failure(error);
    }
  }

  #wait(job: Job): Promise<Tensor[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Tensor[]>();
    this.#enqueue(job, resolve, reject);
    this.#dispatchSoon();
    return promise;
  }

  #enqueue(
    job: Job,
    resolve: (outputs: Tensor[]) => void,
    reject: (error: InferenceError) => void,
  ): void {
    const { queue, statistics, name } = this.#options;
    const batch = job.method === 'explain' ? undefined : this.#options.batch;
    const enqueuedAt = performance.now();
    const bytes = job.inputs.reduce((sum, { data }) => sum + byteLength(data), 0);
    if (!this.#queue.hasRoomFor(bytes)) {
      statistics.failed('REJECTED', 0);
      const text = `model '${name}' is overloaded: ${this.#queue.length} requests wait; try again later`;
      throw new InferenceError('OVERLOADED', text);
    }
    const priorityLevel = this.#priority(job.priority);
    // What no timer can wait for is no deadline.
    const timeoutMs = Math.min(job.timeoutMs || queue.defaultTimeoutMs, MAX_TIMER_MS);
    const timer =
      timeoutMs > 0
        ? setTimeout(() => this.#leave(entry, deadlineExceeded(name, timeoutMs)), timeoutMs)
        : undefined;
    const onAbort = () => this.#leave(entry, new InferenceError('CANCELLED', 'the caller left'));
    const settle = () => {
      entry.answered = true;
      clearTimeout(timer);
      job.caller?.signal.removeEventListener('abort', onAbort);
    };
    const entry: Entry = {
      ...job,
      priorityLevel,
      key: batch === undefined ? '' : signatureOf(job.inputs, job.outputs),
      rows: batch === undefined ? undefined : rowsOf(job.inputs),
      bytes,
      enqueuedAt,
      hasDeadline: timer !== undefined,
      answered: false,
      resolve: (outputs) => {
        if (entry.answered) return;
        settle();
        statistics.add('success', performance.now() - enqueuedAt);
        resolve(outputs);
      },
      reject: (error) => {
        if (entry.answered) return;
        settle();
        statistics.failed(REASONS[error.code] ?? 'OTHER', performance.now() - enqueuedAt);
        reject(error);
      },
    };
    if (job.caller?.signal.aborted) {
      onAbort();
      return;
    }
    job.caller?.signal.addEventListener('abort', onAbort, { once: true });
    this.#queue.add(entry);
  }

  #priority(wanted: number | undefined): number {
    const { priorityLevels, defaultPriority } = this.#options.queue;
    if (wanted === undefined || wanted === 0 || priorityLevels === 0) return defaultPriority;
    if (wanted > priorityLevels) {
      throw new InferenceError(
        'INVALID_ARGUMENT',
        `parameters.priority: expected 0 to ${priorityLevels}, got ${wanted}`,
      );
    }
    return wanted;
  }

  /** Answers a request that will not wait any longer, and stops its run when nobody else is in it. */
  #leave(entry: Entry, error: InferenceError): void {
    entry.reject(error);
    this.#queue.remove(entry);
    entry.run?.members.delete(entry);
    if (entry.run?.members.size === 0) entry.run.controller?.abort();
  }

  /** Of requests that come in one turn of the event loop none runs alone: they are all there before the first one goes. */
  #dispatchSoon(): void {
    if (this.#options.batch === undefined) {
      this.#dispatch();
      return;
    }
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    queueMicrotask(() => {
      this.#isDispatching = false;
      this.#dispatch();
    });
  }

  /** Starts as many runs as there is room and reason for. */
  #dispatch(): void {
    clearTimeout(this.#wakeUp);
    const { pool } = this.#options;
    while (this.#queue.length > 0 && this.#running < pool.capacity) {
      const next = this.#nextGroup();
      if (typeof next === 'number') {
        this.#wakeUp = setTimeout(() => this.#dispatch(), next);
        return;
      }
      for (const entry of next) this.#queue.remove(entry);
      void this.#start(next);
    }
  }

  /** The requests of the next run, or how long to wait for company, in ms. */
  #nextGroup(): Entry[] | number {
    const { batch, pool } = this.#options;
    let wait = Number.POSITIVE_INFINITY;
    const seen = new Set<string>();
    for (const entry of this.#queue) {
      if (batch === undefined || entry.rows === undefined) return [entry];
      if (seen.has(entry.key)) continue;
      seen.add(entry.key);
      const group = this.#queue.filter(({ key, rows }) => key === entry.key && rows !== undefined);
      const oldest = Math.min(...group.map(({ enqueuedAt }) => enqueuedAt));
      const decision = decide(
        {
          rows: group.map(({ rows }) => rows as number),
          waitedMs: performance.now() - oldest,
          idle: this.#running < pool.live,
          runningRows: this.#runningRows,
          parallelRuns: Math.min(pool.parallelRuns, pool.capacity),
        },
        batch,
      );
      if ('send' in decision) return group.slice(0, decision.send);
      wait = Math.min(wait, decision.waitMs);
    }
    return wait;
  }

  async #start(entries: readonly Entry[]): Promise<void> {
    const started = performance.now();
    for (const { enqueuedAt, trace } of entries) {
      this.#options.statistics.add('queue', started - enqueuedAt);
      trace?.stage('queue', enqueuedAt, started);
    }
    const rows = entries.reduce((sum, entry) => sum + (entry.rows ?? 1), 0);
    this.#running++;
    this.#runningRows += rows;
    try {
      await this.#run(entries);
    } finally {
      this.#running--;
      this.#runningRows -= rows;
      this.#dispatch();
    }
  }

  /** Runs requests together; where that fails, one by one, so that a bad one harms only itself. */
  async #run(entries: readonly Entry[]): Promise<void> {
    const [first] = entries as [Entry, ...Entry[]];
    const isAlone = entries.length === 1 && !first.hasDeadline;
    const controller = isAlone ? undefined : new AbortController();
    const run: Run = { members: new Set(entries), controller };
    for (const entry of entries) entry.run = run;
    try {
      const outputs = await this.#execute(entries, controller?.signal ?? first.caller?.signal);
      if (outputs !== undefined) {
        entries.forEach((entry, i) => {
          entry.resolve(outputs[i] as Tensor[]);
        });
        return;
      }
    } catch (error) {
      if (entries.length === 1) {
        entries[0]?.reject(this.#failure(error));
        return;
      }
    }
    for (const entry of entries) if (!entry.answered) await this.#run([entry]);
  }

  /** The outputs of each request; undefined when those of the whole cannot be told apart. */
  async #execute(
    entries: readonly Entry[],
    signal: AbortSignal | undefined,
  ): Promise<readonly Tensor[][] | undefined> {
    const { batch, statistics } = this.#options;
    const [first] = entries as [Entry, ...Entry[]];
    const times = { input: 0, infer: 0, output: 0 };
    const start = performance.now();
    const inputs = concat(entries.map((entry) => entry.inputs));
    times.input = performance.now() - start;
    const rows = entries.map((entry) => entry.rows ?? 1);
    const total = rows.reduce((sum, count) => sum + count, 0);
    const outputs =
      batch !== undefined && first.rows !== undefined && total > batch.maxRows
        ? await this.#runInParts(inputs, first.outputs, { total, maxRows: batch.maxRows, signal })
        : await this.#options.pool.run(inputs, first.outputs, { signal, method: first.method });
    const ended = performance.now();
    times.infer = ended - start - times.input;
    const parts = entries.length === 1 ? [outputs] : split(outputs, rows);
    times.output = performance.now() - ended;
    for (const { trace } of entries) {
      trace?.stage('batch', start, start + times.input);
      trace?.stage('compute', start + times.input, ended);
    }
    statistics.ran(total, entries.length, times satisfies RunTimes);
    return parts;
  }

  /** A request of more rows than a run may have. */
  async #runInParts(
    inputs: readonly Tensor[],
    names: readonly string[],
    { total, maxRows, signal }: { total: number; maxRows: number; signal: AbortSignal | undefined },
  ): Promise<Tensor[]> {
    const parts: Tensor[][] = [];
    for (let start = 0; start < total; start += maxRows) {
      const end = Math.min(start + maxRows, total);
      const outputs = await this.#options.pool.run(slice(inputs, start, end), names, { signal });
      const odd = outputs.find(({ shape }) => shape[0] !== end - start);
      if (odd !== undefined) {
        throw new ExecutorError(
          'failed',
          `output '${odd.name}' has no row for each row of the request, which is larger than max_batch_size ${maxRows}`,
        );
      }
      parts.push(outputs);
    }
    return [...concat(parts)];
  }

  #failure(error: unknown): InferenceError {
    const { name } = this.#options;
    const { message } = error as Error;
    if (!(error instanceof ExecutorError)) {
      return new InferenceError('INTERNAL', `model '${name}': ${message}`, { cause: error });
    }
    const code = error.failure === 'cancelled' ? 'CANCELLED' : 'MODEL_FAILED';
    const what = error.failure === 'died' ? 'lost its executor, which' : 'failed:';
    return new InferenceError(code, `model '${name}' ${what} ${message}`, { cause: error });
  }
}

/** Timers of Node wait for no longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const REASONS: Partial<Record<InferenceError['code'], FailureReason>> = {
  OVERLOADED: 'REJECTED',
  DEADLINE_EXCEEDED: 'REJECTED',
  CANCELLED: 'CANCELED',
  MODEL_FAILED: 'BACKEND',
};

function deadlineExceeded(name: string, timeoutMs: number): InferenceError {
  const text = `model '${name}' did not answer within ${timeoutMs} ms`;
  return new InferenceError('DEADLINE_EXCEEDED', text);
}

function byteLength(data: Tensor['data']): number {
  return Array.isArray(data) ? data.reduce((sum, bytes) => sum + bytes.length, 0) : data.byteLength;
}
