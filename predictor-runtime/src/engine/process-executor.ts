/** A model in a process of its own: whatever the model does there, the server's process lives. */

import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { programBeside } from '../platform/package-files.ts';
import { ModelLoadError, RowError } from '../protocol/errors.ts';
import type { Tensor } from '../protocol/v2/types.ts';
import type { RunOptions, Signature } from './engine.ts';
import { type Executor, ExecutorError, type ExecutorOptions } from './executor.ts';
import { type FromExecutor, fromClone, type ToExecutor } from './executor-messages.ts';

const PROGRAM = programBeside(import.meta.url, 'executor-process');
const PAGE_BYTES = 4096;
const MEMORY_CHECK_MS = 250;
/**
 * Time that a cancelled run has to stop, in ms. ONNX Runtime stops between two nodes; a loop in JavaScript, and a
 * kernel that hangs, never do.
 */
const CANCEL_GRACE_MS = 1000;

type Loaded = Extract<FromExecutor, { kind: 'loaded' }>;

/** A run whose answer has not come yet. */
interface PendingRun {
  readonly resolve: (outputs: Tensor[]) => void;
  readonly reject: (error: ExecutorError | RowError) => void;
}

/** Holds a model in a process of its own. */
export class ProcessExecutor implements Executor {
  readonly signature: Signature;
  readonly explains: boolean;
  readonly parallelRuns: number;
  /** Promise of the reason why the process ended, asked to or not. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #runs = new Map<number, PendingRun>();
  readonly #memoryCheck: NodeJS.Timeout;
  /** Reason why this side killed the process; undefined when it did not. */
  #killed: string | undefined;
  #nextId = 0;

  private constructor(child: ChildProcess, loaded: Loaded, { memoryBytes }: ExecutorOptions) {
    this.#child = child;
    this.signature = loaded.signature;
    this.explains = loaded.explains;
    this.parallelRuns = loaded.parallelRuns;
    child.on('message', (message: FromExecutor) => this.#receive(message));
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        clearInterval(this.#memoryCheck);
        const reason = this.#killed ?? `ended with ${signal ?? `code ${code}`}`;
        for (const run of this.#runs.values()) run.reject(new ExecutorError('died', reason));
        this.#runs.clear();
        resolve(reason);
      });
    });
    this.#memoryCheck = setInterval(() => {
      const used = this.memoryUsage();
      if (memoryBytes > 0 && used > memoryBytes) {
        this.kill(`exceeded its memory: ${used} of ${memoryBytes} bytes`);
      }
    }, MEMORY_CHECK_MS);
    this.#memoryCheck.unref();
  }

  /**
   * Starts the process and loads the model.
   * @param concurrency how many runs it may be given at a time
   * @throws ModelLoadError.
   */
  static async start(options: ExecutorOptions, concurrency: number): Promise<ProcessExecutor> {
    const child = fork(PROGRAM, [], {
      serialization: 'advanced',
      // Each run holds a thread of libuv's pool.
      env: { ...process.env, UV_THREADPOOL_SIZE: String(concurrency + 1) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const { promise, resolve, reject } = Promise.withResolvers<Loaded>();
    child.once('message', (message: FromExecutor) => {
      if (message.kind === 'loaded') resolve(message);
      else reject(new ModelLoadError('message' in message ? message.message : message.kind));
    });
    child.once('error', reject);
    const onExit = (code: number | null, signal: string | null) => {
      const end = signal ?? `code ${code}`;
      reject(new ModelLoadError(`${options.path}: the process that loads it ended with ${end}`));
    };
    child.once('exit', onExit);
    child.send({ kind: 'load', options } satisfies ToExecutor);
    try {
      const executor = new ProcessExecutor(child, await promise, options);
      child.off('exit', onExit);
      return executor;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  get inFlight(): number {
    return this.#runs.size;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  memoryUsage(): number {
    try {
      // Resident pages are the second field of statm (proc(5)).
      const pages = readFileSync(`/proc/${this.pid}/statm`, 'latin1').split(' ')[1];
      return Number(pages) * PAGE_BYTES;
    } catch {
      return 0;
    }
  }

  execute(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    { signal, method }: RunOptions = {},
  ): Promise<Tensor[]> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Tensor[]>();
    if (!this.#child.connected) return Promise.reject(new ExecutorError('died', 'is not running'));
    this.#runs.set(id, { resolve, reject });
    this.#send({ kind: 'run', id, inputs, outputs, method });
    if (signal === undefined) return promise;
    let overdue: NodeJS.Timeout | undefined;
    const cancel = () => {
      this.#send({ kind: 'cancel', id });
      overdue = setTimeout(() => this.kill('did not stop a cancelled run'), CANCEL_GRACE_MS);
    };
    signal.addEventListener('abort', cancel, { once: true });
    return promise.finally(() => {
      clearTimeout(overdue);
      signal.removeEventListener('abort', cancel);
    });
  }

  /** Ends the process at once; runs under way fail with `reason`. */
  kill(reason: string): void {
    this.#killed ??= reason;
    this.#child.kill('SIGKILL');
  }

  async close(): Promise<void> {
    this.kill('was closed');
    await this.ended;
  }

  #send(message: ToExecutor): void {
    // A broken pipe shows as the process's end, which answers every run.
    this.#child.send(message, () => undefined);
  }

  #receive(message: FromExecutor): void {
    if (message.kind === 'loaded' || message.kind === 'not loaded') return;
    const run = this.#runs.get(message.id);
    this.#runs.delete(message.id);
    if (message.kind === 'done') run?.resolve([...message.outputs].map(fromClone));
    else if (message.kind === 'refused') run?.reject(new RowError(message.row, message.problem));
    else run?.reject(new ExecutorError(message.failure, message.message));
  }
}
