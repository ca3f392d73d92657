/** The part of the server that loads models and runs them, composed of the flags. */
import { DataPlane } from '../dataplane.ts';
import { containerMemory } from '../platform/container.ts';
import type { Env } from '../platform/environment.ts';
import type { Logger } from '../platform/log.ts';
import { EnsembleLoader } from '../serving/ensemble.ts';
import { ModelManager } from '../serving/manager.ts';
import { type ExecutionSettings, ModelLoader } from '../serving/model-loader.ts';
import { modelDefaults } from '../serving/repository/model-defaults.ts';
import {
  configFile,
  type ModelList,
  oneModel,
  repositoryFolders,
} from '../serving/repository/model-list.ts';
import { ModelRepository } from '../serving/repository/repository.ts';
import { ConcurrencyLimit } from '../serving/scheduling/concurrency-limit.ts';
import { ResponseCache } from '../serving/scheduling/response-cache.ts';
import { ModelSource } from '../storage/model-source.ts';
import { fetchTemporaryModel } from '../storage/temporary-model.ts';
import type { Config } from './config.ts';

/** Everything that a server is started with. */
export interface ServerOptions {
  readonly config: Config;
  readonly env: Env;
  readonly log: Logger;
}

/** Models, and all that is needed to ask them. */
export interface ModelServing {
  readonly manager: ModelManager;
  readonly repository: ModelRepository;
  readonly dataPlane: DataPlane;
}

/** Share of the container's memory that the runs of one executor may take. */
const ARENA_SHARE = 0.75;

/** Makes the manager, the repository and the data plane; nothing is loaded yet. */
export function modelServing(options: ServerOptions): ModelServing {
  const { config, env, log } = options;
  const manager = new ModelManager({
    transition: config.transitionPolicy,
    memoryBytes: config.memoryLimitBytes,
    parallelLoads: config.modelLoadThreadCount,
    log,
  });
  const execution = executionSettings(options);
  const repository = new ModelRepository({
    models: modelList(options),
    required: config.modelName,
    mode: config.modelControlMode,
    pollMs: config.repositoryPollSecs * 1000,
    loadAtStart: config.loadModel,
    defaults: modelDefaults(config),
    manager,
    log,
    fetch: (uri) => fetchTemporaryModel(uri, { allowedUris: config.allowedUri, env, log }),
    loader: (version) =>
      version.config.ensemble === undefined
        ? new ModelLoader({ ...version, execution })
        : new EnsembleLoader({ ...version, manager }),
  });
  const cache = new ResponseCache(config.responseCacheBytes);
  return { manager, repository, dataPlane: new DataPlane({ manager, repository, cache }) };
}

function modelList({ config, env, log }: ServerOptions): ModelList {
  const { modelName: name, modelConfigFile, modelRepository, storageUri, modelDir } = config;
  if (name !== undefined) {
    const isPolled = config.modelControlMode === 'poll';
    return oneModel(name, new ModelSource({ storageUri, modelDir, isPolled, env, log }));
  }
  return modelConfigFile === undefined
    ? repositoryFolders(modelRepository, log)
    : configFile(modelConfigFile);
}

function executionSettings({ config, env, log }: ServerOptions): ExecutionSettings {
  const { containerConcurrency } = config;
  return {
    threads: config.threads,
    concurrency: config.concurrency,
    limit: containerConcurrency > 0 ? new ConcurrencyLimit(containerConcurrency) : undefined,
    arenaBytes: Math.floor(containerMemory() * ARENA_SHARE),
    executorMemoryBytes: config.memoryLimitBytes,
    executionProviders: config.executionProviders,
    optimizedModelDir: config.optimizedModelDir,
    predictProba: env.PREDICT_PROBA?.toLowerCase() === 'true',
    allowModelCode: config.allowModelCode,
    log,
  };
}
