/** A loaded version of a model, and what loads it: TensorFlow Serving's servable and loader. */

import type { WorkerStatus } from '../engine/executor-pool.ts';
import type { ModelMetadata, Tensor } from '../protocol/v2/types.ts';
import type { Immediate } from './immediate.ts';
import type { ModelConfig } from './repository/model-config.ts';
import type { Job } from './scheduling/job.ts';
import type { Statistics } from './scheduling/statistics.ts';

/** Answers the requests of one loaded version. */
export interface Model {
  readonly metadata: ModelMetadata;
  readonly config: ModelConfig;
  readonly statistics: Statistics;
  /** Number of requests that wait for an executor. */
  readonly pending: number;
  /** True when the model answers V1's `explain`. */
  readonly explains: boolean;
  /** Returns the names of an output's classes; none when it has none. */
  classLabels(output: string): readonly string[];
  /** Returns the memory that is the model's own, in bytes. */
  memoryUsage(): number;
  workers(): readonly WorkerStatus[];
  /** Starts or ends executors until there are `workers`. @throws ModelLoadError when one cannot be started. */
  scale(workers: number): Promise<void>;
  /** Gives the wanted outputs in the order asked, and all of them when none is named. @throws InferenceError. */
  infer(job: Job): Immediate<Tensor[]>;
  /** Frees the model's memory; no request may be under way. */
  close(): Promise<void>;
}

/** Loads one version of a model. */
export interface Loader {
  /** Estimates the memory that the model will take, in bytes. @throws ModelLoadError. */
  estimate(): Promise<number>;
  /** Loads the model. @throws ModelLoadError with the reason that a user needs to mend it. */
  load(): Promise<Model>;
}
