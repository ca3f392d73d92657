/** One server process's life: listen, fetch, load, serve, drain. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Config, containerMemory } from './config.ts';
import { DataPlane } from './dataplane.ts';
import { ModelLoadError } from './engine/executor.ts';
import type { GrpcServer } from './grpc/server.ts';
import type { Logger } from './log.ts';
import { Metrics } from './metrics.ts';
import { restServer } from './rest/server.ts';
import { EnsembleLoader } from './serving/ensemble.ts';
import { ModelManager } from './serving/manager.ts';
import type { ModelConfig } from './serving/model-config.ts';
import { configFile, type ModelList, repositoryFolders } from './serving/model-list.ts';
import { OnnxLoader } from './serving/onnx-model.ts';
import { ModelRepository } from './serving/repository.ts';
import { ResponseCache } from './serving/response-cache.ts';
import { fetchModel } from './storage/storage.ts';

export interface PredictorServer {
  /** The port that REST listens on; differs from the configured one when that is 0. */
  readonly httpPort: number;
  /** The same for gRPC; undefined when it is not served. */
  readonly grpcPort: number | undefined;
  /** Resolves when the models of the start are loaded. @throws StorageError, ModelLoadError. */
  readonly loaded: Promise<void>;
  /** Not ready at once, no new connections, resolves when the requests under way are answered. */
  drain(): Promise<void>;
}

export interface ServerOptions {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

/** Of the memory that the container may have, what the runs of one executor may take. */
const ARENA_SHARE = 0.75;

/** Listens first, so that probes and callers see `loading`, then loads. @throws Error when it cannot listen. */
export async function startServer({ config, env, log }: ServerOptions): Promise<PredictorServer> {
  const manager = new ModelManager({
    transition: config.transitionPolicy,
    memoryBytes: config.memoryLimitBytes,
    parallelLoads: config.loadThreads,
    log,
  });
  let dir = config.modelDir;
  const repository = modelRepository({ config, manager, log, list: modelList(config, () => dir) });
  const cache = new ResponseCache(config.responseCacheBytes);
  const dataPlane = new DataPlane({ manager, repository, cache });
  const metrics = new Metrics(manager);
  const { maxBodyBytes } = config;
  if (config.modelName !== undefined) manager.expect(config.modelName);
  const server = restServer({ dataPlane, repository, metrics, log, maxBodyBytes });
  server.listen(config.httpPort, config.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const grpc = await startGrpc({ config, dataPlane, repository, metrics, log });
  log.info('listening', { host: config.host, port, grpcPort: grpc?.port });

  async function load(): Promise<void> {
    if (config.storageUri !== undefined) {
      dir = await fetchModel(config.storageUri, { dir, env, log });
    }
    await repository.start();
    if (config.modelName !== undefined) mustServe(config.modelName, { manager, repository });
    grpc?.server.setServing(dataPlane.notReadyReason() === undefined);
  }

  return {
    httpPort: port,
    grpcPort: grpc?.port,
    loaded: load(),
    async drain() {
      dataPlane.drain();
      await Promise.all([closed(server), grpc?.server.drain()]);
      await repository.close();
      await manager.close();
    },
  };
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

function modelList(config: Config, dir: () => string): ModelList {
  const { modelName: name, modelConfigFile, modelRepository: dirs } = config;
  if (name !== undefined) return async () => [{ name, dir: dir() }];
  return modelConfigFile === undefined ? repositoryFolders(dirs) : configFile(modelConfigFile);
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
      priorityLevels: 0,
      defaultPriority: 0,
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
  readonly manager: ModelManager;
  readonly log: Logger;
  readonly list: ModelList;
}

function modelRepository({ config, manager, log, list }: RepositoryParts): ModelRepository {
  const { threads, concurrency } = config;
  const engine = {
    threads,
    concurrency,
    arenaBytes: Math.floor(containerMemory() * ARENA_SHARE),
    executorMemoryBytes: config.memoryLimitBytes,
    log,
  };
  return new ModelRepository({
    list,
    mode: config.controlMode,
    pollMs: config.pollSeconds * 1000,
    loadAtStart: config.loadModels,
    defaults: modelDefaults(config),
    manager,
    log,
    loader: (version) =>
      version.config.ensemble === undefined
        ? new OnnxLoader({ ...version, engine })
        : new EnsembleLoader({ ...version, manager }),
  });
}

interface GrpcParts {
  readonly config: Config;
  readonly dataPlane: DataPlane;
  readonly repository: ModelRepository;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** The gRPC server, when it is asked for; its module costs time that REST alone need not spend. */
async function startGrpc(
  parts: GrpcParts,
): Promise<{ server: GrpcServer; port: number } | undefined> {
  const { grpcPort, host, maxBodyBytes } = parts.config;
  if (grpcPort === undefined) return undefined;
  const { GrpcServer } = await import('./grpc/server.ts');
  const server = new GrpcServer({ ...parts, maxBodyBytes });
  return { server, port: await server.listen(host, grpcPort) };
}
