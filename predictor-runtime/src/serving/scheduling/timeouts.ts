/** Bounds of the time that a request may wait and take, by its own wish and the queue's rules. */
import type { Job } from './job.ts';
import { type QueuePolicy, waitPolicyOf } from './request-queue.ts';

/** Bounds of the time that a request takes, in ms; 0 is none. */
export interface Timeouts {
  /** Longest time in the queue. */
  readonly waitMs: number;
  /** Longest time from the admission to the answer. */
  readonly answerMs: number;
}

/** Says how long a request may wait, and how long it may take; 0 is no limit. Source: Triton, ModelQueuePolicy. */
export function timeoutsOf(job: Job, queue: QueuePolicy, priorityLevel: number): Timeouts {
  const { timeoutMs = 0, ownTimeoutMs = 0 } = job;
  const policy = waitPolicyOf(queue, priorityLevel);
  if (policy === undefined) {
    const answerMs = shorter(timeoutMs, ownTimeoutMs) || queue.defaultTimeoutMs;
    return { waitMs: 0, answerMs };
  }
  const isShorter = policy.allowsOverride && ownTimeoutMs > 0 && ownTimeoutMs < policy.timeoutMs;
  const waitMs = isShorter ? ownTimeoutMs : policy.timeoutMs;
  return { waitMs, answerMs: timeoutMs || queue.defaultTimeoutMs };
}

/** Returns the shorter of two timeouts; 0 is none. */
function shorter(a: number, b: number): number {
  return a && b ? Math.min(a, b) : a || b;
}
