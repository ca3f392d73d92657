/** Notes the first request of each revision that is let go after some had to wait. */
import { formatRevision, type RevisionRef } from '../api/revision.ts';
import type { WaitingCount } from '../api/router-fact.ts';

/** A request that was let go, with the times in milliseconds of what it waited for. */
export interface Release {
  readonly ref: RevisionRef;
  /** The request began to wait. */
  readonly heldAt: number;
  /** Its router was known to have a ready pod's address. */
  readonly acknowledgedAt: number;
  /** It was let go. */
  readonly releasedAt: number;
}

/** Revisions whose requests wait, with what is known of the first one to be let go. Times are in milliseconds. */
export class Releases {
  readonly #waiting = new Map<string, { acknowledgedAt?: number }>();

  /** Takes in for which revisions requests wait. */
  wait(counts: readonly WaitingCount[]): void {
    const waiting = new Set(counts.map(({ ref }) => formatRevision(ref)));
    for (const key of this.#waiting.keys()) if (!waiting.has(key)) this.#waiting.delete(key);
    for (const key of waiting) if (!this.#waiting.has(key)) this.#waiting.set(key, {});
  }

  /** Takes in that a router has the address of a ready pod. */
  acknowledge(ref: RevisionRef, now: number): void {
    const waiting = this.#waiting.get(formatRevision(ref));
    if (waiting !== undefined) waiting.acknowledgedAt ??= now;
  }

  /** Takes in that a request was let go. Returns it when it is the first one after some had to wait. */
  release(ref: RevisionRef, heldAt: number, now: number): Release | undefined {
    const key = formatRevision(ref);
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (waiting === undefined) return undefined;
    return { ref, heldAt, acknowledgedAt: waiting.acknowledgedAt ?? now, releasedAt: now };
  }
}
