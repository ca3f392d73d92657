/**
 * Workers take keys from a queue and reconcile them. An error of a reconcile is caught here, and its key
 * comes again.
 */
import type { Logger } from '../log.ts';
import type { Controller } from './controller.ts';
import type { WorkQueue } from './workqueue.ts';

/** The queue of keys, and what workers do with each. */
export interface WorkersOptions {
  readonly queue: WorkQueue;
  readonly reconcile: Controller['reconcile'];
  readonly log: Logger;
  /** Number of workers, and so of reconciles at once. */
  readonly count: number;
  /** Called after every reconcile with the time that it took, for metrics. */
  readonly observe?: (seconds: number, failed: boolean) => void;
}

/** Runs workers until the queue is closed, and resolves when the last reconcile has ended. */
export async function runWorkers(options: WorkersOptions): Promise<void> {
  await Promise.all(Array.from({ length: options.count }, () => work(options)));
}

async function work({ queue, reconcile, log, observe }: WorkersOptions): Promise<void> {
  for (let key = await queue.next(); key !== undefined; key = await queue.next()) {
    const child = log.child({ key });
    const started = performance.now();
    let failed = false;
    try {
      const { retry, resyncAt } = await reconcile(key, child);
      if (retry) queue.retry(key);
      else queue.forget(key);
      if (resyncAt !== undefined) queue.addAfter(key, Date.parse(resyncAt) - Date.now());
    } catch (error) {
      failed = true;
      child.error('reconcile failed', { error: (error as Error).stack });
      queue.retry(key);
    } finally {
      queue.done(key);
      observe?.((performance.now() - started) / 1000, failed);
    }
  }
}
