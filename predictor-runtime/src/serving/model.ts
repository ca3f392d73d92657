/** A loaded version of a model, and what loads one: TensorFlow Serving's servable and loader. */

import type { WorkerStatus } from '../engine/executor-pool.ts';
import type { ModelMetadata, Tensor } from '../protocol/v2/types.ts';
import type { Immediate } from './immediate.ts';
import type { ModelConfig } from './repository/model-config.ts';
import type { Job } from './scheduling/job.ts';
import type { Statistics } from './scheduling/statistics.ts';

export interface Model {
  readonly metadata: ModelMetadata;
  readonly config: ModelConfig;
  readonly statistics: Statistics;
  /** Requests that wait for an executor. */
  readonly pending: number;
  /** True when it answers V1's `explain`. */
  readonly explains: boolean;
  /** Names of the classes of an output that has them. */
  classLabels(output: string): readonly string[];
  /** Memory of its own, in bytes. */
  memoryUsage(): number;
  workers(): readonly WorkerStatus[];
  /** @throws ModelLoadError when an executor cannot be started. */
  scale(workers: number): Promise<void>;
  /** Gives the wanted outputs in the order asked, and all of them when none is named. @throws InferenceError. */
  infer(job: Job): Immediate<Tensor[]>;
  /** Frees the model's memory; no request may be under way. */
  close(): Promise<void>;
}

export interface Loader {
  /** Memory, in bytes, that the model is expected to take. @throws ModelLoadError. */
  estimate(): Promise<number>;
  /** @throws ModelLoadError with the reason that a user needs to mend it. */
  load(): Promise<Model>;
}
