/** What runs in an executor: ONNX Runtime, an evaluator of another format, a model in JavaScript, or a plugin around one. */
import type { Signature, Tensor } from '../protocol/v2/types.ts';

export type { Signature };

/** `explain` is V1's: what it gives is the model's own business. */
export type Method = 'infer' | 'explain';

export interface RunOptions {
  /** Aborted when nobody wants the answer any more. */
  readonly signal?: AbortSignal;
  readonly method?: Method;
}

export interface Engine extends Signature {
  /** True when it answers `explain`. */
  readonly explains: boolean;
  /** Runs that can go on at once, each with processors of its own. */
  readonly parallelRuns: number;
  /** The wanted outputs; one that has no value is left out. @throws Error. */
  run(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    options: RunOptions,
  ): Promise<Tensor[]>;
  /**
   * The same at once, on the calling thread, where the run is so short that this holds up nobody; otherwise undefined.
   * @throws Error.
   */
  runNow?(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] | undefined;
  /** Frees the model. No run may be under way. */
  close(): void;
}
