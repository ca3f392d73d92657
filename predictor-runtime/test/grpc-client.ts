/** A gRPC client of the server under test: calls by name, with plain objects. */
import { fileURLToPath } from 'node:url';
import {
  Client,
  credentials,
  Metadata,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createLogger } from '../src/platform/log.ts';
import type { Config } from '../src/server/config.ts';
import { parseConfig } from '../src/server/config.ts';
import { startServer } from '../src/server/server.ts';

const PROTOS = fileURLToPath(new URL('../src/transport/grpc/', import.meta.url));
export const service = loadSync('inference.proto', {
  includeDirs: [PROTOS],
  keepCase: true,
  longs: String,
  defaults: true,
  enums: String,
})['inference.GRPCInferenceService'] as ServiceDefinition;

export interface CallOptions {
  readonly metadata?: Metadata;
  readonly deadline?: number;
}

export type Call = <T = Record<string, unknown>>(
  method: string,
  request: object,
  options?: CallOptions,
) => Promise<T>;

/** What else a test may need. */
export interface GrpcUnderTest {
  readonly port: number;
  readonly client: Client;
  /** The same server's REST API. */
  readonly url: string;
}

/** A call that ended with a status other than OK, as `code details`. */
export function failure(error: unknown): string {
  const { code, details } = error as ServiceError;
  return `${code} ${details}`;
}

/** Starts a server in this process and drains it afterwards. */
export async function withGrpc(
  config: Partial<Config>,
  run: (call: Call, server: GrpcUnderTest) => Promise<void>,
  channel = credentials.createInsecure(),
): Promise<void> {
  const flags = ['--model_name=x', '--http_port=0', '--grpc_port=0', '--host=127.0.0.1'];
  const one = { ...parseConfig([...flags, '--threads=1']), ...config };
  const server = await startServer({
    config: one.modelRepository.length > 0 ? { ...one, modelName: undefined } : one,
    env: {},
    log: createLogger('error', { silent: true }),
  });
  const port = server.grpcPort ?? 0;
  using grpc = openGrpc(port, channel);
  try {
    await server.loaded;
    await run(grpc.call, { port, client: grpc.client, url: `http://127.0.0.1:${server.httpPort}` });
  } finally {
    grpc.client.close();
    await server.drain();
  }
}

/** A client and its calls; closed when it goes out of use. */
export interface GrpcClient extends Disposable {
  readonly client: Client;
  readonly call: Call;
}

/** Connects to a server on this machine. */
export function openGrpc(
  port: number | undefined,
  channel = credentials.createInsecure(),
  host = '127.0.0.1',
): GrpcClient {
  const client = new Client(`${host}:${port}`, channel, {
    'grpc.max_receive_message_length': -1,
  });
  const call: Call = (method, request, { metadata = new Metadata(), deadline } = {}) =>
    new Promise((resolve, reject) => {
      const definition = service[method];
      if (definition === undefined) throw new Error(`no method ${method}`);
      client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        metadata,
        { deadline },
        (error, response) => (error === null ? resolve(response as never) : reject(error)),
      );
    });
  return { client, call, [Symbol.dispose]: () => client.close() };
}
