/** Messages between an executor's process and its owner, by Node's IPC with structured clones. */
import type { Tensor } from '../protocol/v2/types.ts';
import type { Method, Signature } from './engine.ts';
import type { ExecutorFailure, ExecutorOptions } from './executor.ts';

/** Message to an executor's process. */
export type ToExecutor =
  | { readonly kind: 'load'; readonly options: ExecutorOptions }
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly inputs: readonly Tensor[];
      readonly outputs: readonly string[];
      readonly method?: Method;
    }
  | { readonly kind: 'cancel'; readonly id: number };

/** Message from an executor's process. */
export type FromExecutor =
  | {
      readonly kind: 'loaded';
      readonly signature: Signature;
      readonly explains: boolean;
      readonly parallelRuns: number;
    }
  | { readonly kind: 'not loaded'; readonly message: string }
  | { readonly kind: 'done'; readonly id: number; readonly outputs: readonly Tensor[] }
  | {
      readonly kind: 'refused';
      readonly id: number;
      readonly row: number;
      readonly problem: string;
    }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly failure: ExecutorFailure;
      readonly message: string;
    };

/** Makes a tensor of its clone: a structured clone turns a Buffer into a plain Uint8Array. */
export function fromClone(tensor: Tensor): Tensor {
  if (!Array.isArray(tensor.data)) return tensor;
  const data = tensor.data.map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  return { ...tensor, data };
}
