/** What only one operator does at a time: it reconciles and scales. The laptop's is the same. */
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

export interface ReconciliationOptions {
  readonly lister: Lister;
  readonly controller: (desired: (key: string) => readonly DesiredReplicas[]) => Controller;
  readonly workers: number;
  readonly log: Logger;
  /** Called after every reconcile, for metrics. */
  readonly observe?: (seconds: number, failed: boolean) => void;
}

export class Reconciliation {
  readonly #lister: Lister;
  readonly #controller: Controller;
  readonly #autoscaler: Autoscaler;
  readonly #queue = new WorkQueue();
  readonly #tick: NodeJS.Timeout;
  readonly #workers: Promise<void>;

  /** Starts at once, with every object that is known. */
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

  /** Keys that wait to be reconciled. */
  get waiting(): number {
    return this.#queue.length;
  }

  onChange(change: Change): void {
    const keys = this.#controller.triggers(change, this.#lister);
    this.enqueue(keys);
    if (SCALED.has(change.kind)) for (const key of keys) this.#autoscaler.look(key, Date.now());
  }

  onLoad(report: LoadReport): void {
    this.#autoscaler.record(report, Date.now());
  }

  enqueue(keys: readonly string[]): void {
    for (const key of keys) this.#queue.add(key);
  }

  enqueueAll(): void {
    this.enqueue(this.#keys());
  }

  /** Resolves when the last reconcile has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#tick);
    this.#queue.close();
    await this.#workers;
  }

  #keys(): string[] {
    return this.#lister.list(this.#controller.kind).map(keyOf);
  }
}

/** Kinds that a scale depends on. */
const SCALED: ReadonlySet<Kind> = new Set(['InferenceService', 'Deployment', 'Pod']);
