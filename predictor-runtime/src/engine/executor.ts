/** What runs one model, wherever it does: in this process or in one of its own. */
import type { Tensor } from '../v2/types.ts';
import type { Signature } from './ort-session.ts';

export interface ExecutorOptions {
  /** Model file. */
  readonly path: string;
  /** Threads of one run. */
  readonly threads: number;
  /** Ceiling of the memory that runs may take, in bytes; 0 is none. A run that wants more fails. */
  readonly arenaBytes: number;
  /** Resident memory, in bytes, beyond which an executor of its own process is replaced; 0 is none. */
  readonly memoryBytes: number;
}

export interface Executor {
  readonly signature: Signature;
  /** Runs under way. */
  readonly inFlight: number;
  /** Memory that is the executor's own, in bytes; 0 when it shares this process's. */
  memoryUsage(): number;
  /** @throws ExecutorError. */
  run(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    signal?: AbortSignal,
  ): Promise<Tensor[]>;
  /** Frees the model; runs under way fail. */
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

/** A model that cannot be loaded, with the reason that a user needs to mend it. */
export class ModelLoadError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ModelLoadError';
  }
}

/** What a refused model file means to its owner. */
export function loadError(path: string, reason: string): ModelLoadError {
  return new ModelLoadError(`ONNX Runtime cannot load ${path}: ${reason}`);
}
