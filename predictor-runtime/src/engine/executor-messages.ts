/** What an executor's process and its owner say to each other, by Node's IPC with structured clones. */
import type { Tensor } from '../v2/types.ts';
import type { ExecutorFailure, ExecutorOptions } from './executor.ts';
import type { Signature } from './ort-session.ts';

export type ToExecutor =
  | { readonly kind: 'load'; readonly options: ExecutorOptions }
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly inputs: readonly Tensor[];
      readonly outputs: readonly string[];
    }
  | { readonly kind: 'cancel'; readonly id: number };

export type FromExecutor =
  | { readonly kind: 'loaded'; readonly signature: Signature }
  | { readonly kind: 'not loaded'; readonly message: string }
  | { readonly kind: 'done'; readonly id: number; readonly outputs: readonly Tensor[] }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly failure: ExecutorFailure;
      readonly message: string;
    };
