/**
 * The queue before a model version's executors: bounded, by priority, with deadlines; and its batcher. Each request is
 * answered once: with its outputs, or with the reason why not.
 */
import type { ExecutorPool } from '../../engine/executor-pool.ts';
import { InferenceError } from '../../protocol/errors.ts';
import type { Tensor } from '../../protocol/v2/types.ts';
import type { Immediate } from '../immediate.ts';
import { AnswerOrder } from './answer-order.ts';
import { type BatchPolicy, concat, decide, split } from './batch.ts';
import type { ConcurrencyLimit, LimitedLine } from './concurrency-limit.ts';
import { Entry, reasonOf, type SharedRun } from './entry.ts';
import type { Job } from './job.ts';
import {
  priorityLevelOf,
  type QueuePolicy,
  RequestQueue,
  type WaitPolicy,
  waitPolicyOf,
} from './request-queue.ts';
import { runFailure } from './run-failure.ts';
import { runInParts } from './run-in-parts.ts';
import type { RunTimes, Statistics } from './statistics.ts';
import { timeoutsOf } from './timeouts.ts';

/** Settings of a scheduler, and the parts that it works with. */
export interface SchedulerOptions {
  /** Name of the model, for messages. */
  readonly name: string;
  readonly pool: ExecutorPool;
  readonly queue: QueuePolicy;
  /** Sizes and delays of batches; absent when requests are not batched. */
  readonly batch?: BatchPolicy;
  /** Limit of the requests that run at once, which all models share; absent where there is none. */
  readonly limit?: ConcurrencyLimit;
  readonly statistics: Statistics;
}

