/** One server process's life: listen, fetch, load, serve, drain. */
import { Metrics } from '../metrics/metrics.ts';
import { createTracer, type Tracer } from '../platform/tracing.ts';
import { Gate } from '../transport/access/gate.ts';
import { loadServerPlugins } from '../transport/access/server-plugin.ts';
import { readTls } from '../transport/access/tls.ts';
import { CallEnvelope } from '../transport/call.ts';
import type { RestOptions } from '../transport/rest/reply.ts';
import { beginOnnx } from './early-onnx.ts';
import { Listeners, type Ports } from './listeners.ts';
import { type ModelServing, modelServing, type ServerOptions } from './model-serving.ts';

/** A server that listens. */
export interface PredictorServer extends Ports {
  /** Promise that all models of the start are loaded. @throws StorageError, ModelLoadError. */
  readonly loaded: Promise<void>;
  /** Makes the server not ready, takes no new connection, and resolves when the requests under way are answered. */
  drain(): Promise<void>;
}

/** Listens while it loads, so that probes and callers see `loading`. @throws Error when it cannot listen. */
export async function startServer(options: ServerOptions): Promise<PredictorServer> {
  const { config, env, log } = options;
  beginOnnx(config);
  const serving = modelServing(options);
  const { manager, repository, dataPlane } = serving;
  const tracer = await createTracer(env);
  const rest = await restOptions(options, serving, tracer);
  let listeners: Listeners | undefined;
  const tellHealth = () => listeners?.setServing(dataPlane.notReadyReason() === undefined);
  manager.addListener({ settled: tellHealth });
  const loaded = repository.start().then(tellHealth);
  // The caller of this function awaits `loaded`; until then its failure must not end the process.
  const settled = loaded.catch(() => undefined);

  async function close(): Promise<void> {
    await repository.close();
    await manager.close();
    await tracer?.close();
  }

  listeners = await Listeners.open({ config, rest, manager, repository, log }).catch((error) => {
    void settled.then(close);
    throw error;
  });
  tellHealth();
  const { ports } = listeners;
  const { httpPort: port, grpcPort, managementPort } = ports;
  log.info('listening', { host: config.host, port, grpcPort, managementPort });
  return {
    ...ports,
    loaded,
    async drain() {
      dataPlane.drain();
      await listeners?.drain();
      await close();
    },
  };
}

/** Makes what REST and gRPC share. @throws Error for tokens, keys and plugins that cannot be read. */
async function restOptions(
  { config, log }: ServerOptions,
  { manager, repository, dataPlane }: ModelServing,
  tracer: Tracer | undefined,
): Promise<RestOptions> {
  const plugins = await loadServerPlugins(config.pluginsDir);
  const { logRequests, overloadStatus } = config;
  const metrics = new Metrics(manager);
  return {
    dataPlane,
    repository,
    envelope: new CallEnvelope({ dataPlane, metrics, tracer, log, logRequests, overloadStatus }),
    metrics,
    log,
    maxBodyBytes: config.maxBodyBytes,
    overloadStatus,
    gate: new Gate(config.access, plugins),
    plugins,
    corsOrigins: config.corsAllowOrigin,
    tls: config.tls && readTls(config.tls),
  };
}
