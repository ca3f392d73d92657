/** Holds requests until there is room for them in a pod, and tells while some wait, so that pods are started. */
import { formatRevision, type RevisionRef } from '../api/revision.ts';
import type { WaitingCount } from '../api/router-fact.ts';
import { Hold, type HoldLimits, type HoldRefusal, type Line } from './hold.ts';

/**
 * Milliseconds until it is told that requests wait: a burst is told of as one, and not at all when its clients leave
 * at once.
 */
const GATHER_MS = 20;
/** Milliseconds between two looks at what waits: it is told again, and who has waited too long is refused. */
const LOOK_MS = 1000;

/** Milliseconds before the end of a router at which what still waits there is refused. */
const BEFORE_END_MS = 3000;

/** Source of what a waiting room knows of the pods, and the listener to its requests. */
export interface WaitingRoomOptions {
  readonly limits: HoldLimits;
  /** Returns how many more requests of a line the ready pods may have now. */
  readonly freeSlots: (line: Line) => number;
  /** Called with all that waits, every second while something does, and with nothing when the last is gone. */
  readonly onWaiting: (counts: readonly WaitingCount[]) => void;
}

/** A request in the waiting room. */
interface Waiting {
  /** Lets the request go on; it counts as under way in a pod before this returns. */
  readonly go: () => void;
  readonly refuse: (refusal: HoldRefusal) => void;
}

/** Requests of all revisions that wait for a pod. */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  readonly #hold: Hold<Waiting>;
  /** Times at which routers end that are about to, in milliseconds since 1970. */
  #ends: ReadonlyMap<string, number> = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
    this.#hold = new Hold(options.limits);
  }

  /**
   * Lets a request go at once when there is room for it, or else when there is; nobody overtakes. Returns a function
   * to be called when its client is gone.
   */
  admit(line: Line, waiting: Waiting): () => void {
    if (!this.#hold.add(line, waiting, performance.now())) {
      waiting.refuse('full');
      return () => undefined;
    }
    this.#look(line);
    if (this.#hold.lines().length > 0) this.#timer ??= setTimeout(() => this.#tell(), GATHER_MS);
    return () => this.#hold.remove(line, waiting);
  }

  /** Returns the number of requests that wait for a revision. */
  waiting(ref: RevisionRef): number {
    const key = formatRevision(ref);
    return this.#hold.counts().find((count) => formatRevision(count.ref) === key)?.count ?? 0;
  }

  /** Lets requests go as far as there is room; to be called when there may be more of it. */
  look(): void {
    for (const line of this.#hold.lines()) this.#look(line);
  }

  /**
   * Takes in which routers are about to end, and when, in milliseconds since 1970. What waits there is refused shortly
   * before, because the connection would end without an answer.
   */
  routersEnd(ends: ReadonlyMap<string, number>): void {
    this.#ends = ends;
  }

  /** Tells nothing any more; requests that wait are left to their connections. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #look(line: Line): void {
    for (const { go } of this.#hold.release(line, this.#options.freeSlots(line))) go();
  }

  #tell(): void {
    this.look();
    for (const { refuse } of this.#hold.expire(performance.now())) refuse('late');
    for (const line of this.#hold.lines()) {
      const end = this.#ends.get(line.router ?? '') ?? Number.POSITIVE_INFINITY;
      if (Date.now() < end - BEFORE_END_MS) continue;
      for (const { refuse } of this.#hold.release(line, Number.POSITIVE_INFINITY)) refuse('ending');
    }
    const counts = this.#hold.counts();
    this.#timer = counts.length === 0 ? undefined : setTimeout(() => this.#tell(), LOOK_MS);
    this.#options.onWaiting(counts);
  }
}
