/** One server process's life: listen, fetch, load, serve, drain. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Config } from './config.ts';
import { DataPlane } from './dataplane.ts';
import type { Logger } from './log.ts';
import { Metrics } from './metrics.ts';
import { loadOnnx } from './model/onnx.ts';
import { restServer } from './rest.ts';
import { fetchModel } from './storage/storage.ts';

export interface PredictorServer {
  /** The port that REST listens on; differs from the configured one when that is 0. */
  readonly httpPort: number;
  /** Resolves when the model is loaded. @throws StorageError, ModelLoadError. */
  readonly loaded: Promise<void>;
  /** Not ready at once, no new connections, resolves when the requests under way are answered. */
  drain(): Promise<void>;
}

export interface ServerOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

/** Listens first, so that probes and callers see `loading`, then loads. @throws Error when it cannot listen. */
export async function startServer({ config, env, log }: ServerOptions): Promise<PredictorServer> {
  const dataPlane = new DataPlane();
  const metrics = new Metrics();
  dataPlane.set(config.modelName, { phase: 'loading' });
  const server = restServer({ dataPlane, metrics, log, maxBodyBytes: config.maxBodyBytes });
  server.listen(config.httpPort, config.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  log.info('listening', { host: config.host, port });

  async function load(): Promise<void> {
    const started = performance.now();
    try {
      const dir =
        config.storageUri === undefined
          ? config.modelDir
          : await fetchModel(config.storageUri, { dir: config.modelDir, env, log });
      const model = await loadOnnx(config.modelName, dir, { threads: config.threads });
      dataPlane.set(config.modelName, { phase: 'ready', model });
    } catch (error) {
      dataPlane.set(config.modelName, { phase: 'failed', reason: (error as Error).message });
      throw error;
    }
    const seconds = (performance.now() - started) / 1000;
    metrics.loaded(config.modelName, seconds);
    log.info('model loaded', { model: config.modelName, seconds });
  }

  return {
    httpPort: port,
    loaded: load(),
    async drain() {
      dataPlane.drain();
      server.close();
      await once(server, 'close');
    },
  };
}
