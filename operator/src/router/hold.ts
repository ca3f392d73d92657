/** Lines of the requests that wait for a pod: bounded in number and time, first come first served. */
import { formatRevision, type RevisionRef } from '../api/revision.ts';
import type { WaitingCount } from '../api/router-fact.ts';

/** Bounds of what may wait in one line. */
export interface HoldLimits {
  /** Most requests at once. */
  readonly requests: number;
  /** Longest wait of a request, in seconds. */
  readonly seconds: number;
}

/** Bounds that hold where nothing else is said: a large model on a node that starts for it takes minutes. */
export const HOLD_LIMITS: HoldLimits = { requests: 1000, seconds: 600 };

/** Reason for which a request may not wait, or wait longer. */
export type HoldRefusal = 'full' | 'late' | 'ending';

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
  ending: {
    status: 503,
    retryAfter: 1,
    text: 'the router that this request waits in is about to end; another one takes it',
  },
} as const satisfies Record<HoldRefusal, object>;

/** Line of requests that are let go in order: those for one revision, at one router. */
export interface Line {
  readonly ref: RevisionRef;
  /** Router that has the requests; left out where there is only one. */
  readonly router?: string;
}

/** Requests that wait, of whatever type the caller tells them apart by. Times are in milliseconds. */
export class Hold<T> {
  readonly #limits: HoldLimits;
  /** Requests of each line with the time at which they came, oldest first; no line is empty. */
  readonly #lines = new Map<string, { line: Line; requests: Map<T, number> }>();

  constructor(limits: HoldLimits) {
    this.#limits = limits;
  }

  /** Lets a request wait in a line. Returns false when as many wait there already as may. */
  add(line: Line, request: T, now: number): boolean {
    const key = keyOf(line);
    const { requests } = this.#lines.get(key) ?? { requests: new Map<T, number>() };
    if (requests.size >= this.#limits.requests) return false;
    requests.set(request, now);
    this.#lines.set(key, { line, requests });
    return true;
  }

  /** Forgets a request whose client is gone; one that does not wait is no error. */
  remove(line: Line, request: T): void {
    this.#take(keyOf(line), [request]);
  }

  /** Takes up to `slots` requests out of a line, those that came first, and returns them. */
  release(line: Line, slots: number): T[] {
    const key = keyOf(line);
    const waiting = [...(this.#lines.get(key)?.requests.keys() ?? [])];
    return this.#take(key, waiting.slice(0, Math.max(0, slots)));
  }

  /** Takes those requests out that have waited too long, and returns them. */
  expire(now: number): T[] {
    const oldest = now - this.#limits.seconds * 1000;
    return [...this.#lines].flatMap(([key, { requests }]) => {
      const late = [...requests].filter(([, since]) => since <= oldest);
      return this.#take(
        key,
        late.map(([request]) => request),
      );
    });
  }

  /** Returns the lines in which requests wait. */
  lines(): Line[] {
    return [...this.#lines.values()].map(({ line }) => line);
  }

  /** Returns the number of requests that wait for each revision for which some do. */
  counts(): WaitingCount[] {
    const counts = new Map<string, WaitingCount>();
    for (const { line, requests } of this.#lines.values()) {
      const name = formatRevision(line.ref);
      const count = (counts.get(name)?.count ?? 0) + requests.size;
      counts.set(name, { ref: line.ref, count });
    }
    return [...counts.values()];
  }

  #take(key: string, taken: T[]): T[] {
    const requests = this.#lines.get(key)?.requests;
    for (const request of taken) requests?.delete(request);
    if (requests?.size === 0) this.#lines.delete(key);
    return taken;
  }
}

function keyOf({ ref, router = '' }: Line): string {
  return `${formatRevision(ref)} ${router}`;
}
