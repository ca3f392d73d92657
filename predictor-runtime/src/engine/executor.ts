/** What runs one model, wherever it does: in this process or in one of its own. */
import type { Tensor } from '../protocol/v2/types.ts';
import type { RunOptions, Signature } from './engine.ts';
import type { Provider } from './onnx/provider-choice.ts';

export interface ExecutorOptions {
  /** The model: an ONNX file, or a module. */
  readonly path: string;
  /** A module around it. */
  readonly plugin?: string;
  /** Folder of the model's version. */
  readonly dir: string;
  /** Free values of the model's configuration, for modules. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Where the model has probabilities, they are its answer (KServe's PREDICT_PROBA). */
  readonly predictProba: boolean;
  /** Threads of one run. */
  readonly threads: number;
  /** Ceiling of the memory that runs may take, in bytes; 0 is none. A run that wants more fails. */
  readonly arenaBytes: number;
  /** What runs the kernels of ONNX models, first choice first. */
  readonly executionProviders: readonly Provider[];
  /** Where ONNX models are kept as they were optimised; absent when they are not. */
  readonly optimizedModelDir?: string;
  /** Resident memory, in bytes, beyond which an executor of its own process is replaced; 0 is none. */
  readonly memoryBytes: number;
}

export interface Executor {
  readonly signature: Signature;
  /** True when it answers `explain`. */
  readonly explains: boolean;
  /** As the engine says; other executors take the same processors. */
  readonly parallelRuns: number;
  /** Runs under way. */
  readonly inFlight: number;
  /** Memory that is the executor's own, in bytes; 0 when it shares this process's. */
  memoryUsage(): number;
  /** Runs the model, and gives the wanted outputs. @throws ExecutorError. */
  execute(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    options?: RunOptions,
  ): Promise<Tensor[]>;
  /** Runs the model at once, where the engine can and the run is short; otherwise undefined. @throws ExecutorError. */
  executeNow?(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] | undefined;
  /** Frees the model: a process's runs under way fail, those in this process are waited for. */
  close(): Promise<void>;
}

/** `failed`: the model refused; `cancelled`: the caller's signal; `died`: the executor is gone, the run unanswered. */
export type ExecutorFailure = 'failed' | 'cancelled' | 'died';

export class ExecutorError extends Error {
  readonly failure: ExecutorFailure;

  constructor(failure: ExecutorFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ExecutorError';
    this.failure = failure;
  }
}
