/** Prometheus metrics of one server process. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds; from a tiny tree to a slow network. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Counter({
    name: 'wherry_inference_requests_total',
    help: 'Inference requests by model and HTTP status code',
    labelNames: ['model', 'code'],
    registers: [this.registry],
  });
  // KServe's name for the same thing, so that its dashboards work.
  readonly #predictSeconds = new Histogram({
    name: 'request_predict_seconds',
    help: 'Time of an inference from the last byte of the request to the first of the response',
    labelNames: ['model_name'],
    buckets: LATENCY_BUCKETS,
    registers: [this.registry],
  });
  readonly #loadSeconds = new Gauge({
    name: 'wherry_model_load_seconds',
    help: 'Time that fetching and loading the model took',
    labelNames: ['model'],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  inference(model: string, code: number, seconds: number): void {
    this.#requests.inc({ model, code });
    this.#predictSeconds.observe({ model_name: model }, seconds);
  }

  loaded(model: string, seconds: number): void {
    this.#loadSeconds.set({ model }, seconds);
  }
}
