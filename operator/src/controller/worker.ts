/** Workers: keys → reconcile. What a reconcile throws is caught here, and its key comes again. */
import type { Logger } from '../log.ts';
import type { Controller } from './controller.ts';
import type { WorkQueue } from './workqueue.ts';

export interface WorkersOptions {
  readonly queue: WorkQueue;
  readonly reconcile: Controller['reconcile'];
  readonly log: Logger;
  readonly count: number;
  /** Called after every reconcile, for metrics. */
  readonly observe?: (seconds: number, failed: boolean) => void;
}

/** Runs until the queue is closed; resolves when the last reconcile has ended. */
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
