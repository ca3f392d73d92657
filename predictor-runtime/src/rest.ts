/**
 * The V2 and V1 protocols over HTTP/1.1 on bare node:http: convert, delegate, convert.
 * Source: Open Inference Protocol V2, "HTTP/REST"; `/v2/models` is KServe's addition.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { answerEncoding, compress, readBody } from './body.ts';
import type { DataPlane } from './dataplane.ts';
import { ERROR_TABLE, InferenceError } from './errors.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { SERVER_METADATA } from './server-metadata.ts';
import { decodePredict, encodePredict } from './v1/predict.ts';
import { decodeInferRequest, type EncodedResponse, encodeInferResponse } from './v2/json.ts';

export interface RestOptions {
  readonly dataPlane: DataPlane;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Larger request bodies are answered 413. */
  readonly maxBodyBytes: number;
}

interface Reply {
  readonly status: number;
  readonly body: string | Buffer;
  readonly type?: string;
  /** Bytes of the JSON that tensors follow. */
  readonly jsonLength?: number;
}

/** Bytes of the JSON before the tensors. */
const JSON_LENGTH = 'inference-header-content-length';

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
  let reply: Reply;
  try {
    reply = await route(req, options);
  } catch (error) {
    reply = errorReply(error, options.log);
  }
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
  if (reply.status === 503) res.setHeader('Retry-After', '1');
  if (options.dataPlane.draining || !req.complete) res.setHeader('Connection', 'close');
  res.end(body);
}

function errorReply(error: unknown, log: Logger): Reply {
  const known = error instanceof InferenceError;
  const clientLeft = (error as NodeJS.ErrnoException).code === 'ECONNRESET';
  if (!known && !clientLeft) log.error('request failed', { error: (error as Error).stack });
  const { http } = ERROR_TABLE[known ? error.code : 'INTERNAL'];
  const message = known ? error.message : 'internal error; the server log has the details';
  return { status: http, body: JSON.stringify({ error: message }) };
}

async function route(req: IncomingMessage, options: RestOptions): Promise<Reply> {
  const [path = '/'] = (req.url ?? '/').split('?', 1);
  if (path.startsWith('/v2/models/')) return modelRoute(path, req, options);
  if (path.startsWith('/v1/models/')) return v1Route(path, req, options);
  switch (path) {
    case '/v2/health/live':
      return get(req, () => json({ live: true }));
    case '/v2/health/ready':
      return get(req, () => readiness(options.dataPlane.notReadyReason()));
    case '/v2':
    case '/v2/':
      return get(req, () => json(SERVER_METADATA));
    case '/v2/models':
    case '/v1/models':
      return get(req, () => json({ models: options.dataPlane.modelNames() }));
    case '/':
      return get(req, () => json({ status: 'alive' }));
    case '/metrics': {
      const { registry } = options.metrics;
      const body = await registry.metrics();
      return get(req, () => ({ status: 200, body, type: registry.contentType }));
    }
    default:
      throw noSuchPath(req, path);
  }
}

/** /v2/models/{name}[/versions/{version}][/ready|/infer] */
async function modelRoute(path: string, req: IncomingMessage, options: RestOptions) {
  const [name = '', ...rest] = path.slice('/v2/models/'.length).split('/').map(decodeSegment);
  if (rest[0] === 'versions') {
    throw new InferenceError('NOT_FOUND', `model '${name}' has no version '${rest[1] ?? ''}'`);
  }
  switch (rest.join('/')) {
    case '':
      return get(req, () => json(options.dataPlane.metadata(name)));
    case 'ready':
      return get(req, () => readiness(options.dataPlane.modelNotReadyReason(name), name));
    case 'infer':
      return infer(name, req, options);
    default:
      throw noSuchPath(req, path);
  }
}

