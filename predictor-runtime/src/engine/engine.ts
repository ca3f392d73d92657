/**
 * An engine runs one model inside an executor: ONNX Runtime, an evaluator of another format, a module, or a plugin
 * around one.
 */
import type { Signature, Tensor } from '../protocol/v2/types.ts';

/** Inputs and outputs of a model, as every engine tells them. */
export type { Signature };

/** Task of a run. `explain` comes from V1; its outputs are the model's own business. */
export type Method = 'infer' | 'explain';

/** Circumstances of a run. */
export interface RunOptions {
  /** Signal that is aborted when nobody wants the answer any more. */
  readonly signal?: AbortSignal;
  readonly method?: Method;
}

/** Runs one model. */
export interface Engine extends Signature {
  /** True when the model answers `explain`. */
  readonly explains: boolean;
  /** Number of runs that can go on at once, each with processors of its own. */
  readonly parallelRuns: number;
  /** Runs the model, and gives the wanted outputs without those that have no value. @throws Error. */
  run(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    options: RunOptions,
  ): Promise<Tensor[]>;
  /**
   * Runs the model at once on the calling thread, where that holds it up for no longer than a hop to another thread
   * would; otherwise undefined.
   * @throws Error.
   */
  runNow?(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] | undefined;
  /** Frees the model. No run may be under way. */
  close(): void;
}
