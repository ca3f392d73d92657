/** The configuration of one model: the same value, whatever file it was read from. */
import type { GraphOptimization } from '../../engine/onnx/graph-optimization.ts';
import type { Device } from '../../engine/onnx/provider-choice.ts';
import type { Datatype } from '../../protocol/v2/datatypes.ts';
import type { BatchPolicy } from '../scheduling/batch.ts';
import type { QueuePolicy } from '../scheduling/request-queue.ts';
import type { VersionPolicy } from './version-policy.ts';

/** A tensor as the configuration declares it. */
export interface DeclaredTensor {
  readonly name: string;
  readonly datatype?: Datatype;
  /** Dimensions of the tensor, without the batch dimension where `maxBatchSize` is not 0. */
  readonly dims?: readonly number[];
  /** File, in the model's folder, with a line for each class. */
  readonly labelFile?: string;
  /** Layout of an image, in Triton's words; the model itself does not know it. */
  readonly format?: string;
  /** True when requests may leave the input out. */
  readonly optional?: boolean;
}

/** Most executors of a version: a slip of the pen must not start more processes than a machine bears. */
export const MAX_WORKERS = 1024;

/** A request that is run before a version serves. */
export interface WarmupSample {
  readonly name: string;
  readonly count: number;
  readonly batchSize: number;
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: Datatype;
    readonly dims: readonly number[];
    /** Elements of the input: zeros, random numbers, or the bytes of a file in the folder `warmup`. */
    readonly data: 'zero' | 'random' | { readonly file: string };
  }[];
}

/** One model of an ensemble: its tensors by name → the ensemble's. */
export interface EnsembleStep {
  readonly model: string;
  /** Version of the model; undefined is the one that its policy chooses. */
  readonly version?: number;
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
}

/** Place where a model runs: `auto` lets small, loop-free graphs run inside the server's own process. */
export type Placement = 'auto' | 'inline' | 'process';

/** Everything that says how a model is to be served. */
export interface ModelConfig {
  /** File that the configuration was read from; undefined when there is nothing but defaults. */
  readonly source?: string;
  /** Name that the file gives; must be the model's. */
  readonly name?: string;
  readonly versionPolicy: VersionPolicy;
  /** Versions by their labels. */
  readonly labels: Readonly<Record<string, number>>;
  /** File of the model in its version's folder. */
  readonly file?: string;
  /** Most rows of a request, and of a run; 0 leaves both to the model. */
  readonly maxBatchSize: number;
  /** True when the configuration says that the first dimension is no batch; otherwise the model's shapes tell. */
  readonly isUnbatched?: boolean;
  /** Sizes and delays of batches; absent when requests are not batched. */
  readonly batch?: BatchPolicy;
  readonly queue: QueuePolicy;
  readonly workers: number;
  readonly placement: Placement;
  /** Threads of one run; undefined is the server's number. */
  readonly threads?: number;
  /** Device that an ONNX model is to run on; undefined leaves it to the server. */
  readonly device?: Device;
  /** Level to which an ONNX model's graph may be rewritten; undefined is all the way. */
  readonly graphOptimization?: GraphOptimization;
  readonly warmup: readonly WarmupSample[];
  readonly inputs: readonly DeclaredTensor[];
  readonly outputs: readonly DeclaredTensor[];
  readonly responseCache: boolean;
  readonly ensemble?: readonly EnsembleStep[];
  /** Free values for plugins. */
  readonly parameters: Readonly<Record<string, string>>;
}