/** /v1/models/{name}[:predict]; the answer to GET is TensorFlow Serving's and KServe's in one. */
async function v1Route(path: string, req: IncomingMessage, options: RestOptions): Promise<Reply> {
  const { dataPlane } = options;
  const [, segment = '', verb] =
    /^([^:/]+)(?::(\w+))?$/.exec(path.slice('/v1/models/'.length)) ?? [];
  const name = decodeSegment(segment);
  if (verb === 'predict') return predict(name, req, options);
  if (segment === '' || verb !== undefined) throw noSuchPath(req, path);
  return get(req, () => {
    const reason = dataPlane.modelNotReadyReason(name);
    if (reason !== undefined) throw new InferenceError('MODEL_NOT_READY', reason);
    const status = { error_code: 'OK', error_message: '' };
    const model_version_status = [{ version: '1', state: 'AVAILABLE', status }];
    return json({ name, ready: true, model_version_status });
  });
}

function infer(name: string, req: IncomingMessage, options: RestOptions): Promise<Reply> {
  return inference(name, req, options, async (body) => {
    const length = jsonLength(req, body);
    const request = decodeInferRequest(body.toString('utf8', 0, length), body.subarray(length));
    const response = await options.dataPlane.infer(name, request);
    const asked = new Map(request.outputs.map((output) => [output.name, output.binary]));
    const isBinary = (output: string) => asked.get(output) ?? request.binaryOutputs;
    return inferReply(encodeInferResponse(response, isBinary));
  });
}

function predict(name: string, req: IncomingMessage, options: RestOptions): Promise<Reply> {
  const { dataPlane } = options;
  return inference(name, req, options, async (body) => {
    const { request, form } = decodePredict(body.toString(), dataPlane.metadata(name));
    const response = await dataPlane.infer(name, request);
    return { status: 200, body: encodePredict(response, form) };
  });
}

/** Reads the body, answers it, and measures both the answer and the error. */
async function inference(
  name: string,
  req: IncomingMessage,
  { dataPlane, metrics, log, maxBodyBytes }: RestOptions,
  answerTo: (body: Buffer) => Promise<Reply>,
): Promise<Reply> {
  if (req.method !== 'POST') throw methodNotAllowed(req, 'POST');
  // Metric labels come from the models that exist, never from what a caller invents.
  dataPlane.modelNotReadyReason(name);
  let start = performance.now();
  let reply: Reply;
  try {
    const body = await readBody(req, maxBodyBytes);
    start = performance.now();
    reply = await answerTo(body);
  } catch (error) {
    reply = errorReply(error, log);
  }
  metrics.inference(name, reply.status, (performance.now() - start) / 1000);
  return reply;
}

/** The bytes of the JSON at the start of a body; without the header all of it is JSON. */
function jsonLength(req: IncomingMessage, body: Buffer): number {
  const header = req.headers[JSON_LENGTH];
  if (header === undefined) return body.length;
  const length = Number(header);
  if (!/^\d+$/.test(String(header)) || length > body.length) {
    throw new InferenceError(
      'INVALID_ARGUMENT',
      `${JSON_LENGTH}: expected 0 to ${body.length}, the length of the body, got '${header}'`,
    );
  }
  return length;
}

/** JSON alone, or JSON and then tensors as bytes. */
function inferReply({ json, binary }: EncodedResponse): Reply {
  if (binary.length === 0) return { status: 200, body: json };
  const head = Buffer.from(json);
  return {
    status: 200,
    body: Buffer.concat([head, ...binary]),
    type: 'application/octet-stream',
    jsonLength: head.length,
  };
}

function readiness(notReadyReason: string | undefined, name?: string): Reply {
  if (notReadyReason !== undefined) throw new InferenceError('MODEL_NOT_READY', notReadyReason);
  return json(name === undefined ? { ready: true } : { name, ready: true });
}

function get(req: IncomingMessage, reply: () => Reply): Reply {
  if (req.method !== 'GET' && req.method !== 'HEAD') throw methodNotAllowed(req, 'GET');
  return reply();
}

function json(value: unknown): Reply {
  return { status: 200, body: JSON.stringify(value) };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new InferenceError(
      'INVALID_ARGUMENT',
      `path segment '${segment}' is not percent-encoded`,
    );
  }
}

function noSuchPath(req: IncomingMessage, path: string): InferenceError {
  return new InferenceError('NOT_FOUND', `no such path: ${req.method} ${path}`);
}

function methodNotAllowed(req: IncomingMessage, allowed: string): InferenceError {
  return new InferenceError(
    'METHOD_NOT_ALLOWED',
    `${req.method} is not allowed here, use ${allowed}`,
  );
}
