/**
 * Worker threads that evaluate a model of rows and columns beside the thread that opened it, on the same weights in
 * memory. The first run that is worth it starts them; until they are there, and when they cannot be, the caller
 * evaluates itself.
 */

import { Worker } from 'node:worker_threads';
import type { Table } from '../../formats/table.ts';
import type { SharedModel } from '../../formats/tabular-file.ts';
import type { TabularValues } from '../../formats/tabular-model.ts';
import { programBeside } from '../../platform/package-files.ts';
import { RowError } from '../../protocol/errors.ts';

const PROGRAM = programBeside(import.meta.url, 'tabular-thread');

/** Rows for a thread to evaluate. */
export interface ThreadRequest {
  readonly id: number;
  /** Rows without their origin, which the thread knows itself. */
  readonly table: Omit<Table, 'origin'>;
  readonly outputs: readonly string[];
}

/** Message of a thread to its owner. */
export type ThreadReply =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'refused';
      readonly id: number;
      readonly row: number;
      readonly problem: string;
    }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly values: TabularValues[];
      /** Time that the evaluation took, in ms. */
      readonly ms: number;
    };

type Evaluated = Pick<Extract<ThreadReply, { kind: 'done' }>, 'values' | 'ms'>;

interface Task {
  readonly resolve: (evaluated: Evaluated) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly tasks: Map<number, Task>;
  isReady: boolean;
}

/** Starts the threads of one model, and gives them rows. */
export class TabularThreads {
  readonly #model: SharedModel;
  readonly #count: number;
  readonly #threads = new Set<Thread>();
  #state: 'new' | 'started' | 'closed' = 'new';
  #nextId = 0;

  constructor(model: SharedModel, count: number) {
    this.#model = model;
    this.#count = count;
  }

  /** Number of threads that can be given rows. Reading it starts them, the first time and again when all have died. */
  get ready(): number {
    if (this.#state === 'new') {
      this.#state = 'started';
      void this.#start();
    }
    return this.#usable().length;
  }

  #usable(): Thread[] {
    return [...this.#threads].filter(({ isReady }) => isReady);
  }

  /** Starts the threads one after the other, as each reads the file for a moment. One that fails is left out. */
  async #start(): Promise<void> {
    for (let place = 1; place <= this.#count && this.#state === 'started'; place++) {
      await this.#startOne(place).catch(() => undefined);
    }
  }

  #startOne(place: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const worker = new Worker(PROGRAM, { workerData: { model: this.#model, place } });
    // A server that has drained must not wait for the thread.
    worker.unref();
    const thread: Thread = { worker, tasks: new Map(), isReady: false };
    this.#threads.add(thread);
    worker.on('message', (reply: ThreadReply) => {
      if (reply.kind !== 'ready') return this.#receive(thread, reply);
      thread.isReady = true;
      return resolve();
    });
    let reason = new Error('the thread that evaluates it has ended');
    worker.once('error', (error) => {
      reason = error as Error;
    });
    worker.once('exit', () => {
      this.#threads.delete(thread);
      if (thread.isReady && this.#threads.size === 0 && this.#state === 'started') {
        this.#state = 'new';
      }
      for (const task of thread.tasks.values()) task.reject(reason);
      reject(reason);
    });
    return promise;
  }

  #receive({ tasks }: Thread, reply: Exclude<ThreadReply, { kind: 'ready' }>): void {
    const task = tasks.get(reply.id);
    tasks.delete(reply.id);
    if (reply.kind === 'refused') task?.reject(new RowError(reply.row, reply.problem));
    else if (reply.kind === 'failed') task?.reject(new Error(reply.message));
    else task?.resolve({ values: reply.values.map(withBuffers), ms: reply.ms });
  }

  /**
   * Has the least busy thread evaluate rows; there must be one.
   * @throws RowError when the model refuses a row; Error of the model, or when the thread ends.
   */
  evaluate({ rows, width, data }: Table, outputs: readonly string[]): Promise<Evaluated> {
    const id = this.#nextId++;
    const { worker, tasks } = this.#usable().reduce((least, other) =>
      other.tasks.size < least.tasks.size ? other : least,
    );
    const { promise, resolve, reject } = Promise.withResolvers<Evaluated>();
    tasks.set(id, { resolve, reject });
    // A message of a view would carry all the memory behind it.
    const own = data instanceof Float64Array ? data.slice() : data;
    const request: ThreadRequest = { id, table: { rows, width, data: own }, outputs };
    worker.postMessage(request, own instanceof Float64Array ? [own.buffer] : []);
    return promise;
  }

  close(): void {
    this.#state = 'closed';
    for (const { worker } of this.#threads) void worker.terminate();
  }
}

/** Makes buffers of plain bytes, which messages make of them. */
function withBuffers({ width, data }: TabularValues): TabularValues {
  if (!Array.isArray(data)) return { width, data };
  const bytes: readonly Uint8Array[] = data;
  return { width, data: bytes.map((one) => Buffer.from(one.buffer, one.byteOffset, one.length)) };
}
