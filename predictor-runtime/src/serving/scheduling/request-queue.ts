/** Requests that wait, in the order in which they are to run: by priority, and then by age. */

/** Part of a request that its place in the queue depends on. */
export interface Queued {
  /** Urgency of the request; 1 is the most urgent. */
  readonly priorityLevel: number;
  /** Total size of the request's tensors, in bytes. */
  readonly bytes: number;
}

/** Bounds of a queue, and what requests get that say nothing. */
export interface QueuePolicy {
  /** Most requests that may wait. */
  readonly maxRequests: number;
  /** Most bytes of tensors that may wait. */
  readonly maxBytes: number;
  /** Timeout of requests that name none, in ms; 0 is none. */
  readonly defaultTimeoutMs: number;
  /** Number of priorities, 1 being the most urgent; 0 is none. */
  readonly priorityLevels: number;
  readonly defaultPriority: number;
}

/** Keeps waiting requests in the order in which they are to run. */
export class RequestQueue<T extends Queued> implements Iterable<T> {
  readonly #policy: QueuePolicy;
  readonly #entries: T[] = [];
  #bytes = 0;

  constructor(policy: QueuePolicy) {
    this.#policy = policy;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** True when the request may wait. It always is for an empty queue, so that one oversized request can still run. */
  hasRoomFor(bytes: number): boolean {
    const { maxRequests, maxBytes } = this.#policy;
    if (this.length === 0) return true;
    return this.length < maxRequests && this.#bytes + bytes <= maxBytes;
  }

  add(entry: T): void {
    const place = this.#entries.findLastIndex(
      ({ priorityLevel }) => priorityLevel <= entry.priorityLevel,
    );
    this.#entries.splice(place + 1, 0, entry);
    this.#bytes += entry.bytes;
  }

  /** Removes a request. Nothing happens when it is not there. */
  remove(entry: T): void {
    const place = this.#entries.indexOf(entry);
    if (place < 0) return;
    this.#entries.splice(place, 1);
    this.#bytes -= entry.bytes;
  }

  filter(which: (entry: T) => boolean): T[] {
    return this.#entries.filter(which);
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#entries[Symbol.iterator]();
  }
}
