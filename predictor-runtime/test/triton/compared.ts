/** A server that is compared, and what it answered, with what can differ from run to run taken out. */
import type { Client } from '@grpc/grpc-js';
import { type Call, type GrpcClient, openGrpc } from '../grpc-client.ts';

/** A server under comparison. */
export interface Compared extends Disposable {
  readonly url: string;
  readonly grpcPort: number;
  readonly call: Call;
  readonly client: Client;
}

/** One question to both servers: the same code asks each, and its values are compared. */
export interface Case {
  readonly title: string;
  ask(server: Compared): Promise<unknown>;
}

/** Connects to a server that runs. */
export function compared(url: string, grpcPort: number): Compared {
  const grpc: GrpcClient = openGrpc(grpcPort);
  return {
    url,
    grpcPort,
    call: grpc.call,
    client: grpc.client,
    [Symbol.dispose]: () => grpc[Symbol.dispose](),
  };
}

/** Keys whose values are times or sizes of a run. */
const VOLATILE = new Set(['ns', 'last_inference', 'byte_size']);

/** Returns a value with what differs from run to run replaced by its type, and lists of named things by their names. */
export function steady(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (Array.isArray(value)) return byName(value.map(steady));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      VOLATILE.has(key) ? typeof item : steady(item),
    ]),
  );
}

/** Makes a list of things with names an object: their order says nothing. */
function byName(list: readonly unknown[]): unknown {
  const names = list.map((item) => (isObject(item) ? item.name : undefined));
  const isNamed = names.every((name) => typeof name === 'string') && new Set(names).size > 0;
  if (!isNamed || new Set(names).size < list.length) return list;
  return Object.fromEntries(list.map((item, i) => [names[i], item]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
