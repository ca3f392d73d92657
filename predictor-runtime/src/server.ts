/** One server process's life: listen, fetch, load, serve, drain. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Config } from './config.ts';
import { DataPlane } from './dataplane.ts';
import type { GrpcServer } from './grpc/server.ts';
import type { Logger } from './log.ts';
import { Metrics } from './metrics.ts';
import { loadOnnx } from './model/onnx.ts';
import { restServer } from './rest.ts';
import { fetchModel } from './storage/storage.ts';

export interface PredictorServer {
  /** The port that REST listens on; differs from the configured one when that is 0. */
  readonly httpPort: number;
  /** The same for gRPC; undefined when it is not served. */
  readonly grpcPort: number | undefined;
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
  const grpc = await startGrpc({ config, dataPlane, metrics, log });
  log.info('listening', { host: config.host, port, grpcPort: grpc?.port });

  async function load(): Promise<void> {
    const started = performance.now();
    try {
      const dir =
        config.storageUri === undefined
          ? config.modelDir
          : await fetchModel(config.storageUri, { dir: config.modelDir, env, log });
      const model = await loadOnnx(config.modelName, dir, { threads: config.threads });
      dataPlane.set(config.modelName, { phase: 'ready', model });
      grpc?.server.setServing(true);
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
    grpcPort: grpc?.port,
    loaded: load(),
    async drain() {
      dataPlane.drain();
      server.close();
      await Promise.all([once(server, 'close'), grpc?.server.drain()]);
    },
  };
}

/** The gRPC server, when it is asked for; its module costs time that REST alone need not spend. */
async function startGrpc(options: {
  config: Config;
  dataPlane: DataPlane;
  metrics: Metrics;
  log: Logger;
}): Promise<{ server: GrpcServer; port: number } | undefined> {
  const { grpcPort, host, maxBodyBytes } = options.config;
  if (grpcPort === undefined) return undefined;
  const { GrpcServer } = await import('./grpc/server.ts');
  const server = new GrpcServer({ ...options, maxBodyBytes });
  return { server, port: await server.listen(host, grpcPort) };
}
