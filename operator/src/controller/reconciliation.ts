/**
 * Reconciliation and scaling of all services, which only one operator does at a time. The laptop runs it,
 * too.
 */
import type { Lister } from '../api/cluster.ts';
import type { Kind } from '../api/kinds.ts';
import { keyOf } from '../api/kube.ts';
import type { LoadReport } from '../api/route-table.ts';
import type { Logger } from '../log.ts';
import type { DesiredReplicas } from '../plan/input.ts';
import { Autoscaler, TICK_MILLISECONDS } from './autoscaler.ts';
import type { Change, Controller } from './controller.ts';
import { runWorkers } from './worker.ts';
import { WorkQueue } from './workqueue.ts';

/** Parts that reconciliation is made from. */
export interface ReconciliationOptions {
  readonly lister: Lister;
  /** Makes the controller; `desired` returns the replicas that the autoscaler desires for a service. */
  readonly controller: (desired: (key: string) => readonly DesiredReplicas[]) => Controller;
  /** Number of objects that are reconciled at once. */
  readonly workers: number;
  readonly log: Logger;
  /** Called after every reconcile with the time that it took, for metrics. */
  readonly observe?: (seconds: number, failed: boolean) => void;
}

/** Reconciles every service that a change, a load report or time concerns, until it is stopped. */
export class Reconciliation {
  readonly #lister: Lister;
  readonly #controller: Controller;
  readonly #autoscaler: Autoscaler;
  readonly #queue = new WorkQueue();
  readonly #tick: NodeJS.Timeout;
  readonly #workers: Promise<void>;

  /** Starts at once, with every object that the lister knows. */
  constructor(options: ReconciliationOptions) {
    const { lister, log, observe } = options;
    this.#lister = lister;
    this.#autoscaler = new Autoscaler(lister);
    this.#controller = options.controller((key) => this.#autoscaler.desired(key));
    this.enqueueAll();
    for (const key of this.#keys()) this.#autoscaler.look(key, Date.now());
    this.#tick = setInterval(
      () => this.enqueue(this.#autoscaler.tick(Date.now())),
      TICK_MILLISECONDS,
    );
    this.#workers = runWorkers({
      queue: this.#queue,
      reconcile: this.#controller.reconcile,
      log,
      count: options.workers,
      observe,
    });
  }

  /** Number of keys that wait to be reconciled. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Enqueues the services that a change of an object concerns. */
  onChange(change: Change): void {
    const keys = this.#controller.triggers(change, this.#lister);
    this.enqueue(keys);
    if (SCALED.has(change.kind)) for (const key of keys) this.#autoscaler.look(key, Date.now());
  }

  /** Gives a router's load report to the autoscaler. */
  onLoad(report: LoadReport): void {
    this.#autoscaler.record(report, Date.now());
  }

  /** Reconciles the services of these keys soon. */
  enqueue(keys: readonly string[]): void {
    for (const key of keys) this.#queue.add(key);
  }

  /** Reconciles every service soon. */
  enqueueAll(): void {
    this.enqueue(this.#keys());
  }

  /** Begins no more reconciles, and resolves when the last one has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#tick);
    this.#queue.close();
    await this.#workers;
  }

  #keys(): string[] {
    return this.#lister.list(this.#controller.kind).map(keyOf);
  }
}

/** Kinds whose changes may change what the autoscaler decides. */
const SCALED: ReadonlySet<Kind> = new Set(['InferenceService', 'Deployment', 'Pod']);
