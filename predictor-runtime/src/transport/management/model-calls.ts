/** The management API's calls about models. Source: TorchServe, Management API. */
import { type Request, type RequestHandler, Router } from 'express';
import { invalid } from '../../protocol/errors.ts';
import type { ModelManager } from '../../serving/manager.ts';
import type { ModelRepository } from '../../serving/repository/repository.ts';
import type { Servable } from '../../serving/servable.ts';
import { text, wholeNumber } from './query.ts';

/** Parts that the calls about models work on. */
export interface ModelRoutesOptions {
  readonly manager: ModelManager;
  readonly repository: ModelRepository;
}

/** Makes the routes of the calls about models. */
export function modelRoutes(options: ModelRoutesOptions): Router {
  const router = Router();
  router.get('/models', listModels(options));
  router.post('/models', registerModel(options));
  router.get(['/models/:name', '/models/:name/:version'], describeModel(options));
  router.put(['/models/:name', '/models/:name/:version'], scaleModel(options));
  router.put('/models/:name/:version/set-default', setDefaultVersion(options));
  router.delete(['/models/:name', '/models/:name/:version'], unregisterModel(options));
  return router;
}

function listModels({ manager }: ModelRoutesOptions): RequestHandler {
  return (req, res) => {
    const limit = wholeNumber(req, 'limit', 100);
    const start = wholeNumber(req, 'next_page_token', 0);
    const names = manager.names().sort();
    const models = names.slice(start, start + limit).map((modelName) => ({ modelName }));
    const next = start + limit < names.length ? { nextPageToken: String(start + limit) } : {};
    res.json({ ...next, models });
  };
}

function registerModel({ manager, repository }: ModelRoutesOptions): RequestHandler {
  return async (req, res) => {
    const name = text(req, 'model_name') ?? text(req, 'url') ?? '';
    const url = text(req, 'url');
    if (url === undefined)
      throw invalid('url: says which model, by a folder of the repository or a storage URI');
    const workers = wholeNumber(req, 'initial_workers', 0);
    await repository.register(name, url);
    if (workers > 0) await scale(manager, name, {}, workers);
    res.json({ status: `Model "${name}" registered` });
  };
}

function describeModel({ manager }: ModelRoutesOptions): RequestHandler {
  return (req, res) => {
    const { name, version } = params(req);
    const all = version === undefined || version === 'all';
    const servables = manager.servables(name);
    const wanted = all ? servables : servables.filter((it) => it.version === Number(version));
    if (wanted.length === 0) manager.get(name, all ? {} : { version: Number(version) });
    res.json(wanted.map(describe));
  };
}

function scaleModel({ manager }: ModelRoutesOptions): RequestHandler {
  return async (req, res) => {
    const { name, version } = params(req);
    const min = wholeNumber(req, 'min_worker', 1);
    const max = wholeNumber(req, 'max_worker', min);
    if (min < 1 || max < min)
      throw invalid('min_worker: expected at least 1, and max_worker no less');
    await scale(manager, name, version === undefined ? {} : { version: Number(version) }, max);
    res.json({ status: `Workers scaled to ${max} for model: ${name}` });
  };
}

function setDefaultVersion({ manager }: ModelRoutesOptions): RequestHandler {
  return (req, res) => {
    const { name, version } = params(req);
    manager.setDefaultVersion(name, Number(version));
    res.json({
      status: `Default version successfully updated for model "${name}" to "${version}"`,
    });
  };
}

function unregisterModel({ repository }: ModelRoutesOptions): RequestHandler {
  return async (req, res) => {
    const { name, version } = params(req);
    await repository.unregister(name, version === undefined ? undefined : Number(version));
    res.json({ status: `Model "${name}" unregistered` });
  };
}

async function scale(
  manager: ModelManager,
  name: string,
  choice: { version?: number },
  workers: number,
): Promise<void> {
  await manager.use(name, choice, (model) => model.scale(workers));
}

/** Describes one version, in TorchServe's words. */
function describe({ name, version, phase, error, model, fingerprint }: Servable): object {
  const workers = model?.workers() ?? [];
  const { queue, batch } = model?.config ?? {};
  return {
    modelName: name,
    modelVersion: String(version),
    modelUrl: fingerprint.slice(0, 12),
    status: phase,
    error,
    runtime: model?.metadata.platform,
    minWorkers: workers.length,
    maxWorkers: workers.length,
    batchSize: batch?.maxRows ?? 1,
    maxBatchDelay: batch?.maxDelayMs ?? 0,
    loadedAtStartup: true,
    workers,
    jobQueueStatus: {
      remainingCapacity: (queue?.maxRequests ?? 0) - (model?.pending ?? 0),
      pendingRequests: model?.pending ?? 0,
    },
  };
}

function params(req: Request): { name: string; version?: string } {
  const { name, version } = req.params as Record<string, string>;
  if (version !== undefined && version !== 'all' && !/^\d+$/.test(version)) {
    throw invalid(`version: expected a number, got '${version}'`);
  }
  return { name: name ?? '', version };
}
