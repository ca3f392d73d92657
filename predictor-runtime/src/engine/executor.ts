/** An executor holds one model and runs it, in this process or in one of its own. */
import type { Tensor } from '../protocol/v2/types.ts';
import type { RunOptions, Signature } from './engine.ts';
import type { GraphOptimization } from './onnx/graph-optimization.ts';
import type { Provider } from './onnx/provider-choice.ts';

/** Everything that an executor needs to open its model. */
export interface ExecutorOptions {
  /** File of the model: its weights, or a module. */
  readonly path: string;
  /** Module that goes around the model; absent when there is none. */
  readonly plugin?: string;
  /** Folder of the model's version. */
  readonly dir: string;
  /** Free values of the model's configuration, for modules. */
  readonly parameters: Readonly<Record<string, string>>;
  /** True when a model that has probabilities answers them (KServe's PREDICT_PROBA). */
  readonly predictProba: boolean;
  /** Threads of one run. */
  readonly threads: number;
  /** Ceiling of the memory that runs may take, in bytes; 0 is none. A run that wants more fails. */
  readonly arenaBytes: number;
  /** Execution providers of ONNX models, first choice first. */
  readonly executionProviders: readonly Provider[];
  /** Level to which an ONNX model's graph may be rewritten; all the way if not given. */
  readonly graphOptimization?: GraphOptimization;
  /** Folder where ONNX models are kept as they were optimised; absent when they are not. */
  readonly optimizedModelDir?: string;
  /** Resident memory, in bytes, beyond which an executor of its own process is replaced; 0 is none. */
  readonly memoryBytes: number;
}

/** Holds one model, and runs it. */
export interface Executor {
  readonly signature: Signature;
  /** True when the model answers `explain`. */
  readonly explains: boolean;
  /** Number of runs that can go on at once; the other executors of the model take the same processors. */
  readonly parallelRuns: number;
  /** Number of runs under way. */
  readonly inFlight: number;
  /** Returns the memory that is the executor's own, in bytes; 0 when it shares this process's. */
  memoryUsage(): number;
  /** Runs the model, and gives the wanted outputs. @throws ExecutorError; RowError when it refuses a row. */
  execute(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    options?: RunOptions,
  ): Promise<Tensor[]>;
  /**
   * Runs the model at once, where the engine can and the run is short; otherwise undefined.
   * @throws ExecutorError; RowError when it refuses a row.
   */
  executeNow?(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] | undefined;
  /** Frees the model: a process's runs under way fail, those in this process are waited for. */
  close(): Promise<void>;
}

/** Reason of a failed run. `failed`: the model could not; `cancelled`: the caller left; `died`: the executor is gone. */
export type ExecutorFailure = 'failed' | 'cancelled' | 'died';

/** A run that was not answered, with the reason. */
export class ExecutorError extends Error {
  readonly failure: ExecutorFailure;

  constructor(failure: ExecutorFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ExecutorError';
    this.failure = failure;
  }
}
