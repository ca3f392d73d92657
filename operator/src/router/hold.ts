/** Queues of the requests that wait for a pod, one for each revision: bounded in number and time, first come first served. */
import { formatRevision, type RevisionRef } from '../api/revision.ts';

/** Bounds of what may wait for one revision. */
export interface HoldLimits {
  /** Most requests at once. */
  readonly requests: number;
  /** Longest wait of a request, in seconds. */
  readonly seconds: number;
}

/** Bounds that hold where nothing else is said: a large model on a node that starts for it takes minutes. */
export const HOLD_LIMITS: HoldLimits = { requests: 1000, seconds: 600 };

/** Reason for which a request may not wait, or wait longer. */
export type HoldRefusal = 'full' | 'late';

/** Answers to requests that may not wait longer: HTTP status, seconds until a client should try again, and text. */
export const HOLD_REFUSALS = {
  full: {
    status: 429,
    retryAfter: 1,
    text: 'too many requests wait for a pod of this service already',
  },
  late: {
    status: 503,
    retryAfter: 10,
    text: 'no pod of this service became ready in the time that a request may wait',
  },
} as const satisfies Record<HoldRefusal, object>;

/** Number of requests that wait for one revision. */
export interface WaitingCount {
  readonly ref: RevisionRef;
  readonly count: number;
}

/** Requests that wait, of whatever type the caller tells them apart by. Times are in milliseconds. */
export class Hold<T> {
  readonly #limits: HoldLimits;
  /** Requests of each revision with the time at which they came, oldest first; no queue is empty. */
  readonly #queues = new Map<string, { ref: RevisionRef; requests: Map<T, number> }>();

  constructor(limits: HoldLimits) {
    this.#limits = limits;
  }

  /** Lets a request wait for a revision. Returns false when as many wait already as may. */
  add(ref: RevisionRef, request: T, now: number): boolean {
    const key = formatRevision(ref);
    const queue = this.#queues.get(key) ?? { ref, requests: new Map<T, number>() };
    if (queue.requests.size >= this.#limits.requests) return false;
    queue.requests.set(request, now);
    this.#queues.set(key, queue);
    return true;
  }

  /** Forgets a request whose client is gone; one that does not wait is no error. */
  remove(ref: RevisionRef, request: T): void {
    this.#take(formatRevision(ref), [request]);
  }

  /** Takes up to `slots` requests out, those that came first, and returns them. */
  release(ref: RevisionRef, slots: number): T[] {
    const key = formatRevision(ref);
    const waiting = [...(this.#queues.get(key)?.requests.keys() ?? [])];
    return this.#take(key, waiting.slice(0, Math.max(0, slots)));
  }

  /** Takes those requests out that have waited too long, and returns them. */
  expire(now: number): T[] {
    const oldest = now - this.#limits.seconds * 1000;
    return [...this.#queues].flatMap(([key, { requests }]) => {
      const late = [...requests].filter(([, since]) => since <= oldest);
      return this.#take(
        key,
        late.map(([request]) => request),
      );
    });
  }

  /** Returns the number of requests that wait for each revision for which some do. */
  counts(): WaitingCount[] {
    return [...this.#queues.values()].map(({ ref, requests }) => ({ ref, count: requests.size }));
  }

  #take(key: string, taken: T[]): T[] {
    const requests = this.#queues.get(key)?.requests;
    for (const request of taken) requests?.delete(request);
    if (requests?.size === 0) this.#queues.delete(key);
    return taken;
  }
}
