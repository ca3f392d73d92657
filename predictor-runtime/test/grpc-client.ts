/** A gRPC client of the server under test: calls by name, with plain objects. */
import { fileURLToPath } from 'node:url';
import { Client, credentials, type ServiceDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Config } from '../src/config.ts';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/log.ts';
import { startServer } from '../src/server.ts';

const PROTO = fileURLToPath(new URL('../src/grpc/inference.proto', import.meta.url));
const service = loadSync(PROTO, { keepCase: true, longs: String, defaults: true })[
  'inference.GRPCInferenceService'
] as ServiceDefinition;

export type Call = <T = Record<string, unknown>>(method: string, request: object) => Promise<T>;

/** A call that ended with a status other than OK, as `code details`. */
export function failure(error: unknown): string {
  const { code, details } = error as ServiceError;
  return `${code} ${details}`;
}

/** Starts a server in this process and drains it afterwards. */
export async function withGrpc(
  config: Partial<Config>,
  run: (call: Call, port: number) => Promise<void>,
): Promise<void> {
  const flags = ['--model_name=x', '--http_port=0', '--grpc_port=0', '--host=127.0.0.1'];
  const defaults = parseConfig([...flags, '--threads=1']);
  const log = createLogger('error');
  const server = await startServer({ config: { ...defaults, ...config }, env: {}, log });
  const port = server.grpcPort ?? 0;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
  });
  const call: Call = (method, request) =>
    new Promise((resolve, reject) => {
      const definition = service[method];
      if (definition === undefined) throw new Error(`no method ${method}`);
      client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        (error, response) => (error === null ? resolve(response as never) : reject(error)),
      );
    });
  try {
    await server.loaded;
    await run(call, port);
  } finally {
    client.close();
    await server.drain();
  }
}