/** Orders the requests of one model version, batches them, and has the pool run them. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #queue: RequestQueue<Entry>;
  #running = 0;
  #runningRows = 0;
  #wakeUp: NodeJS.Timeout | undefined;
  #isStartDue = false;
  /** Order of the answers; undefined where each is given as soon as it is there. */
  readonly #order: AnswerOrder | undefined;
  readonly #line: LimitedLine = {
    next: () => this.#queue.first?.enqueuedAt ?? Number.POSITIVE_INFINITY,
    start: () => this.#startRuns(),
  };

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#queue = new RequestQueue(options.queue);
    this.#order = options.batch?.preservesOrder ? new AnswerOrder() : undefined;
    options.pool.addJoinListener(() => this.#startRuns());
  }

  /** Number of requests that wait for an executor. */
  get pending(): number {
    return this.#queue.length;
  }

  /**
   * Runs a request as soon as it is its turn, and gives its outputs.
   * @throws InferenceError OVERLOADED, UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, MODEL_FAILED, INVALID_ARGUMENT.
   */
  submit(job: Job): Immediate<Tensor[]> {
    return this.#submitNow(job) ?? this.#enqueue(job);
  }

  /** Runs a short request without a place in the queue, when nothing waits and an executor is idle; otherwise undefined. */
  #submitNow(job: Job): Tensor[] | undefined {
    const { pool, batch, limit, statistics } = this.#options;
    const isAlone = this.#queue.length === 0 && this.#running < pool.capacity && limit?.free !== 0;
    const isPlain = batch === undefined && job.method !== 'explain' && job.priority === undefined;
    if (!isAlone || !isPlain) return undefined;
    const started = performance.now();
    try {
      const outputs = pool.dispatchNow(job.inputs, job.outputs);
      if (outputs === undefined) return undefined;
      const ended = performance.now();
      job.trace?.stage('compute', started, ended);
      statistics.add('queue', 0);
      statistics.ran(1, 1, { input: 0, infer: ended - started, output: 0 });
      statistics.add('success', ended - started);
      return outputs;
    } catch (error) {
      const failure = runFailure(this.#options.name, error);
      statistics.failed(reasonOf(failure), performance.now() - started);
      throw failure;
    }
  }

  #enqueue(job: Job): Promise<Tensor[]> {
    const entry = this.#admit(job);
    if (!entry.isSettled) this.#queue.add(entry);
    this.#startRunsSoon();
    return this.#order === undefined ? entry.answer : this.#order.inTurn(entry.answer);
  }

  /**
   * Makes an entry of a job.
   * @throws InferenceError OVERLOADED when there is no room, INVALID_ARGUMENT for its priority.
   */
  #admit(job: Job): Entry {
    const { queue, statistics, name } = this.#options;
    const bytes = job.inputs.reduce((sum, { data }) => sum + byteLength(data), 0);
    const priorityLevel = priorityLevelOf(queue, job.priority, name);
    if (!this.#queue.hasRoomFor({ priorityLevel, bytes })) {
      statistics.failed('REJECTED', 0);
      const text = `model '${name}' is overloaded: ${this.#queue.length} requests wait; try again later`;
      throw new InferenceError('OVERLOADED', text);
    }
    return new Entry(job, {
      model: name,
      isBatched: this.#options.batch !== undefined && job.method !== 'explain',
      priorityLevel,
      bytes,
      timeouts: timeoutsOf(job, queue, priorityLevel),
      statistics,
      onLeave: (entry, error) => this.#leave(entry, error),
      onLate: (entry) => this.#late(entry),
    });
  }

  /** Answers a request that will not wait any longer, and stops its run when nobody else is in it. */
  #leave(entry: Entry, error: InferenceError): void {
    entry.settle(error);
    this.#queue.remove(entry);
    entry.run?.members.delete(entry);
    if (entry.run?.members.size === 0) entry.run.controller?.abort();
  }

  /** Refuses a request that has waited too long, or lets those in time pass it. */
  #late(entry: Entry): void {
    const { name, queue } = this.#options;
    const { onTimeout } = waitPolicyOf(queue, entry.priorityLevel) as WaitPolicy;
    if (onTimeout === 'delay') {
      this.#queue.remove(entry);
      entry.isDelayed = true;
      this.#queue.add(entry);
      return;
    }
    const waited = Math.round(performance.now() - entry.enqueuedAt);
    const text = `model '${name}' is overloaded: the request waited ${waited} ms, longer than its queue policy allows; try again later`;
    this.#leave(entry, new InferenceError('UNAVAILABLE', text));
  }

  /** Waits for the end of this tick, so that requests of one tick share a batch; without batches nobody waits. */
  #startRunsSoon(): void {
    if (this.#options.batch === undefined) {
      this.#startRuns();
      return;
    }
    if (this.#isStartDue) return;
    this.#isStartDue = true;
    queueMicrotask(() => {
      this.#isStartDue = false;
      this.#startRuns();
    });
  }

  /** Starts as many runs as there is room and reason for. */
  #startRuns(): void {
    clearTimeout(this.#wakeUp);
    const { pool, limit } = this.#options;
    while (this.#queue.length > 0 && this.#running < pool.capacity) {
      if (limit?.free === 0) {
        limit.wait(this.#line);
        return;
      }
      const next = this.#nextGroup();
      if (typeof next === 'number') {
        this.#wakeUp = setTimeout(() => this.#startRuns(), next);
        return;
      }
      for (const entry of next) this.#queue.remove(entry);
      limit?.take(next.length);
      void this.#startRun(next);
      if (limit?.isAwaited) {
        // Requests of other models may be older than the next one here.
        limit.wait(this.#line);
        return;
      }
    }
  }

  /** Returns the requests of the next run, or how long to wait for company, in ms. */
  #nextGroup(): Entry[] | number {
    const { batch, pool, limit } = this.#options;
    const places = limit?.free ?? Number.POSITIVE_INFINITY;
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
      if ('send' in decision) return group.slice(0, Math.min(decision.send, places));
      wait = Math.min(wait, decision.waitMs);
    }
    return wait;
  }

  async #startRun(entries: readonly Entry[]): Promise<void> {
    const { limit, statistics } = this.#options;
    const started = performance.now();
    for (const entry of entries) {
      const { enqueuedAt, job } = entry;
      entry.stopWaiting();
      statistics.add('queue', started - enqueuedAt);
      job.trace?.stage('queue', enqueuedAt, started);
    }
    const rows = entries.reduce((sum, entry) => sum + (entry.rows ?? 1), 0);
    this.#running++;
    this.#runningRows += rows;
    try {
      await this.#runTogether(entries);
    } finally {
      this.#running--;
      this.#runningRows -= rows;
      if (limit === undefined) this.#startRuns();
      else limit.giveBack(this.#line, entries.length);
    }
  }

  /** Runs requests together; where that fails, one by one, so that a bad one harms only itself. */
  async #runTogether(entries: readonly Entry[]): Promise<void> {
    const [first] = entries as [Entry, ...Entry[]];
    const isAlone = entries.length === 1 && !first.hasDeadline;
    const controller = isAlone ? undefined : new AbortController();
    const run: SharedRun = { members: new Set(entries), controller };
    for (const entry of entries) entry.run = run;
    try {
      const outputs = await this.#runBatch(entries, controller?.signal ?? first.job.caller?.signal);
      if (outputs !== undefined) {
        entries.forEach((entry, i) => {
          entry.settle(outputs[i] as Tensor[]);
        });
        return;
      }
    } catch (error) {
      if (entries.length === 1) {
        first.settle(runFailure(this.#options.name, error));
        return;
      }
    }
    for (const entry of entries) if (!entry.isSettled) await this.#runTogether([entry]);
  }

  /** Returns the outputs of each request; undefined when they cannot be told apart. @throws ExecutorError. */
  async #runBatch(
    entries: readonly Entry[],
    signal: AbortSignal | undefined,
  ): Promise<readonly Tensor[][] | undefined> {
    const { batch, statistics, pool } = this.#options;
    const [{ job: first, rows: firstRows }] = entries as [Entry, ...Entry[]];
    const times = { input: 0, infer: 0, output: 0 };
    const start = performance.now();
    const inputs = concat(entries.map(({ job }) => job.inputs));
    times.input = performance.now() - start;
    const rows = entries.map((entry) => entry.rows ?? 1);
    const total = rows.reduce((sum, count) => sum + count, 0);
    const outputs =
      batch !== undefined && firstRows !== undefined && total > batch.maxRows
        ? await runInParts(inputs, first.outputs, { pool, total, maxRows: batch.maxRows, signal })
        : await pool.dispatch(inputs, first.outputs, { signal, method: first.method });
    const ended = performance.now();
    times.infer = ended - start - times.input;
    const parts = entries.length === 1 ? [outputs] : split(outputs, rows);
    times.output = performance.now() - ended;
    for (const { job } of entries) {
      job.trace?.stage('batch', start, start + times.input);
      job.trace?.stage('compute', start + times.input, ended);
    }
    statistics.ran(total, entries.length, times satisfies RunTimes);
    return parts;
  }
}

function byteLength(data: Tensor['data']): number {
  return Array.isArray(data) ? data.reduce((sum, bytes) => sum + bytes.length, 0) : data.byteLength;
}
