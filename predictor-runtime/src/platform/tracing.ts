/**
 * Traces of requests through queue, batch and compute, by OpenTelemetry's protocol. On when an endpoint is set in
 * OpenTelemetry's own variables; nothing of it is loaded otherwise. Source: W3C Trace Context, "traceparent".
 */

import type { Context, Tracer as OtelTracer, Span } from '@opentelemetry/api';
import type { Env } from './environment.ts';

/** Of a run, as a span each. */
export type Stage = 'queue' | 'batch' | 'compute';

/** One request's trace; times are performance.now()'s. */
export interface RequestTrace {
  stage(name: Stage, start: number, end: number): void;
  /** @param error why the request failed */
  end(error?: Error): void;
}

/** What a trace says of its request. */
export interface TracedRequest {
  /** Name of the span. */
  readonly verb: 'infer' | 'explain';
  readonly model: string;
  /** The caller's place in its own trace (W3C Trace Context); undefined when it has none. */
  readonly traceparent?: string;
}

export interface Tracer {
  /** Starts the trace of a request; undefined when this one is not traced. */
  start(request: TracedRequest): RequestTrace | undefined;
  /** Sends what is left. */
  close(): Promise<void>;
}

/** A caller's place in its trace: version, trace id, parent's span id, flags. */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const SAMPLED = 1;

/** The tracer that the environment asks for; undefined for none. */
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

  /** The caller decides; where nobody has, chance does. */
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

/** api.SpanStatusCode.ERROR */
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
