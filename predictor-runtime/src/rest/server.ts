/** HTTP/1.1 on bare node:http: route, delegate, and write the answer or the error. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { answerEncoding, compress } from './body.ts';
import { JSON_LENGTH } from './inference.ts';
import { errorReply, type Reply, type RestOptions } from './reply.ts';
import { REPOSITORY_ROUTES } from './repository.ts';
import { Router } from './router.ts';
import { SERVER_ROUTES } from './server-routes.ts';
import { V1_ROUTES } from './v1.ts';
import { V2_ROUTES } from './v2.ts';

const ROUTER = new Router(SERVER_ROUTES, V2_ROUTES, V1_ROUTES, REPOSITORY_ROUTES);

/** The HTTP server; the caller listens and closes. */
export function restServer(options: RestOptions): Server {
  const server = createServer((req, res) => {
    void answer(req, res, options);
  });
  // Above Envoy's idle timeout of an upstream connection, so that the router closes first.
  server.keepAliveTimeout = 65 * 60 * 1000;
  server.requestTimeout = 0;
  return server;
}

async function answer(req: IncomingMessage, res: ServerResponse, options: RestOptions) {
  const controller = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished) controller.abort();
  });
  let reply: Reply;
  try {
    const [path = '/', query = ''] = (req.url ?? '/').split('?', 2);
    const { handler, params } = ROUTER.find(req.method ?? 'GET', path);
    const exchange = {
      req,
      params,
      query: new URLSearchParams(query),
      signal: controller.signal,
    };
    reply = await handler(exchange, options);
  } catch (error) {
    reply = errorReply(error, options.log);
  }
  await write(req, res, reply, options);
}

async function write(
  req: IncomingMessage,
  res: ServerResponse,
  reply: Reply,
  { dataPlane }: RestOptions,
) {
  const size = Buffer.byteLength(reply.body);
  const encoding = answerEncoding(req, size);
  let { body } = reply;
  if (encoding !== undefined) {
    body = await compress(Buffer.from(body), encoding);
    res.setHeader('Content-Encoding', encoding);
  }
  if (res.destroyed) return;
  res.statusCode = reply.status;
  res.setHeader('Content-Type', reply.type ?? 'application/json');
  res.setHeader('Content-Length', encoding === undefined ? size : body.length);
  // As in requests, it counts the bytes before compression.
  if (reply.jsonLength !== undefined) res.setHeader(JSON_LENGTH, reply.jsonLength);
  if (reply.status === 503 || reply.status === 429) res.setHeader('Retry-After', '1');
  if (dataPlane.draining || !req.complete) res.setHeader('Connection', 'close');
  res.end(body);
}
