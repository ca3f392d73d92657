/**
 * A server of a warm pool: its process is up and has everything loaded but a model. It takes one assignment in its life,
 * and then becomes the very server that the revision's own pods run.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createLogger } from '../platform/log.ts';
import { createServer, request } from '../platform/node-http.ts';
import { ERROR_TABLE, InferenceError } from '../protocol/errors.ts';
import { readBody } from '../transport/rest/body.ts';
import { type Assignment, readAssignment } from './assignment.ts';
import { type Config, parseConfig } from './config.ts';
import type { ServerOptions } from './model-serving.ts';
import { type PredictorServer, startServer } from './server.ts';

/** Path of the one call that assigns a revision; the body is the token. */
const ASSIGNMENT_PATH = '/v2/pool/assignment';
/** Largest token, in bytes: its arguments are those of a process. */
const MAX_TOKEN_BYTES = 1 << 20;
/** File in the model's folder that tells a process which is started again that its pod has had an assignment. */
const ASSIGNED = '.assigned';
/** Model that ships with the runtime, and a request for it. */
const REHEARSAL = {
  model: 'iris',
  body: JSON.stringify({
    inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.8, 2.8, 4.8, 1.4] }],
  }),
};

const LOOPBACK = '127.0.0.1';

/** A pod that has been assigned a revision, and the operator's call that waits for what becomes of it. */
interface Assigned {
  readonly assignment: Assignment;
  readonly res: ServerResponse;
}

/**
 * Waits for an assignment, and starts the server that it asks for.
 * @throws Error when an earlier process of this pod has had one; as `startServer`.
 */
export async function startFromPool(options: ServerOptions): Promise<PredictorServer> {
  const { log, config } = options;
  if (existsSync(join(config.modelDir, ASSIGNED))) {
    throw new Error('this pod has been given a model before it was started again: delete it');
  }
  await rehearse(options);
  const { assignment, res } = await assigned(options);
  const { revision, args } = assignment;
  log.info('assigned', { revision });
  const server = await startServer({ ...options, config: parseConfig(args) });
  server.loaded.then(
    () => reply(res, 200, { revision }),
    (error: Error) => reply(res, 400, { error: error.message }),
  );
  return server;
}

/**
 * Serves a small model once, to nobody, so that the code of a start and of a request is loaded and compiled, and ONNX
 * Runtime is there.
 */
async function rehearse({ config, env }: ServerOptions): Promise<void> {
  const { model, body } = REHEARSAL;
  const flags = [`--model_name=${model}`, `--storage_uri=builtin://${model}`];
  const ports = ['--http_port=0', ...(config.grpcPort === undefined ? [] : ['--grpc_port=0'])];
  const loopback = parseConfig([...flags, ...ports, `--host=${LOOPBACK}`, '--log_level=error']);
  const server = await startServer({ config: loopback, env, log: createLogger('error') });
  await server.loaded;
  const path = `/v2/models/${model}/infer`;
  const asked = request({ host: LOOPBACK, port: server.httpPort, path, method: 'POST' });
  const [answer] = (await once(asked.end(body), 'response')) as [IncomingMessage];
  await once(answer.resume(), 'end');
  await server.drain();
}

/** Listens until an assignment comes, and gives the port free for the server to be. */
async function assigned(options: ServerOptions): Promise<Assigned> {
  const { config, log } = options;
  const first = Promise.withResolvers<Assigned>();
  let isTaken = false;
  const server = createServer((req, res) => {
    void answer(req, res).catch((error: Error) => {
      const code = error instanceof InferenceError ? error.code : 'INTERNAL';
      log.warn('assignment refused', { reason: error.message });
      reply(res, ERROR_TABLE[code].http, { error: error.message });
    });
  });

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    switch (`${req.method} ${req.url}`) {
      case 'GET /v2/health/live':
      case 'GET /v2/health/ready':
        return reply(res, 200, { live: true });
      case `POST ${ASSIGNMENT_PATH}`: {
        const assignment = await read(req, config);
        if (isTaken) throw new InferenceError('CONFLICT', 'this pod has an assignment already');
        isTaken = true;
        await writeFile(join(config.modelDir, ASSIGNED), assignment.revision);
        return first.resolve({ assignment, res });
      }
      default:
        return reply(res, 404, { error: 'this server waits for a model' });
    }
  }

  server.listen(config.httpPort, config.host);
  await once(server, 'listening');
  log.info('waiting for a model', { port: (server.address() as AddressInfo).port });
  const found = await first.promise;
  // The call that waits keeps its connection.
  server.close();
  return found;
}

async function read(req: IncomingMessage, config: Config): Promise<Assignment> {
  const token = (await readBody(req, { limit: MAX_TOKEN_BYTES })).toString();
  const { poolAuthority: authorities = '', podUid = '' } = config;
  return readAssignment(token, { authorities, podUid, now: new Date() });
}

function reply(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' });
  res.end(JSON.stringify(body));
}
