/** Requests that wait, in the order in which they are to run: by priority, then those in time, then by age. */
import { invalid } from '../../protocol/errors.ts';

/** Part of a request that its place in the queue depends on. */
export interface Queued {
  /** Urgency of the request; 1 is the most urgent. */
  readonly priorityLevel: number;
  /** Total size of the request's tensors, in bytes. */
  readonly bytes: number;
  /** True when the request has waited too long, and is to run after those of its priority that have not. */
  readonly isDelayed: boolean;
}

/** Rules for the requests of one priority while they wait. Source: Triton, ModelQueuePolicy. */
export interface WaitPolicy {
  /** Most requests of the priority that may wait; 0 leaves it to the queue's own bound. */
  readonly maxRequests: number;
  /** Longest time that a request may wait, in ms; 0 is no limit. The time that its run takes does not count. */
  readonly timeoutMs: number;
  /** Fate of a request that has waited too long: an error, or a place behind all that have not. */
  readonly onTimeout: 'reject' | 'delay';
  /** True when a request may name a shorter time of its own. */
  readonly allowsOverride: boolean;
}

/** Bounds of a queue, and what requests get that say nothing. */
export interface QueuePolicy {
  /** Most requests that may wait. */
  readonly maxRequests: number;
  /** Most bytes of tensors that may wait. */
  readonly maxBytes: number;
  /** Timeout of requests that name none, from the queue to the answer, in ms; 0 is none. */
  readonly defaultTimeoutMs: number;
  /** Number of priorities, 1 being the most urgent; 0 is none. */
  readonly priorityLevels: number;
  readonly defaultPriority: number;
  /** Rules of waiting for the priorities without their own; absent when nothing is said of it. */
  readonly wait?: WaitPolicy;
  /** Rules of waiting by priority. */
  readonly waitByPriority?: ReadonlyMap<number, WaitPolicy>;
}

/** Returns the rules of waiting for a priority; undefined when nothing is said of it. */
export function waitPolicyOf(policy: QueuePolicy, priorityLevel: number): WaitPolicy | undefined {
  return policy.waitByPriority?.get(priorityLevel) ?? policy.wait;
}

/**
 * Returns the priority of a request for a model. @param wanted urgency that the request names; 0 and undefined are none
 * @throws InferenceError INVALID_ARGUMENT when there is no such priority.
 */
export function priorityLevelOf(
  { priorityLevels, defaultPriority }: QueuePolicy,
  wanted: number | undefined,
  model: string,
): number {
  if (wanted === undefined || wanted === 0 || priorityLevels === 0) return defaultPriority;
  if (wanted <= priorityLevels) return wanted;
  throw invalid(
    `parameters.priority: model '${model}' has ${priorityLevels} priority_levels, 1 being the most urgent; got ${wanted}`,
  );
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

  /** Request that is to run next; undefined when none waits. */
  get first(): T | undefined {
    return this.#entries[0];
  }

  /** True when the request may wait. It always is for an empty queue, so that one oversized request can still run. */
  hasRoomFor({ priorityLevel, bytes }: Pick<T, 'priorityLevel' | 'bytes'>): boolean {
    if (this.length === 0) return true;
    if (this.#bytes + bytes > this.#policy.maxBytes) return false;
    const ownBound = waitPolicyOf(this.#policy, priorityLevel)?.maxRequests || undefined;
    if (ownBound === undefined) return this.length < this.#policy.maxRequests;
    return this.filter((entry) => entry.priorityLevel === priorityLevel).length < ownBound;
  }

  add(entry: T): void {
    const place = this.#entries.findLastIndex((other) => runsBefore(other, entry));
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

/** True when a request that waits already runs before one that is to be added. */
function runsBefore(waiting: Queued, added: Queued): boolean {
  if (waiting.priorityLevel !== added.priorityLevel) {
    return waiting.priorityLevel < added.priorityLevel;
  }
  return added.isDelayed || !waiting.isDelayed;
}
