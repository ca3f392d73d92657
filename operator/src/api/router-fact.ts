/**
 * Facts that a control plane knows about the routers connected to it. They are plain data, which cross threads and
 * streams, and the facts of several control planes add up.
 */
import type { RevisionRef } from './revision.ts';
import type { SignalReport } from './revision-signals.ts';
import type { LoadReport, Share } from './route-table.ts';

/** State of one service's routes at one router. */
export interface RouterRoutes {
  /** The shares that the router has confirmed; undefined when it has no routes of the service. */
  readonly applied?: readonly Share[];
  /** The shares that were sent and that the router has not answered yet. */
  readonly pending?: readonly Share[];
  /** True while the router has routes from before this connection whose shares nobody remembers. */
  readonly unknown?: true;
  /**
   * Reason, in Envoy's words, why the router does not take the routes it should have; undefined when it does.
   */
  readonly refused?: string;
}

/**
 * A single fact about a router. `stream` identifies one connection of one router among all control planes;
 * `router` is the router's name, which is that of its pod.
 */
export type RouterFact =
  | { readonly kind: 'connected'; readonly stream: string; readonly router: string }
  /** The router has said which routes it has: it has none of a service that no `routes` fact names. */
  | { readonly kind: 'told'; readonly stream: string }
  /**
   * This fact replaces what was known about the service `key`; without `routes` the router has none of it.
   */
  | {
      readonly kind: 'routes';
      readonly stream: string;
      readonly key: string;
      readonly routes?: RouterRoutes;
    }
  | { readonly kind: 'gone'; readonly stream: string }
  | { readonly kind: 'refused'; readonly router: string; readonly refusal: Refusal }
  /**
   * The service's routes cannot be written as Envoy's resources, so that no router gets them; without a
   * reason they can again.
   */
  | { readonly kind: 'unusable'; readonly key: string; readonly reason?: string }
  /**
   * The router has reported its load; without a report it reports no more, and its requests in flight are not
   * known.
   */
  | { readonly kind: 'load'; readonly router: string; readonly report?: LoadReport }
  /**
   * The router has counted requests that have ended. Reports add up, so that each is told once: what was reported before
   * a consumer joined is not known to it.
   */
  | { readonly kind: 'signals'; readonly report: SignalReport }
  /** The requests that wait for pods at one control plane, which counts them every second while some do. */
  | { readonly kind: 'waiting'; readonly counts: readonly WaitingCount[] };

/** Number of requests that wait for one revision. */
export interface WaitingCount {
  readonly ref: RevisionRef;
  readonly count: number;
}

/** Refusal of a resource by a router, which keeps the version that it has. */
export interface Refusal {
  /** Key of the service that the resource belongs to; undefined for a resource that all services share. */
  readonly key?: string;
  /** Kind of resource, such as `clusters`. */
  readonly type: string;
  /** Name of the resource. */
  readonly name: string;
  /** Envoy's own words for what is wrong. */
  readonly reason: string;
}
