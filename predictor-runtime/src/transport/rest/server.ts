/** HTTP/1.1 on bare node:http: route, delegate, and write the answer or the error. */

import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http';
import { createServer, https } from '../../platform/node-http.ts';
import type { Immediate } from '../../serving/immediate.ts';
import type { Caller } from '../../serving/scheduling/job.ts';
import { BodyPool } from '../body-pool.ts';
import { answerEncoding } from './body.ts';

import { compress, type Encoding } from './codings.ts';

import { allowOrigin } from './cors.ts';
import { JSON_LENGTH } from './inference.ts';
import { OPENAPI_ROUTES } from './openapi.ts';
import { pluginRoutes } from './plugin-routes.ts';
import {
  type Exchange,
  errorReply,
  type Handler,
  type Reply,
  type RestContext,
  type RestOptions,
} from './reply.ts';
import { REPOSITORY_ROUTES } from './repository.ts';
import { Router } from './router.ts';
import { SERVER_ROUTES } from './server-routes.ts';
import { parseTarget } from './target.ts';
import { V1_ROUTES } from './v1.ts';
import { V2_ROUTES } from './v2.ts';

/** Paths of probes and scrapers, which have no credentials. */
const OPEN_PATHS = new Set(['/', '/ping', '/v2/health/live', '/v2/health/ready', '/metrics']);

/**
 * Makes the HTTP or, with certificates, HTTPS server; the caller listens and closes.
 * @throws Error of a plugin's routes.
 */
export function restServer(options: RestOptions): Server {
  const router = new Router(
    SERVER_ROUTES,
    V2_ROUTES,
    V1_ROUTES,
    REPOSITORY_ROUTES,
    OPENAPI_ROUTES,
    pluginRoutes(options.plugins),
  );
  const context = { ...options, router, bodies: new BodyPool() };
  const listener = (req: IncomingMessage, res: ServerResponse) => {
    void answer(req, res, context);
  };
  const { tls } = options;
  const server =
    tls === undefined
      ? createServer(listener)
      : https().createServer({ ...tls, requestCert: tls.ca !== undefined }, listener);
  // The timeout is above Envoy's for idle upstream connections, so that the router closes first.
  server.keepAliveTimeout = 65 * 60 * 1000;
  server.requestTimeout = 0;
  return server;
}

/** Everything that the server itself has besides what handlers are given. */
interface ServerContext extends RestContext {
  readonly router: Router;
}

async function answer(req: IncomingMessage, res: ServerResponse, context: ServerContext) {
  let reply: Reply;
  try {
    reply = allowOrigin(req, res, context.corsOrigins)
      ? { status: 204, body: '' }
      : await handle(req, new RestCaller(res), context);
  } catch (error) {
    reply = errorReply(error, context);
  }
  const size = Buffer.byteLength(reply.body);
  const encoding = answerEncoding(req, size);
  if (encoding === undefined) {
    write(req, res, { reply, size, body: reply.body }, context);
    return;
  }
  const body = await compress(Buffer.from(reply.body), encoding);
  write(req, res, { reply, size, body, encoding }, context);
}

class RestCaller implements Caller {
  readonly #res: ServerResponse;
  #controller: AbortController | undefined;

  constructor(res: ServerResponse) {
    this.#res = res;
  }

  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    const left = () => {
      if (!this.#res.writableFinished) controller.abort();
    };
    if (this.#res.closed) left();
    else this.#res.once('close', left);
    return controller.signal;
  }
}

function handle(req: IncomingMessage, caller: Caller, context: ServerContext): Immediate<Reply> {
  const { path, query } = parseTarget(req.url ?? '/');
  const { handler, params } = context.router.find(req.method ?? 'GET', path);
  const exchange = { req, params, query, caller };
  const isOpen = context.gate.isOpen || OPEN_PATHS.has(path);
  return isOpen ? handler(exchange, context) : admitted(path, exchange, context, handler);
}

async function admitted(
  path: string,
  exchange: Exchange,
  context: RestContext,
  handler: Handler,
): Promise<Reply> {
  const { req, params } = exchange;
  const headers = req.headers as Record<string, string>;
  const method = req.method ?? 'GET';
  await context.gate.admit({ transport: 'http', method, path, headers, model: params.name });
  return handler(exchange, context);
}

/** A reply as it goes out. */
interface Message {
  readonly reply: Reply;
  /** Size of the reply's own body, in bytes. */
  readonly size: number;
  readonly body: string | Buffer;
  /** Coding of `body`; undefined where it is the reply's own. */
  readonly encoding?: Encoding;
}

function write(
  req: IncomingMessage,
  res: ServerResponse,
  { reply, size, body, encoding }: Message,
  { dataPlane }: RestOptions,
) {
  if (res.destroyed) return;
  const { status } = reply;
  const headers: OutgoingHttpHeaders = {
    'Content-Type': reply.type ?? 'application/json',
    'Content-Length': encoding === undefined ? size : body.length,
  };
  if (reply.headers !== undefined) Object.assign(headers, reply.headers);
  if (encoding !== undefined) headers['Content-Encoding'] = encoding;
  // The length counts the bytes before compression, as it does in requests.
  if (reply.jsonLength !== undefined) headers[JSON_LENGTH] = reply.jsonLength;
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer';
  if (status === 503 || status === 429) headers['Retry-After'] = '1';
  if (dataPlane.draining || !req.complete) headers.Connection = 'close';
  res.writeHead(status, headers);
  // Text that is as long in UTF-8 is ASCII, which is copied and not encoded.
  res.end(body, size === body.length ? 'latin1' : 'utf8');
}
