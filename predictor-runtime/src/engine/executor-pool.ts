/**
 * The executors of one model version (TorchServe's workers): how many there are, which one runs next, and what happens
 * when one dies. A run whose executor died is run again once, alone on a fresh one: whoever killed it then kills
 * nothing but itself.
 */
import type { Logger } from '../platform/log.ts';
import type { Tensor } from '../protocol/v2/types.ts';
import type { RunOptions, Signature } from './engine.ts';
import { type Executor, ExecutorError, type ExecutorOptions } from './executor.ts';
import { InlineExecutor } from './inline-executor.ts';
import { ProcessExecutor } from './process-executor.ts';

/** Settings of a pool, which all its executors share. */
export interface PoolOptions {
  readonly executor: ExecutorOptions;
  readonly placement: 'inline' | 'process';
  readonly workers: number;
  /** Number of runs that one executor may have under way. */
  readonly concurrency: number;
  readonly log: Logger;
}

/** State of one executor, as the management API shows it. */
export interface WorkerStatus {
  readonly id: number;
  /** Process of the executor; 0 when it is the server's own. */
  readonly pid: number;
  readonly status: 'READY' | 'STARTING';
  readonly startTime: string;
  readonly memoryUsage: number;
  readonly inFlight: number;
}

interface Worker {
  readonly id: number;
  executor?: Executor;
  startedAt: number;
  closing?: boolean;
}

const MAX_BACKOFF_MS = 30_000;
/** Life time from which on an executor that died is started again at once, in ms. */
const STABLE_MS = 10_000;

/** Starts the executors of one model version, gives them runs, and replaces those that die. */
export class ExecutorPool {
  readonly signature: Signature;
  /** True when the model answers `explain`. */
  readonly explains: boolean;
  /** Number of runs that one executor can have going on at once, each with processors of its own. */
  readonly parallelRuns: number;
  readonly #options: PoolOptions;
  readonly #workers: Worker[] = [];
  readonly #joinListeners: (() => void)[] = [];
  #placement: PoolOptions['placement'];
  /** Wake-up calls of the runs that wait for an executor to come back. */
  readonly #waiting: (() => void)[] = [];
  #rerun: Promise<unknown> = Promise.resolve();
  #scaling: Promise<unknown> = Promise.resolve();
  #nextId = 0;
  #failures = 0;
  #closed = false;

  private constructor(options: PoolOptions, first: Executor) {
    this.#options = options;
    this.#placement = options.placement;
    this.signature = first.signature;
    this.explains = first.explains;
    this.parallelRuns = first.parallelRuns;
    this.#adopt(this.#newWorker(), first);
  }

  /** Starts all executors. @throws ModelLoadError. */
  static async start(options: PoolOptions): Promise<ExecutorPool> {
    const pool = new ExecutorPool(options, await startExecutor(options));
    try {
      await pool.scale(options.placement === 'inline' ? 1 : options.workers);
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /** Has the listener told, from now on, when an executor joins. */
  addJoinListener(listener: () => void): void {
    this.#joinListeners.push(listener);
  }

  /** Number of executors that can be given runs now. */
  get live(): number {
    let count = 0;
    for (const { executor } of this.#workers) if (executor !== undefined) count++;
    return count;
  }

  /** Number of runs that the live executors may have under way. */
  get capacity(): number {
    return this.live * this.#options.concurrency;
  }

  memoryUsage(): number {
    return this.#live().reduce((sum, executor) => sum + executor.memoryUsage(), 0);
  }

  status(): WorkerStatus[] {
    return this.#workers.map(({ id, executor, startedAt }) => ({
      id,
      pid: executor instanceof ProcessExecutor ? executor.pid : 0,
      status: executor === undefined ? 'STARTING' : 'READY',
      startTime: new Date(startedAt).toISOString(),
      memoryUsage: executor?.memoryUsage() ?? 0,
      inFlight: executor?.inFlight ?? 0,
    }));
  }

  /** Has the least busy executor run the model, and runs it once more when that executor dies. @throws ExecutorError. */
  async dispatch(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    options: RunOptions = {},
  ): Promise<Tensor[]> {
    const { signal } = options;
    try {
      const executor = this.#leastBusy() ?? (await this.#nextToJoin(signal));
      return await executor.execute(inputs, outputs, options);
    } catch (error) {
      const again = error instanceof ExecutorError && error.failure === 'died' && !this.#closed;
      if (!again || signal?.aborted) throw error;
    }
    const turn = this.#rerun.then(async () =>
      (await this.#untilEmpty(signal)).execute(inputs, outputs, options),
    );
    this.#rerun = turn.catch(() => undefined);
    return turn;
  }

