/** A model version that serves: its executors, and the scheduler before them. */
import type { ExecutorPool, WorkerStatus } from '../engine/executor-pool.ts';
import type { ModelMetadata, Tensor } from '../protocol/v2/types.ts';
import type { Immediate } from './immediate.ts';
import type { Model } from './model.ts';
import type { ModelConfig } from './repository/model-config.ts';
import type { ConcurrencyLimit } from './scheduling/concurrency-limit.ts';
import type { Job } from './scheduling/job.ts';
import { Scheduler } from './scheduling/scheduler.ts';
import { Statistics } from './scheduling/statistics.ts';

/** Parts that a loader makes a model of. */
export interface LoadedParts {
  readonly metadata: ModelMetadata;
  readonly config: ModelConfig;
  readonly pool: ExecutorPool;
  /** Names of the classes, by output. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  /** Limit of the requests that run at once, which all models share; absent where there is none. */
  readonly limit?: ConcurrencyLimit;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Answers requests with the executors of one model version. */
export class LoadedModel implements Model {
  readonly metadata: ModelMetadata;
  readonly config: ModelConfig;
  readonly statistics = new Statistics();
  readonly #pool: ExecutorPool;
  readonly #scheduler: Scheduler;
  readonly #labels: LoadedParts['labels'];
  readonly #outputNames: readonly string[];

  constructor({ metadata, config, pool, labels, limit }: LoadedParts) {
    this.metadata = metadata;
    this.config = config;
    this.#pool = pool;
    this.#labels = labels;
    this.#outputNames = metadata.outputs
      .filter(({ onRequest }) => !onRequest)
      .map(({ name }) => name);
    const { queue, batch } = config;
    const { statistics } = this;
    this.#scheduler = new Scheduler({ name: metadata.name, pool, queue, batch, limit, statistics });
  }

  get pending(): number {
    return this.#scheduler.pending;
  }

  classLabels(output: string): readonly string[] {
    return this.#labels.get(output) ?? [];
  }

  memoryUsage(): number {
    return this.#pool.memoryUsage();
  }

  workers(): WorkerStatus[] {
    return this.#pool.status();
  }

  scale(workers: number): Promise<void> {
    return this.#pool.scale(workers);
  }

  get explains(): boolean {
    return this.#pool.explains;
  }

  infer(job: Job): Immediate<Tensor[]> {
    if (job.outputs.length > 0) return this.#scheduler.submit(job);
    // A copy that is changed takes V8 a tenth of the time of a literal in which a property follows a spread.
    const named: Writable<Job> = { ...job };
    named.outputs = this.#outputNames;
    return this.#scheduler.submit(named);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
