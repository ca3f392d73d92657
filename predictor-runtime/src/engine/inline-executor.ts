/** A model in this process is the shortest way, for graphs that cannot run away (onnx-graph.ts decides). */

import { type Format, formatOf } from '../formats/format.ts';
import { ModelLoadError, RowError } from '../protocol/errors.ts';
import type { Tensor } from '../protocol/v2/types.ts';
import type { Engine, RunOptions, Signature } from './engine.ts';
import { type Executor, ExecutorError, type ExecutorOptions } from './executor.ts';

/** Holds a model in this process. */
export class InlineExecutor implements Executor {
  readonly #engine: Engine;
  #inFlight = 0;
  /** Wakes `close` when the last run has ended. */
  #onIdle: (() => void) | undefined;

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Opens the model. @param mayBlock true when short runs may take the calling thread @throws ModelLoadError. */
  static async start(options: ExecutorOptions, mayBlock = true): Promise<InlineExecutor> {
    return new InlineExecutor(await openEngine({ ...options, mayBlock }));
  }

  get signature(): Signature {
    return this.#engine;
  }

  get explains(): boolean {
    return this.#engine.explains;
  }

  get parallelRuns(): number {
    return this.#engine.parallelRuns;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  memoryUsage(): number {
    return 0;
  }

  async execute(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    options: RunOptions = {},
  ): Promise<Tensor[]> {
    this.#inFlight++;
    try {
      const results =
        options.method === 'explain' ? undefined : this.#engine.runNow?.(inputs, outputs);
      return results ?? (await this.#engine.run(inputs, outputs, options));
    } catch (error) {
      if (error instanceof RowError) throw error;
      const failure = options.signal?.aborted ? 'cancelled' : 'failed';
      throw new ExecutorError(failure, (error as Error).message, { cause: error });
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#onIdle?.();
    }
  }

  executeNow(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] | undefined {
    try {
      return this.#engine.runNow?.(inputs, outputs);
    } catch (error) {
      if (error instanceof RowError) throw error;
      throw new ExecutorError('failed', (error as Error).message, { cause: error });
    }
  }

  async close(): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    this.#engine.close();
  }
}

type EngineOptions = ExecutorOptions & { readonly mayBlock: boolean };

/** Opens the model's engine, whose module is loaded only here: the server's own process may need none. */
async function openEngine(options: EngineOptions): Promise<Engine> {
  const { path, plugin, dir, parameters } = options;
  const engine = await openModel(options);
  if (plugin === undefined) return engine;
  const { openPlugin } = await import('./module/module-engine.ts');
  return openPlugin(engine, { path: plugin, dir, parameters }).catch((error: Error) => {
    engine.close();
    throw new ModelLoadError(`plugin ${plugin} of ${path}: ${error.message}`, { cause: error });
  });
}

async function openModel(options: EngineOptions): Promise<Engine> {
  const { path } = options;
  const format = formatOf(path);
  try {
    switch (format) {
      case 'javascript':
        return await (await import('./module/module-engine.ts')).openModelModule(options);
      case 'onnx':
        return await (await import('./onnx/ort-session.ts')).OrtSession.open(path, options);
      default:
        return await (await import('./tabular/tabular-engine.ts')).openTabularModel(options);
    }
  } catch (error) {
    const { message } = error as Error;
    throw new ModelLoadError(`${READERS[format]} cannot load ${path}: ${message}`, {
      cause: error,
    });
  }
}

/** Names of those who read a model, for messages. */
const READERS: Readonly<Record<Format, string>> = {
  javascript: 'Node',
  onnx: 'ONNX Runtime',
  xgboost: 'the reader of XGBoost models',
  lightgbm: 'the reader of LightGBM models',
  sklearn: 'the reader of scikit-learn models',
};
