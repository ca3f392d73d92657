/**
 * Traces requests through queue, batch and compute, and sends the traces by OpenTelemetry's protocol. It does so when
 * OpenTelemetry's own variables set an endpoint; otherwise nothing of it is loaded. Source: W3C Trace Context,
 * "traceparent".
 */

import type { Context, Tracer as OtelTracer, Span } from '@opentelemetry/api';
import type { Env } from './environment.ts';

/** A stage of a request's run. Each is a span of its own. */
export type Stage = 'queue' | 'batch' | 'compute';

/** The trace of one request. Times are those of performance.now(), in milliseconds. */
export interface RequestTrace {
  /** Records a stage that the request went through. */
  stage(name: Stage, start: number, end: number): void;
  /** Ends the trace. @param error why the request failed; undefined when it did not */
  end(error?: Error): void;
}

/** The request that a trace is about. */
export interface TracedRequest {
  /** Name of the span. */
  readonly verb: 'infer' | 'explain';
  readonly model: string;
  /** The caller's place in its own trace (W3C Trace Context); undefined when it has none. */
  readonly traceparent?: string;
}

/** A source of traces, which sends them to the endpoint that the environment names. */
export interface Tracer {
  /** Starts the trace of a request; undefined when this one is not traced. */
  start(request: TracedRequest): RequestTrace | undefined;
  /** Sends the traces that are left, and ends. */
  close(): Promise<void>;
}

/** Matches a traceparent: version, trace id, the parent's span id, flags. */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
/** Flag by which a caller says that it records its trace. */
const SAMPLED = 1;

/** Makes the tracer that the environment asks for; undefined when it asks for none. */
export async function createTracer(env: Env): Promise<Tracer | undefined> {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined || env.OTEL_SDK_DISABLED === 'true') return undefined;
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace');
  const api = await import('@opentelemetry/api');
  const url = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? `${endpoint.replace(/\/$/, '')}/v1/traces`;
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': env.OTEL_SERVICE_NAME ?? 'wherry-predictor',
    }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url }) })],
  });
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG ?? 1);
  const tracer = provider.getTracer('wherry');

  /** Returns the context that a request is traced in. Its caller decides whether it is traced, or else chance does. */
  function parentOf(traceparent: string | undefined): Context | undefined {
    const [, traceId, spanId, flags = '0'] = TRACEPARENT.exec(traceparent ?? '') ?? [];
    if (traceId === undefined || spanId === undefined) {
      return Math.random() < ratio ? api.ROOT_CONTEXT : undefined;
    }
    const traceFlags = Number.parseInt(flags, 16);
    if ((traceFlags & SAMPLED) === 0) return undefined;
    return api.trace.setSpanContext(api.ROOT_CONTEXT, {
      traceId,
      spanId,
      traceFlags,
      isRemote: true,
    });
  }

  return {
    start({ verb, model, traceparent }) {
      const parent = parentOf(traceparent);
      if (parent === undefined) return undefined;
      const options = { kind: api.SpanKind.SERVER, attributes: { 'model.name': model } };
      const span = tracer.startSpan(verb, options, parent);
      return new OtelTrace(tracer, span, api.trace.setSpan(parent, span));
    },
    close: () => provider.shutdown(),
  };
}

/** The value of OpenTelemetry's SpanStatusCode.ERROR, which is loaded only when requests are traced. */
const ERROR_STATUS = 2;

class OtelTrace implements RequestTrace {
  readonly #tracer: OtelTracer;
  readonly #span: Span;
  readonly #context: Context;

  constructor(tracer: OtelTracer, span: Span, context: Context) {
    this.#tracer = tracer;
    this.#span = span;
    this.#context = context;
  }

  stage(name: Stage, start: number, end: number): void {
    const at = (time: number) => new Date(performance.timeOrigin + time);
    this.#tracer.startSpan(name, { startTime: at(start) }, this.#context).end(at(end));
  }

  end(error?: Error): void {
    if (error !== undefined) this.#span.setStatus({ code: ERROR_STATUS, message: error.message });
    this.#span.end();
  }
}
