/** One server process's life: listen, fetch, load, serve, drain. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataPlane } from '../dataplane.ts';
import { Metrics } from '../metrics/metrics.ts';
import { containerMemory } from '../platform/container.ts';
import type { Env } from '../platform/environment.ts';
import type { Logger } from '../platform/log.ts';
import { createTracer, type Tracer } from '../platform/tracing.ts';
import { InferenceError, invalid, ModelLoadError } from '../protocol/errors.ts';
import { EnsembleLoader } from '../serving/ensemble.ts';
import { ModelManager } from '../serving/manager.ts';
import { ModelLoader } from '../serving/model-loader.ts';
import type { ModelConfig } from '../serving/repository/model-config.ts';
import {
  configFile,
  type FolderSource,
  type ModelList,
  oneModel,
  repositoryFolders,
} from '../serving/repository/model-list.ts';
import { ModelRepository } from '../serving/repository/repository.ts';
import { ResponseCache } from '../serving/scheduling/response-cache.ts';
import { Mirror } from '../storage/mirror.ts';
import { fetchModel } from '../storage/storage.ts';
import { Gate, readTokens } from '../transport/access/gate.ts';
import { loadServerPlugins } from '../transport/access/server-plugin.ts';
import { readTls } from '../transport/access/tls.ts';
import { CallEnvelope } from '../transport/call.ts';
import type { GrpcServer } from '../transport/grpc/server.ts';
import type { TransportOptions } from '../transport/options.ts';
import type { RestOptions } from '../transport/rest/reply.ts';
import { restServer } from '../transport/rest/server.ts';
import type { Config } from './config.ts';

export interface PredictorServer {
  /** The port that REST listens on; differs from the configured one when that is 0. */
  readonly httpPort: number;
  /** The same for gRPC; undefined when it is not served. */
  readonly grpcPort: number | undefined;
  /** The same for the management API. */
  readonly managementPort: number | undefined;
  /** Resolves when the models of the start are loaded. @throws StorageError, ModelLoadError. */
  readonly loaded: Promise<void>;
  /** Not ready at once, no new connections, resolves when the requests under way are answered. */
  drain(): Promise<void>;
}

export interface ServerOptions {
  readonly config: Config;
  readonly env: Env;
  readonly log: Logger;
}

/** Of the memory that the container may have, what the runs of one executor may take. */
const ARENA_SHARE = 0.75;

/** Listens while it loads, so that probes and callers see `loading`. @throws Error when it cannot listen. */
export async function startServer({ config, env, log }: ServerOptions): Promise<PredictorServer> {
  const manager = new ModelManager({
    transition: config.transitionPolicy,
    memoryBytes: config.memoryLimitBytes,
    parallelLoads: config.modelLoadThreadCount,
    log,
  });
  const repository = modelRepository({
    config,
    env,
    manager,
    log,
    models: modelList({ config, env, log }),
  });
  const parts = { config, manager, repository, log };
  const cache = new ResponseCache(config.responseCacheBytes);
  const tracer = await createTracer(env);
  const dataPlane = new DataPlane({ manager, repository, cache });
  if (config.modelName !== undefined) manager.expect(config.modelName);
  const front = await frontOf(dataPlane, parts, tracer);
  let listeners: Listeners | undefined;
  const tellHealth = () =>
    listeners?.grpc?.server.setServing(dataPlane.notReadyReason() === undefined);
  manager.addListener({ settled: tellHealth });
  // ONNX Runtime makes its environment in another thread meanwhile.
  const loaded = load();
  // Whom its failure concerns is up to the caller.
  const settled = loaded.catch(() => undefined);
  listeners = await listen(front, parts).catch((error) => {
    void settled.then(close);
    throw error;
  });
  tellHealth();
  const { rest, grpc, management } = listeners;
  const ports = {
    httpPort: portOf(rest),
    grpcPort: grpc?.port,
    managementPort: management && portOf(management),
  };
  const { httpPort: port, grpcPort, managementPort } = ports;
  log.info('listening', { host: config.host, port, grpcPort, managementPort });

  async function load(): Promise<void> {
    await repository.start();
    if (config.modelName !== undefined) mustServe(config.modelName, { manager, repository });
    tellHealth();
  }

  async function close(): Promise<void> {
    await repository.close();
    await manager.close();
    await tracer?.close();
  }

  return {
    ...ports,
    loaded,
    async drain() {
      dataPlane.drain();
      await Promise.all([closed(rest), grpc?.server.drain(), management && closed(management)]);
      await close();
    },
  };
}

