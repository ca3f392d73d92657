/** The operator's own metrics and health, served by Express. */
import type { Server } from 'node:http';
import express from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { LoopDelay } from '../loop-delay.ts';

export class OperatorMetrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: 'wherry_kube_requests_total',
    help: 'Requests to the API server by verb, kind and HTTP status code',
    labelNames: ['verb', 'kind', 'code'],
    registers: [this.#registry],
  });
  readonly #reconciles = new Histogram({
    name: 'wherry_reconcile_seconds',
    help: 'Time of one reconcile',
    labelNames: ['result'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers: [this.#registry],
  });
  readonly #refused = new Counter({
    name: 'wherry_router_refused_total',
    help: 'Configurations that a router refused (NACK), by resource type',
    labelNames: ['type'],
    registers: [this.#registry],
  });
  readonly #loopDelays = new Gauge({
    name: 'wherry_loop_delay_p99_seconds',
    help: 'Delay of what is due on an event loop, 99th percentile since the last scrape, by thread',
    labelNames: ['thread'],
    registers: [this.#registry],
    collect: () => this.#collectLoopDelays(),
  });
  /** Takes the delay of each thread's event loop since the last call, in seconds. */
  readonly #takeLoopDelay = new Map<string, () => number | Promise<number>>();
  #isSynced = false;

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    const loopDelay = new LoopDelay();
    this.watchLoopDelay('main', () => loopDelay.takeP99Seconds());
  }

  /** Tells from now on the delay of a thread's event loop; `take` returns it since its last call, in seconds. */
  watchLoopDelay(thread: string, take: () => number | Promise<number>): void {
    this.#takeLoopDelay.set(thread, take);
  }

  request(verb: string, kind: string, code: number): void {
    this.#requests.inc({ verb, kind, code });
  }

  reconciled(seconds: number, failed: boolean): void {
    this.#reconciles.observe({ result: failed ? 'error' : 'success' }, seconds);
  }

  refused(type: string): void {
    this.#refused.inc({ type });
  }

  /** The caches are complete: from now on this process can work. */
  synced(): void {
    this.#isSynced = true;
  }

  watchQueue(queue: { waiting: number }, controlPlane: { connected: number }): void {
    const registers = [this.#registry];
    new Gauge({
      name: 'wherry_queue_length',
      help: 'Services that wait to be reconciled',
      registers,
      collect() {
        this.set(queue.waiting);
      },
    });
    new Gauge({
      name: 'wherry_routers_connected',
      help: 'Routers that take their configuration from this process',
      registers,
      collect() {
        this.set(controlPlane.connected);
      },
    });
  }

  async #collectLoopDelays(): Promise<void> {
    for (const [thread, take] of this.#takeLoopDelay) {
      this.#loopDelays.set({ thread }, await take());
    }
  }

  /** Serves /healthz, /readyz and /metrics. */
  listen(port: number, host: string): Server {
    const app = express();
    app.disable('x-powered-by');
    app.get('/healthz', (_req, res) => {
      res.send('ok');
    });
    app.get('/readyz', (_req, res) => {
      res.status(this.#isSynced ? 200 : 503).send(this.#isSynced ? 'ok' : 'the caches are filling');
    });
    app.get('/metrics', async (_req, res) => {
      res.type(this.#registry.contentType).send(await this.#registry.metrics());
    });
    return app.listen(port, host);
  }
}
