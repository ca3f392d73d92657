/** A controller that runs: a queue of keys, workers that reconcile them, and the changes that fill the queue. */
import type { Lister } from '../api/cluster.ts';
import { keyOf } from '../api/kube.ts';
import type { Logger } from '../log.ts';
import type { Change, Controller } from './controller.ts';
import { runWorkers } from './worker.ts';
import { WorkQueue } from './workqueue.ts';

/** The controller to run, and what it runs on. */
export interface ControllerRunOptions {
  readonly controller: Controller;
  readonly lister: Lister;
  /** Number of objects that are reconciled at once. */
  readonly workers: number;
  readonly log: Logger;
  /** Called after every reconcile with the time that it took, for metrics. */
  readonly observe?: (seconds: number, failed: boolean) => void;
}

/** Reconciles every object of a controller's kind that a change or time concerns, until it is stopped. */
export class ControllerRun {
  readonly #lister: Lister;
  readonly #controller: Controller;
  readonly #queue = new WorkQueue();
  readonly #workers: Promise<void>;

  /** Starts at once, with every object that the lister knows. */
  constructor({ controller, lister, workers, log, observe }: ControllerRunOptions) {
    this.#lister = lister;
    this.#controller = controller;
    this.enqueue(this.keys());
    const { reconcile } = controller;
    this.#workers = runWorkers({ queue: this.#queue, reconcile, log, count: workers, observe });
  }

  /** Number of keys that wait to be reconciled. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Enqueues the objects that a change concerns, and returns their keys. */
  onChange(change: Change): readonly string[] {
    const keys = this.#controller.triggers(change, this.#lister);
    this.enqueue(keys);
    return keys;
  }

  /** Reconciles the objects of these keys soon. */
  enqueue(keys: readonly string[]): void {
    for (const key of keys) this.#queue.add(key);
  }

  /** Returns the keys of all objects of the controller's kind. */
  keys(): string[] {
    return this.#lister.list(this.#controller.kind).map(keyOf);
  }

  /** Begins no more reconciles, and resolves when the last one has ended. */
  async stop(): Promise<void> {
    this.#queue.close();
    await this.#workers;
  }
}
