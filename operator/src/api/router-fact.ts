/**
 * What a control plane knows about the routers that are connected to it, as plain data: it crosses threads
 * and streams, and facts of several control planes add up.
 */
import type { LoadReport, Share } from './route-table.ts';

/** What one router does with the routes of one service. */
export interface RouterRoutes {
  /** The shares that the router has confirmed; undefined when it has no routes of the service. */
  readonly applied?: readonly Share[];
  /** The shares that were sent and not answered yet. */
  readonly pending?: readonly Share[];
  /** True while the router has routes from before this connection whose shares nobody remembers. */
  readonly unknown?: true;
  /** Why the router does not take what it should have, in Envoy's words. */
  readonly refused?: string;
}

/**
 * One thing that is known about a router. `stream` identifies one connection of one router among all
 * control planes; `router` is the router's name, which is that of its pod.
 */
export type RouterFact =
  | { readonly kind: 'connected'; readonly stream: string; readonly router: string }
  /** The router has said which routes it has: what no `routes` fact names, it does not have. */
  | { readonly kind: 'told'; readonly stream: string }
  /** Replaces what was known about the service `key`; without `routes` the router has none. */
  | {
      readonly kind: 'routes';
      readonly stream: string;
      readonly key: string;
      readonly routes?: RouterRoutes;
    }
  | { readonly kind: 'gone'; readonly stream: string }
  | { readonly kind: 'refused'; readonly router: string; readonly refusal: Refusal }
  /** Routes that cannot be written as Envoy's resources: no router gets them. Without a reason they can again. */
  | { readonly kind: 'unusable'; readonly key: string; readonly reason?: string }
  /** Without a report the router reports no more: its requests in flight are not known. */
  | { readonly kind: 'load'; readonly router: string; readonly report?: LoadReport };

/** A resource that a router refused just now; it keeps the one it has. */
export interface Refusal {
  /** The service that the resource belongs to; undefined for what all services share. */
  readonly key?: string;
  /** Kind of resource, such as `clusters`. */
  readonly type: string;
  /** Name of the resource. */
  readonly name: string;
  /** Envoy's own words. */
  readonly reason: string;
}