/** What REST and gRPC share. @throws Error for tokens, keys and plugins that cannot be read. */
async function frontOf(
  dataPlane: DataPlane,
  { config, manager, repository, log }: ServerParts,
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

/** What takes requests. */
interface Listeners {
  readonly rest: Server;
  readonly grpc: { readonly server: GrpcServer; readonly port: number } | undefined;
  readonly management: Server | undefined;
}

interface ServerParts {
  readonly config: Config;
  readonly manager: ModelManager;
  readonly repository: ModelRepository;
  readonly log: Logger;
}

/** @throws Error when a port cannot be listened on. */
async function listen(front: RestOptions, parts: ServerParts): Promise<Listeners> {
  const { config } = parts;
  const rest = restServer(front);
  rest.listen(config.httpPort, config.host);
  await once(rest, 'listening');
  try {
    return {
      rest,
      grpc: await startGrpc(front, config),
      management: await startManagement(parts),
    };
  } catch (error) {
    rest.close();
    throw error;
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function closed(server: Server): Promise<unknown> {
  server.close();
  return once(server, 'close');
}

/** The one model that a process is for: without it there is no reason to live. @throws ModelLoadError. */
function mustServe(
  name: string,
  { manager, repository }: { manager: ModelManager; repository: ModelRepository },
): void {
  const failed = manager.servables(name).findLast(({ phase }) => phase === 'failed');
  const reason = repository.unreadableReason(name) ?? failed?.error;
  if (manager.defaultVersion(name) === undefined && reason !== undefined) {
    throw new ModelLoadError(reason);
  }
}

function modelList(options: ServerOptions): ModelList {
  const { modelName: name, modelConfigFile, modelRepository: dirs } = options.config;
  if (name !== undefined) return oneModel(name, folderSource(options));
  return modelConfigFile === undefined ? repositoryFolders(dirs) : configFile(modelConfigFile);
}

/** The folder of the one model: what is fetched is fetched again only where it is polled. */
function folderSource({ config, env, log }: ServerOptions): FolderSource {
  const { storageUri, modelDir, modelControlMode } = config;
  if (storageUri === undefined) return { folder: modelDir, refresh: async () => modelDir };
  const mirror = new Mirror(storageUri, { dir: modelDir, env, log });
  return {
    get folder() {
      return mirror.folder;
    },
    async refresh() {
      const { folder } = mirror;
      return folder === undefined || modelControlMode === 'poll' ? mirror.sync() : folder;
    },
  };
}

/** How a model is served whose folder says nothing of it. */
function modelDefaults(config: Config): ModelConfig {
  const { maxBatchSize: maxRows, maxBatchDelayMs: maxDelayMs } = config;
  return {
    versionPolicy: config.versionPolicy,
    labels: config.versionLabels,
    maxBatchSize: maxRows,
    batch: maxRows > 0 ? { maxRows, preferredRows: [], maxDelayMs } : undefined,
    queue: {
      maxRequests: config.queueSize,
      maxBytes: config.queueBytes,
      defaultTimeoutMs: config.requestTimeoutMs,
      priorityLevels: config.priorityLevels,
      // In the middle: there is room above and below.
      defaultPriority: Math.ceil(config.priorityLevels / 2),
    },
    workers: config.workers,
    placement: config.executor,
    warmup: [],
    inputs: [],
    outputs: [],
    responseCache: config.responseCache,
    parameters: {},
  };
}

interface RepositoryParts {
  readonly config: Config;
  readonly env: Env;
  readonly manager: ModelManager;
  readonly log: Logger;
  readonly models: ModelList;
}

function modelRepository({ config, env, manager, log, models }: RepositoryParts): ModelRepository {
  const { threads, concurrency } = config;
  const execution = {
    threads,
    concurrency,
    arenaBytes: Math.floor(containerMemory() * ARENA_SHARE),
    executorMemoryBytes: config.memoryLimitBytes,
    executionProviders: config.executionProviders,
    optimizedModelDir: config.optimizedModelDir,
    predictProba: env.PREDICT_PROBA?.toLowerCase() === 'true',
    allowModelCode: config.allowModelCode,
    log,
  };
  return new ModelRepository({
    models,
    mode: config.modelControlMode,
    pollMs: config.repositoryPollSecs * 1000,
    loadAtStart: config.loadModel,
    defaults: modelDefaults(config),
    manager,
    log,
    fetch: async (uri) => {
      if (!config.allowedUri.some((prefix) => uri.startsWith(prefix))) {
        throw new InferenceError(
          'PERMISSION_DENIED',
          `url: '${uri}' is no folder of the repository, and begins with none of --allowed_uri`,
        );
      }
      const own = await mkdtemp(join(tmpdir(), 'wherry-model-'));
      const dir = await fetchModel(uri, { dir: own, env, log }).catch(async (error: Error) => {
        await rm(own, { recursive: true });
        throw invalid(error.message);
      });
      if (dir !== own) await rm(own, { recursive: true });
      return { dir, isOwn: dir === own };
    },
    loader: (version) =>
      version.config.ensemble === undefined
        ? new ModelLoader({ ...version, execution })
        : new EnsembleLoader({ ...version, manager }),
  });
}

/** The gRPC server, when it is asked for; its module costs time that REST alone need not spend. */
async function startGrpc(
  options: TransportOptions,
  { grpcPort, host }: Config,
): Promise<Listeners['grpc']> {
  if (grpcPort === undefined) return undefined;
  const { GrpcServer } = await import('../transport/grpc/server.ts');
  const server = new GrpcServer(options);
  return { server, port: await server.listen(host, grpcPort) };
}

/** The management API, when it is asked for; so it is with its module. */
async function startManagement(parts: ServerParts): Promise<Server | undefined> {
  const { managementPort: port, managementHost: host, managementTokenFile: file } = parts.config;
  if (port === undefined || file === undefined) return undefined;
  const { listenForManagement } = await import('../transport/management/server.ts');
  return listenForManagement({ ...parts, tokens: readTokens(file) }, { port, host });
}
