/** Hears the routers' metrics, which Envoy streams once a second, and tells the signals of revisions from them. */
import { randomUUID } from 'node:crypto';
import type { ServerReadableStream, ServiceDefinition } from '@grpc/grpc-js';
import type { SignalReport } from '../api/revision-signals.ts';
import { type EnvoyProtos, METRICS_MESSAGE, type Message } from './protos.ts';
import { dropIdle, type RevisionOf, revisionSignals } from './signals.ts';
import { nodeId } from './streams.ts';

/** A router's stream of metrics, seen from the server. */
export type MetricsStream = ServerReadableStream<Message, Message>;

/** Defines Envoy's gRPC service of metrics, whose messages `protos` translates. */
export function metricsDefinition(protos: EnvoyProtos): ServiceDefinition {
  const empty = () => Buffer.alloc(0);
  return {
    streamMetrics: {
      path: '/envoy.service.metrics.v3.MetricsService/StreamMetrics',
      requestStream: true,
      responseStream: false,
      requestSerialize: (value: Message) => protos.encode(METRICS_MESSAGE, value),
      requestDeserialize: (bytes: Buffer) => protos.decode(METRICS_MESSAGE, bytes, dropIdle),
      responseSerialize: empty,
      responseDeserialize: () => ({}),
    },
  };
}

/** Consumer of a router's signals, and the revisions by which they are translated. */
export interface MetricsListener {
  readonly revision: RevisionOf;
  /** Called with each report, also with one without any revision: the router is there, and had no requests. */
  readonly onReport: (report: SignalReport) => void;
  /** Called when the router has ended the stream. */
  readonly onEnd: () => void;
}

/** Listens to a router's stream until it ends. */
export function hearMetrics(
  stream: MetricsStream,
  { revision, onReport, onEnd }: MetricsListener,
): void {
  const id = randomUUID();
  let router: string | undefined;
  let sequence = 0;
  stream.on('data', (message: Message) => {
    router ??= nodeId((message.identifier ?? {}) as Message);
    const revisions = revisionSignals(message, revision);
    onReport({ router, stream: id, sequence: sequence++, revisions });
  });
  stream.on('end', onEnd);
  // A stream that breaks is opened again by the router.
  stream.on('error', () => undefined);
}
