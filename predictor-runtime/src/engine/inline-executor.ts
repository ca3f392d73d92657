/** A model in this process: the shortest way, for graphs that cannot run away (onnx-graph.ts decides). */
import type { Tensor } from '../v2/types.ts';
import { type Executor, ExecutorError, type ExecutorOptions, loadError } from './executor.ts';
import { OrtSession, RunToken, type Signature } from './ort-session.ts';

export class InlineExecutor implements Executor {
  readonly #session: OrtSession;
  readonly #runs = new Set<RunToken>();

  private constructor(session: OrtSession) {
    this.#session = session;
  }

  /** @throws ModelLoadError. */
  static async start(options: ExecutorOptions): Promise<InlineExecutor> {
    const session = await OrtSession.open(options.path, options).catch((error: Error) => {
      throw loadError(options.path, error.message);
    });
    return new InlineExecutor(session);
  }

  get signature(): Signature {
    return this.#session;
  }

  get inFlight(): number {
    return this.#runs.size;
  }

  memoryUsage(): number {
    return 0;
  }

  async run(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    signal?: AbortSignal,
  ): Promise<Tensor[]> {
    const token = new RunToken();
    const stop = () => token.terminate();
    this.#runs.add(token);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await this.#session.run(inputs, outputs, token);
    } catch (error) {
      const failure = signal?.aborted ? 'cancelled' : 'failed';
      throw new ExecutorError(failure, (error as Error).message, { cause: error });
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#runs.delete(token);
      token.end();
    }
  }

  async close(): Promise<void> {
    for (const token of this.#runs) token.terminate();
    while (this.#runs.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    this.#session.close();
  }
}
