/** The gRPC services that routers call, and what all their streams have in common. */
import type { ServerDuplexStream, ServiceDefinition } from '@grpc/grpc-js';
import type { EnvoyProtos, Message } from './protos.ts';

/** One router's stream of one service. */
export type Stream = ServerDuplexStream<Message, Message>;

interface ServiceNames {
  readonly service: string;
  readonly method: string;
  /** Name of the messages without `Request` and `Response`. */
  readonly message: string;
}

/** Incremental discovery of all kinds of resources on one stream. */
export const DISCOVERY: ServiceNames = {
  service: 'envoy.service.discovery.v3.AggregatedDiscoveryService',
  method: 'DeltaAggregatedResources',
  message: 'DeltaDiscovery',
};

/** Load reports. */
export const LOAD_REPORTING: ServiceNames = {
  service: 'envoy.service.load_stats.v3.LoadReportingService',
  method: 'StreamLoadStats',
  message: 'LoadStats',
};

/** Defines a service with its one bidirectional method. */
export function serviceDefinition(
  protos: EnvoyProtos,
  { service, method, message }: ServiceNames,
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
      requestDeserialize: decode('Request'),
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

/** The router's name, its node id, which only the first message of a stream has; else ''. */
export function nodeId(message: Message): string {
  return (message.node as { id?: string } | undefined)?.id ?? '';
}
