/** A model in this process: the shortest way, for graphs that cannot run away (onnx-graph.ts decides). */
import type { Tensor } from '../v2/types.ts';
import type { Engine, RunOptions, Signature } from './engine.ts';
import { type Executor, ExecutorError, type ExecutorOptions, ModelLoadError } from './executor.ts';

export class InlineExecutor implements Executor {
  readonly #engine: Engine;
  readonly #runs = new Set<AbortController>();

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** @throws ModelLoadError. */
  static async start(options: ExecutorOptions): Promise<InlineExecutor> {
    return new InlineExecutor(await openEngine(options));
  }

  get signature(): Signature {
    return this.#engine;
  }

  get explains(): boolean {
    return this.#engine.explains;
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
    { signal, method }: RunOptions = {},
  ): Promise<Tensor[]> {
    const controller = new AbortController();
    const stop = () => controller.abort();
    this.#runs.add(controller);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await this.#engine.run(inputs, outputs, { signal: controller.signal, method });
    } catch (error) {
      const failure = controller.signal.aborted ? 'cancelled' : 'failed';
      throw new ExecutorError(failure, (error as Error).message, { cause: error });
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#runs.delete(controller);
    }
  }

  async close(): Promise<void> {
    for (const controller of this.#runs) controller.abort();
    while (this.#runs.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    this.#engine.close();
  }
}

/** Engines are loaded where they are needed: the server's own process may need none. */
async function openEngine(options: ExecutorOptions): Promise<Engine> {
  const { path, plugin, dir, parameters } = options;
  const engine = await openModel(options);
  if (plugin === undefined) return engine;
  const { openPlugin } = await import('./module-engine.ts');
  return openPlugin(engine, { path: plugin, dir, parameters }).catch((error: Error) => {
    engine.close();
    throw new ModelLoadError(`plugin ${plugin} of ${path}: ${error.message}`, { cause: error });
  });
}

async function openModel(options: ExecutorOptions): Promise<Engine> {
  const { path } = options;
  const isModule = path.endsWith('.mjs');
  try {
    if (isModule) return await (await import('./module-engine.ts')).openModelModule(options);
    return await (await import('./ort-session.ts')).OrtSession.open(path, options);
  } catch (error) {
    const who = isModule ? 'Node' : 'ONNX Runtime';
    throw new ModelLoadError(`${who} cannot load ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
