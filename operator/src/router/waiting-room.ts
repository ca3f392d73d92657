/** Holds requests until there is room for them in a pod, and tells while some wait, so that pods are started. */
import { formatRevision, type RevisionRef } from '../api/revision.ts';
import { Hold, type HoldLimits, type HoldRefusal, type WaitingCount } from './hold.ts';

/**
 * Milliseconds until it is told that requests wait: a burst is told of as one, and not at all when its clients leave
 * at once.
 */
const GATHER_MS = 20;
/** Milliseconds between two looks at what waits: it is told again, and who has waited too long is refused. */
const LOOK_MS = 1000;

/** Source of what a waiting room knows of the pods, and the listener to its requests. */
export interface WaitingRoomOptions {
  readonly limits: HoldLimits;
  /** Returns how many more requests the ready pods of a revision may have now. */
  readonly freeSlots: (ref: RevisionRef) => number;
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
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
    this.#hold = new Hold(options.limits);
  }

  /**
   * Lets a request go at once when there is room for it, or else when there is; nobody overtakes. Returns a function
   * to be called when its client is gone.
   */
  admit(ref: RevisionRef, waiting: Waiting): () => void {
    if (!this.#hold.add(ref, waiting, performance.now())) {
      waiting.refuse('full');
      return () => undefined;
    }
    this.look(ref);
    if (this.#hold.counts().length > 0) this.#timer ??= setTimeout(() => this.#tell(), GATHER_MS);
    return () => this.#hold.remove(ref, waiting);
  }

  /** Returns the number of requests that wait for a revision. */
  waiting(ref: RevisionRef): number {
    const key = formatRevision(ref);
    return this.#hold.counts().find((count) => formatRevision(count.ref) === key)?.count ?? 0;
  }

  /** Lets requests of a revision go as far as there is room; to be called when there may be more. */
  look(ref: RevisionRef): void {
    for (const { go } of this.#hold.release(ref, this.#options.freeSlots(ref))) go();
  }

  /** Lets requests of all revisions go as far as there is room. */
  lookAtAll(): void {
    for (const { ref } of this.#hold.counts()) this.look(ref);
  }

  /** Tells nothing any more; requests that wait are left to their connections. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #tell(): void {
    for (const { refuse } of this.#hold.expire(performance.now())) refuse('late');
    const counts = this.#hold.counts();
    this.#timer = counts.length === 0 ? undefined : setTimeout(() => this.#tell(), LOOK_MS);
    this.#options.onWaiting(counts);
  }
}
