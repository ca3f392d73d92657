/** Defines the gRPC services that routers call, and what all their streams have in common. */
import type { ServerDuplexStream, ServiceDefinition } from '@grpc/grpc-js';
import { dropQuiet } from './load.ts';
import type { EnvoyProtos, Message } from './protos.ts';

/** A router's bidirectional stream of one service, seen from the server. */
export type Stream = ServerDuplexStream<Message, Message>;

/** The full names of a gRPC service and its method. */
interface ServiceNames {
  readonly service: string;
  readonly method: string;
  /** The name that both messages begin with, before `Request` and `Response`. */
  readonly message: string;
  /** Drops from a request what nobody reads. */
  readonly trim?: (request: Message) => void;
}

/** The service of incremental discovery of all kinds of resources on one stream (Envoy's delta ADS). */
export const DISCOVERY: ServiceNames = {
  service: 'envoy.service.discovery.v3.AggregatedDiscoveryService',
  method: 'DeltaAggregatedResources',
  message: 'DeltaDiscovery',
};

/** The service by which routers report their load (Envoy's LRS). */
export const LOAD_REPORTING: ServiceNames = {
  service: 'envoy.service.load_stats.v3.LoadReportingService',
  method: 'StreamLoadStats',
  message: 'LoadStats',
  trim: dropQuiet,
};

/** Defines a gRPC service with its one bidirectional method, whose messages `protos` translates. */
export function serviceDefinition(
  protos: EnvoyProtos,
  { service, method, message, trim }: ServiceNames,
): ServiceDefinition {
  const prefix = `${service.slice(0, service.lastIndexOf('.'))}.${message}`;
  const encode = (suffix: string) => (value: Message) => protos.encode(prefix + suffix, value);
  const decode = (suffix: string) => (bytes: Buffer) => protos.decode(prefix + suffix, bytes);
  return {
    [method]: {
      path: `/${service}/${method}`,
      requestStream: true,
      responseStream: true,
      requestSerialize: encode('Request'),
      requestDeserialize: (bytes: Buffer) => protos.decode(`${prefix}Request`, bytes, trim),
      responseSerialize: encode('Response'),
      responseDeserialize: decode('Response'),
    },
  };
}

/** Calls `ended` once when the stream is over, for whatever reason. */
export function onEnd(stream: Stream, ended: () => void): void {
  let over = false;
  const end = () => {
    if (over) return;
    over = true;
    ended();
  };
  stream.on('cancelled', end);
  stream.on('error', end);
  stream.on('end', () => {
    end();
    stream.end();
  });
}

/** Returns the router's name, its node id, which only the first message of a stream has; else ''. */
export function nodeId(message: Message): string {
  return (message.node as { id?: string } | undefined)?.id ?? '';
}

/** Returns the address of a caller's host, which its connections have in common. */
export function peerAddress(call: { getPeer(): string }): string {
  return call.getPeer().replace(/:\d+$/, '');
}