  /** Runs the model at once, where it is in this process and the run is short; otherwise undefined. @throws ExecutorError. */
  dispatchNow(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] | undefined {
    if (this.#placement !== 'inline') return undefined;
    return this.#workers[0]?.executor?.executeNow?.(inputs, outputs);
  }

  /** Runs the model on every executor, one after the other. @throws ExecutorError. */
  async dispatchToEach(inputs: readonly Tensor[], outputs: readonly string[]): Promise<void> {
    for (const executor of this.#live()) await executor.execute(inputs, outputs);
  }

  /**
   * Starts or ends executors until there are `count`. An executor in this process makes way for processes when there
   * are to be several. Calls that come meanwhile wait: each counts the executors that the one before left.
   * @throws ModelLoadError when one cannot be started.
   */
  scale(count: number): Promise<void> {
    const turn = this.#scaling.then(() => this.#scaleTo(count));
    this.#scaling = turn.catch(() => undefined);
    return turn;
  }

  async #scaleTo(count: number): Promise<void> {
    if (this.#closed) return;
    const leaving = this.#placement === 'inline' && count > 1 ? [...this.#workers] : [];
    if (leaving.length > 0) this.#placement = 'process';
    while (this.#workers.length - leaving.length > count) void this.#retire(this.#workers.pop());
    const starting: Promise<void>[] = [];
    while (this.#workers.length - leaving.length < count) starting.push(this.#startWorker());
    await Promise.all(starting);
    for (const worker of leaving) {
      this.#workers.splice(this.#workers.indexOf(worker), 1);
      void this.#retire(worker);
    }
  }

  async #startWorker(): Promise<void> {
    const worker = this.#newWorker();
    try {
      this.#adopt(worker, await this.#start());
    } catch (error) {
      this.#workers.splice(this.#workers.indexOf(worker), 1);
      throw error;
    }
  }

  #start(): Promise<Executor> {
    return startExecutor({ ...this.#options, placement: this.#placement });
  }

  /** Ends all executors; runs under way fail. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await Promise.all(this.#workers.map(({ executor }) => executor?.close()));
  }

  #live(): Executor[] {
    return this.#workers.flatMap(({ executor }) => (executor === undefined ? [] : [executor]));
  }

  #leastBusy(): Executor | undefined {
    const [first, ...others] = this.#live();
    return others.reduce(
      (best, next) => (next.inFlight < best.inFlight ? next : best),
      first as Executor,
    );
  }

  async #nextToJoin(signal?: AbortSignal): Promise<Executor> {
    for (;;) {
      await this.#untilOneStarts(signal);
      const executor = this.#leastBusy();
      if (executor !== undefined) return executor;
    }
  }

  /** Waits for an executor that runs nothing, so that its death can only be the next run's doing. */
  async #untilEmpty(signal?: AbortSignal): Promise<Executor> {
    for (;;) {
      const empty = this.#live().find((executor) => executor.inFlight === 0);
      if (empty !== undefined) return empty;
      if (this.#live().length === 0) await this.#untilOneStarts(signal);
      else await new Promise((resolve) => setTimeout(resolve, 1));
      signal?.throwIfAborted();
    }
  }

  #untilOneStarts(signal?: AbortSignal): Promise<void> {
    if (this.#closed) throw new ExecutorError('died', 'was closed');
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      signal?.addEventListener(
        'abort',
        () => reject(new ExecutorError('cancelled', 'no executor came back in time')),
        { once: true },
      );
    });
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
    for (const listener of this.#joinListeners) listener();
  }

  #newWorker(): Worker {
    const worker = { id: this.#nextId++, startedAt: Date.now() };
    this.#workers.push(worker);
    return worker;
  }

  #adopt(worker: Worker, executor: Executor): void {
    if (this.#closed || worker.closing) {
      void executor.close();
      return;
    }
    worker.executor = executor;
    worker.startedAt = Date.now();
    if (executor instanceof ProcessExecutor) {
      void executor.ended.then((reason) => this.#replace(worker, executor, reason));
    }
    this.#wake();
  }

  async #replace(worker: Worker, executor: ProcessExecutor, reason: string): Promise<void> {
    if (this.#closed || worker.closing) return;
    const { log, executor: about } = this.#options;
    worker.executor = undefined;
    const lived = Date.now() - worker.startedAt;
    this.#failures = lived > STABLE_MS ? 0 : this.#failures + 1;
    const delay = this.#failures <= 1 ? 0 : Math.min(250 * 2 ** this.#failures, MAX_BACKOFF_MS);
    log.warn('executor died', { path: about.path, pid: executor.pid, reason, restartInMs: delay });
    await new Promise((resolve) => setTimeout(resolve, delay).unref());
    if (this.#closed || worker.closing) return;
    worker.startedAt = Date.now();
    await this.#start().then(
      (next) => this.#adopt(worker, next),
      (error: Error) => this.#replace(worker, executor, error.message),
    );
  }

  async #retire(worker: Worker | undefined): Promise<void> {
    if (worker === undefined) return;
    worker.closing = true;
    const { executor } = worker;
    while (executor !== undefined && executor.inFlight > 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await executor?.close();
  }
}

function startExecutor({ executor, placement, concurrency }: PoolOptions): Promise<Executor> {
  return placement === 'inline'
    ? InlineExecutor.start(executor)
    : ProcessExecutor.start(executor, concurrency);
}
