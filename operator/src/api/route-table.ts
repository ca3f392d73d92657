/**
 * What the routers are told about each InferenceService and what they tell about its traffic. Envoy's
 * resources and the local proxy both follow from the same values.
 */
import { formatRevision, type RevisionRef, sameRevision } from './revision.ts';

/** Everything the routers need to serve one InferenceService. */
export interface ServiceRoutes {
  readonly route: Route;
  /** The clusters that the route names, and those of other revisions that still have pods. */
  readonly clusters: readonly RouteCluster[];
}

/** A change of one service's routes; without `entry` they are gone. */
export interface RouteChange {
  /** The service's key, `namespace/name`. */
  readonly key: string;
  readonly entry?: ServiceRoutes;
}

/** How requests find one InferenceService and how they are shared out. */
export interface Route {
  /** The service's key, `namespace/name`. */
  readonly key: string;
  /** Host names, in lower case and without a port; no two services share one. */
  readonly hosts: readonly string[];
  /**
   * The prefix `/serving/<namespace>/<name>` that is removed before the request goes on; undefined when
   * there is no route by path. The routers know no other form.
   */
  readonly pathPrefix?: string;
  /** Seconds until the last byte of the response; 0 for no limit. */
  readonly timeoutSeconds: number;
  readonly targets: readonly RouteTarget[];
}

/** A revision's share of a service's requests. */
export interface Share {
  readonly ref: RevisionRef;
  readonly percent: number;
}

/** A revision that requests of a route go to; `percent` is the share that the status claims. */
export interface RouteTarget extends Share {
  /** Share that is applied: a revision without endpoints gives its share to the others. */
  readonly weight: number;
  /** True when gRPC requests go to a port, and so a cluster, of their own. */
  readonly grpc: boolean;
}

/** The endpoints of one port of one revision. */
export interface RouteCluster {
  readonly ref: RevisionRef;
  /** Tells the cluster of a separate gRPC port from that of the port for everything else. */
  readonly port: 'http' | 'grpc';
  readonly protocol: 'http1' | 'h2c';
  readonly endpoints: readonly Endpoint[];
}

/** The address of one port of one pod. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** A draining endpoint finishes what it has and gets nothing new. */
  readonly state: 'healthy' | 'draining';
}

/** What one router measured since its last report. */
export interface LoadReport {
  /** Name of the router, which is that of its pod. */
  readonly router: string;
  /** A cluster without traffic may be absent; a revision with two ports has up to two items. */
  readonly clusters: readonly ClusterLoad[];
}

/** The load of one port of one revision. */
export interface ClusterLoad {
  readonly ref: RevisionRef;
  /** Seconds in which `requests` were counted: each cluster has its own period. */
  readonly seconds: number;
  /** Requests under way at the end of the period. */
  readonly inFlight: number;
  /** Requests sent to endpoints in the period. */
  readonly requests: number;
}

/** The name of the cluster of a revision's port: unique among all clusters, and never taken apart. */
export function clusterName(ref: RevisionRef, port: RouteCluster['port'] = 'http'): string {
  return port === 'http' ? formatRevision(ref) : `${formatRevision(ref)}/${port}`;
}

/** Says whether two lists give the same revisions the same percents, in the same order. */
export function sameShares(a: readonly Share[], b: readonly Share[]): boolean {
  const same = (x: Share, y: Share | undefined) =>
    y !== undefined && x.percent === y.percent && sameRevision(x.ref, y.ref);
  return a.length === b.length && a.every((share, i) => same(share, b[i]));
}
