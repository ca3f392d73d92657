/** Workers: keys → reconcile; the only try/catch of the control plane. */
import type { Logger } from '../log.ts';
import type { WorkQueue } from './workqueue.ts';

export interface WorkersOptions {
  readonly queue: WorkQueue;
  readonly reconcile: (key: string, log: Logger) => Promise<void>;
  readonly log: Logger;
  readonly count: number;
  /** Told about every reconcile, for metrics. */
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
      await reconcile(key, child);
      queue.forget(key);
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
