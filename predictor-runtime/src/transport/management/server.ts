/**
 * The management API, on a port of its own: register, describe, scale, unregister, set the default version. Every call
 * needs a token. Source: TorchServe, Management API; its answers and status codes.
 */

import type { Server } from 'node:http';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import type { Logger } from '../../platform/log.ts';
import { ERROR_TABLE, InferenceError } from '../../protocol/errors.ts';
import type { Call } from '../access/caller.ts';
import { bearerToken, isOneOf } from '../access/gate.ts';
import { refusalOf } from '../call.ts';
import { callRouter } from './calls.ts';
import { type ModelCallsOptions, modelCalls } from './model-calls.ts';
import { descriptionCalls } from './open-api.ts';
import { queryParameters } from './parameters.ts';
import { cpuProfile, heapSnapshot } from './profile.ts';

/** Parts and settings of the management API. */
export interface ManagementOptions extends ModelCallsOptions {
  /** Tokens; every call needs one of them. */
  readonly tokens: readonly string[];
}

/** Makes the application of the management API; the caller listens. */
export function managementApp(options: ManagementOptions): express.Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(mustHaveToken(options.tokens));

  const calls = modelCalls(options);
  app.use(callRouter([...descriptionCalls(calls), ...calls]));
  app.get('/debug/profile', async (req, res) => {
    res
      .attachment('server.cpuprofile')
      .send(await cpuProfile(queryParameters(req).wholeNumber('seconds') ?? 10));
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
