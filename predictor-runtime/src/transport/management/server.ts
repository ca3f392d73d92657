/**
 * The management API, on a port of its own: register, describe, scale, unregister, set the default version.
 * Source: TorchServe, Management API; its answers and status codes. Every call needs a token.
 */

import type { Server } from 'node:http';
import express, { type ErrorRequestHandler, type Request, type RequestHandler } from 'express';
import type { Logger } from '../../platform/log.ts';
import { ERROR_TABLE, InferenceError, invalid } from '../../protocol/errors.ts';
import type { ModelManager } from '../../serving/manager.ts';
import type { ModelRepository } from '../../serving/repository/repository.ts';
import type { Servable } from '../../serving/servable.ts';
import type { Call } from '../access/caller.ts';
import { bearerToken, isOneOf } from '../access/gate.ts';
import { refusalOf } from '../call.ts';
import { cpuProfile, heapSnapshot } from './profile.ts';

export interface ManagementOptions {
  readonly manager: ModelManager;
  readonly repository: ModelRepository;
  readonly tokens: readonly string[];
  readonly log: Logger;
}

/** The express application's server; the caller listens and closes. */
export function managementApp(options: ManagementOptions): express.Express {
  const { manager, repository } = options;
  const app = express();
  app.disable('x-powered-by');
  app.use(mustHaveToken(options.tokens));

  app.get('/models', (req, res) => {
    const limit = wholeNumber(req, 'limit', 100);
    const start = wholeNumber(req, 'next_page_token', 0);
    const names = manager.names().sort();
    const models = names.slice(start, start + limit).map((modelName) => ({ modelName }));
    const next = start + limit < names.length ? { nextPageToken: String(start + limit) } : {};
    res.json({ ...next, models });
  });
  app.post('/models', async (req, res) => {
    const name = text(req, 'model_name') ?? text(req, 'url') ?? '';
    const url = text(req, 'url');
    if (url === undefined)
      throw invalid('url: says which model, by a folder of the repository or a storage URI');
    const workers = wholeNumber(req, 'initial_workers', 0);
    await repository.register(name, url);
    if (workers > 0) await scale(manager, name, {}, workers);
    res.json({ status: `Model "${name}" registered` });
  });
  app.get(['/models/:name', '/models/:name/:version'], (req, res) => {
    const { name, version } = params(req);
    const all = version === undefined || version === 'all';
    const servables = manager.servables(name);
    const wanted = all ? servables : servables.filter((it) => it.version === Number(version));
    if (wanted.length === 0) manager.get(name, all ? {} : { version: Number(version) });
    res.json(wanted.map(describe));
  });
  app.put(['/models/:name', '/models/:name/:version'], async (req, res) => {
    const { name, version } = params(req);
    const min = wholeNumber(req, 'min_worker', 1);
    const max = wholeNumber(req, 'max_worker', min);
    if (min < 1 || max < min)
      throw invalid('min_worker: expected at least 1, and max_worker no less');
    await scale(manager, name, version === undefined ? {} : { version: Number(version) }, max);
    res.json({ status: `Workers scaled to ${max} for model: ${name}` });
  });
  app.put('/models/:name/:version/set-default', (req, res) => {
    const { name, version } = params(req);
    manager.setDefaultVersion(name, Number(version));
    res.json({
      status: `Default version successfully updated for model "${name}" to "${version}"`,
    });
  });
  app.delete(['/models/:name', '/models/:name/:version'], async (req, res) => {
    const { name, version } = params(req);
    await repository.unregister(name, version === undefined ? undefined : Number(version));
    res.json({ status: `Model "${name}" unregistered` });
  });
  app.get('/debug/profile', async (req, res) => {
    res.attachment('server.cpuprofile').send(await cpuProfile(wholeNumber(req, 'seconds', 10)));
  });
  app.get('/debug/heap', async (_req, res) => {
    await heapSnapshot(res.attachment('server.heapsnapshot'));
  });

  app.use((req) => {
    throw new InferenceError('NOT_FOUND', `no such path: ${req.method} ${req.path}`);
  });
  app.use(errorHandler(options.log));
  return app;
}

/** Listens for management calls. @throws Error when it cannot. */
export function listenForManagement(
  options: ManagementOptions,
  { port, host }: { port: number; host: string },
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = managementApp(options).listen(port, host, (error) =>
      error === undefined ? resolve(server) : reject(error),
    );
  });
}

function mustHaveToken(tokens: readonly string[]): RequestHandler {
  return (req, _res, next) => {
    const token = bearerToken(req.headers as Call['headers']);
    if (token === undefined || !isOneOf(token, tokens)) {
      throw new InferenceError(
        'UNAUTHENTICATED',
        'needs a token: send Authorization: Bearer TOKEN',
      );
    }
    next();
  };
}

function errorHandler(log: Logger): ErrorRequestHandler {
  return (error, _req, res, _next) => {
    const { code, message } = refusalOf(error, log);
    const { http } = ERROR_TABLE[code];
    if (http === 401) res.setHeader('WWW-Authenticate', 'Bearer');
    res.status(http).json({ code: http, type: code, message });
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

/** One version, in TorchServe's words. */
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

function text(req: Request, name: string): string | undefined {
  const value = req.query[name];
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(`${name}: is given twice`);
}

function wholeNumber(req: Request, name: string, otherwise: number): number {
  const value = text(req, name);
  if (value === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(value)) throw invalid(`${name}: expected a whole number, got '${value}'`);
  return Number(value);
}
