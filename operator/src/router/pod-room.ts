/**
 * Knows the room in pods: how many requests they may have, how many routers report, and how many were let go that no
 * report can have yet.
 */
import { formatRevision, type RevisionRef } from '../api/revision.ts';
import type { LoadReport, RouteChange } from '../api/route-table.ts';

/** Milliseconds that a request may take from the answer of the control plane until a router counts it. */
const UNSEEN_MS = 100;

/** The ready pods of one revision. */
interface Capacity {
  /** Most requests that they may have at once. */
  readonly requests: number;
  /** Time since which their kubelets call some of them ready; undefined while none does. */
  readonly since?: number;
}

/** The room in the pods of all revisions. Times are in milliseconds. */
export class PodRoom {
  /** Revisions with ready pods, by service and then by revision. */
  readonly #capacity = new Map<string, ReadonlyMap<string, Capacity>>();
  /** Requests under way at each router, by revision. */
  readonly #reported = new Map<string, ReadonlyMap<string, number>>();
  /** Times at which requests were let go, by the address of the router and then by revision. */
  readonly #released = new Map<string, Map<string, number[]>>();

  /** Takes in which pods of a service are ready. */
  update({ key, entry }: RouteChange, now: number): void {
    const before = this.#capacity.get(key);
    const after = new Map<string, Capacity>();
    for (const { ref, endpoints } of entry?.clusters.filter(({ port }) => port === 'http') ?? []) {
      const healthy = endpoints.filter(({ state }) => state === 'healthy');
      if (healthy.length === 0) continue;
      const requests = healthy.length * (entry?.route.concurrency ?? Number.POSITIVE_INFINITY);
      const revision = formatRevision(ref);
      const isReady = healthy.some(({ answered }) => !answered);
      const since = isReady ? (before?.get(revision)?.since ?? now) : undefined;
      after.set(revision, { requests, since });
    }
    if (after.size === 0) this.#capacity.delete(key);
    else this.#capacity.set(key, after);
  }

  /** Notes that a request was let go at the router of an address. */
  release(address: string, ref: RevisionRef, now: number): void {
    const revisions = this.#released.get(address) ?? new Map<string, number[]>();
    this.#released.set(address, revisions);
    const key = formatRevision(ref);
    const times = revisions.get(key) ?? [];
    times.push(now);
    revisions.set(key, times);
  }

  /** Takes in what the router of an address reports. */
  report(address: string, { router, clusters }: LoadReport, now: number): void {
    const counts = new Map<string, number>();
    for (const { ref, inFlight } of clusters) {
      const key = formatRevision(ref);
      counts.set(key, (counts.get(key) ?? 0) + inFlight);
    }
    this.#reported.set(router, counts);
    const released = this.#released.get(address);
    for (const [key, times] of released ?? []) {
      const unseen = times.filter((at) => now - at < UNSEEN_MS);
      if (unseen.length === 0) released?.delete(key);
      else released?.set(key, unseen);
    }
  }

  /** Forgets the load of a router that reports no more. */
  forget(router: string, address: string): void {
    this.#reported.delete(router);
    this.#released.delete(address);
  }

  /** Says whether a revision has a ready pod. */
  hasPods(key: string, ref: RevisionRef): boolean {
    return this.#capacity.get(key)?.has(formatRevision(ref)) ?? false;
  }

  /** Returns how many more requests the ready pods of a revision may have; negative when they have too many. */
  free(key: string, ref: RevisionRef): number {
    const revision = formatRevision(ref);
    const capacity = this.#capacity.get(key)?.get(revision)?.requests ?? 0;
    const reported = [...this.#reported.values()].map((counts) => counts.get(revision) ?? 0);
    const released = [...this.#released.values()].map((times) => times.get(revision)?.length ?? 0);
    return [...reported, ...released].reduce((left, count) => left - count, capacity);
  }

  /** Returns for how many milliseconds a revision has had a pod that its kubelet calls ready; 0 while it has none. */
  readyFor(key: string, ref: RevisionRef, now: number): number {
    return now - (this.#capacity.get(key)?.get(formatRevision(ref))?.since ?? now);
  }
}
