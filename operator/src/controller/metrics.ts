/** Metrics and health of the operator itself, served by Express. */
import type { Server } from 'node:http';
import { pipeline } from 'node:stream/promises';
import express from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { LoopDelay } from '../loop-delay.ts';
import type { ColdStartPhase } from '../plan/cold-start.ts';
import type { HoldRefusal } from '../router/hold.ts';
import { revisionMetrics, type ScaleFacts } from './scale-metrics.ts';
import { type ReadSignals, signalMetrics } from './signal-metrics.ts';

/** Collects the operator's Prometheus metrics and serves them, with its health, over HTTP. */
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
  readonly #coldStarts = new Histogram({
    name: 'wherry_cold_start_seconds',
    help: 'Time of a cold start, from the first request that waits until it is let go, by part',
    labelNames: ['phase'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600],
    registers: [this.#registry],
  });
  readonly #heldRefused = new Counter({
    name: 'wherry_held_requests_refused_total',
    help: 'Requests that waited for a pod, or would have, and were refused, by reason',
    labelNames: ['reason'],
    registers: [this.#registry],
  });
  readonly #loopDelays = new Gauge({
    name: 'wherry_loop_delay_p99_seconds',
    help: 'Delay of what is due on an event loop, 99th percentile since the last scrape, by thread',
    labelNames: ['thread'],
    registers: [this.#registry],
    collect: () => this.#collectLoopDelays(),
  });
  /**
   * Functions that return the delay of a thread's event loop since their last call, in seconds, by thread.
   */
  readonly #takeLoopDelay = new Map<string, () => number | Promise<number>>();
  #isSynced = false;
  /** Scales of all revisions, which are there while this process leads. */
  #scales: ScaleFacts | undefined;
  /** Reads the signals of all revisions, while this process leads. */
  #readSignals: ReadSignals | undefined;

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    const loopDelay = new LoopDelay();
    this.watchLoopDelay('main', () => loopDelay.takeP99Seconds());
  }

  /**
   * Adds a thread to the metric of event loop delays; `take` returns the delay since its last call, in
   * seconds.
   */
  watchLoopDelay(thread: string, take: () => number | Promise<number>): void {
    this.#takeLoopDelay.set(thread, take);
  }

  /** Counts an answer of the API server. @param code HTTP status code */
  request(verb: string, kind: string, code: number): void {
    this.#requests.inc({ verb, kind, code });
  }

  /** Counts a reconcile that took `seconds`. */
  reconciled(seconds: number, failed: boolean): void {
    this.#reconciles.observe({ result: failed ? 'error' : 'success' }, seconds);
  }

  /** Counts a refusal of configuration by a router. @param type kind of resource, such as `clusters` */
  refused(type: string): void {
    this.#refused.inc({ type });
  }

  /** Counts a request that was refused while it waited for a pod. */
  heldRefused(reason: HoldRefusal): void {
    this.#heldRefused.inc({ reason });
  }

  /** Counts a cold start whose parts took so many seconds. */
  coldStart(phases: ReadonlyMap<ColdStartPhase, number>): void {
    for (const [phase, seconds] of phases) this.#coldStarts.observe({ phase }, seconds);
  }

  /** Makes `/readyz` answer 200 from now on; to be called when the caches are complete. */
  synced(): void {
    this.#isSynced = true;
  }

  /** Adds the metrics that only a leader has; to be called once. Both values are read at each scrape. */
  watchQueue(queue: { waiting: number }, controlPlane: { connected: number }): void {
    const registers = [this.#registry];
    new Gauge({
      name: 'wherry_queue_length',
      help: 'Objects that wait to be reconciled',
      registers,
      collect() {
        this.set(queue.waiting);
      },
    });
    new Gauge({
      name: 'wherry_routers_connected',
      help: 'Routers that are connected, to this operator or another one',
      registers,
      collect() {
        this.set(controlPlane.connected);
      },
    });
  }

  /** Adds the metrics of the autoscaler, which only a leader has; to be called once. */
  watchScales(facts: ScaleFacts): void {
    this.#scales = facts;
    new Counter({
      name: 'wherry_scale_decisions_total',
      help: 'Changes of the desired pods of a revision, by the rule that had the last word',
      labelNames: ['rule'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [rule, count] of facts.decisions) this.inc({ rule }, count);
      },
    });
  }

  /** Adds the metrics of how requests ended, which only a leader has; to be called once. */
  watchSignals(read: ReadSignals): void {
    this.#readSignals = read;
  }

  async #collectLoopDelays(): Promise<void> {
    for (const [thread, take] of this.#takeLoopDelay) {
      this.#loopDelays.set({ thread }, await take());
    }
  }

  async *#text(): AsyncGenerator<string> {
    yield this.#registry.metrics();
    if (this.#scales !== undefined) yield* revisionMetrics(this.#scales);
    if (this.#readSignals !== undefined) yield* signalMetrics(this.#readSignals);
  }

  /** Serves `/healthz`, `/readyz` and `/metrics` on an address and port. The caller closes the server. */
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
      res.type(this.#registry.contentType);
      // Who has gone meanwhile needs no answer.
      await pipeline(this.#text(), res).catch(() => undefined);
    });
    return app.listen(port, host);
  }
}
