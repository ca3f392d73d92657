/** Requests that wait, in the order in which they are to run: by priority, and then by age. */

/** What the queue needs to know of a request. */
export interface Queued {
  /** 1 is the most urgent. */
  readonly priorityLevel: number;
  /** Of its tensors. */
  readonly bytes: number;
}

export interface QueuePolicy {
  /** Most requests that may wait. */
  readonly maxRequests: number;
  /** Most bytes of tensors that may wait. */
  readonly maxBytes: number;
  /** For requests that name no timeout of their own, in ms; 0 is none. */
  readonly defaultTimeoutMs: number;
  /** 1 is the most urgent; a request without one gets `defaultPriority`. */
  readonly priorityLevels: number;
  readonly defaultPriority: number;
}

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

  /** True for whatever its size when nothing else waits: then it waits for nobody's memory. */
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

  /** Nothing happens when it is not there. */
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
