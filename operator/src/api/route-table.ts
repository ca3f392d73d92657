/**
 * Values that pass between the operator and the routers: the routes of each InferenceService, and the load that
 * comes back. Envoy's resources and the local proxy are both made from them.
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

/** Route of one InferenceService: the requests that it takes, and the revisions that share them. */
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
  /** Most requests that a pod may have at once when held ones are let go; undefined for no limit. */
  readonly concurrency?: number;
  /** Revisions that share the requests. */
  readonly targets: readonly RouteTarget[];
}

/** Share of a service's requests that one revision gets. */
export interface Share {
  readonly ref: RevisionRef;
  /** Share in percent, from 0 to 100. */
  readonly percent: number;
  /** True when the requests of the revision wait in the routers until one of its pods has room for them. */
  readonly held?: true;
}

/** A revision that requests of a route go to; `percent` is the share that the status claims. */
export interface RouteTarget extends Share {
  /** Share in percent that the routers apply: a revision without endpoints gives its share to the others. */
  readonly weight: number;
  /** True when gRPC requests go to a port, and so a cluster, of their own. */
  readonly grpc: boolean;
}

/** The endpoints of one port of one revision. */
export interface RouteCluster {
  readonly ref: RevisionRef;
  /** Port of the revision: `grpc` for a separate gRPC port, `http` for the port of everything else. */
  readonly port: 'http' | 'grpc';
  readonly protocol: 'http1' | 'h2c';
  /**
   * Most connections that a router has to each endpoint, with one request at a time; undefined for no limit. Each of its
   * worker threads may have one where it has none.
   */
  readonly connectionLimit?: number;
  readonly endpoints: readonly Endpoint[];
}

/** The address of one port of one pod. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** State of the endpoint; a draining one finishes the requests it has and gets no new ones. */
  readonly state: 'healthy' | 'draining';
  /** True while only the pod itself, and not yet its kubelet, has said to this operator that it is ready. */
  readonly answered?: true;
}

/** Measurements of one router since its last report. */
export interface LoadReport {
  /** Name of the router, which is that of its pod. */
  readonly router: string;
  /**
   * Loads of the clusters; one without traffic may be left out, and a revision with two ports has up to two.
   */
  readonly clusters: readonly ClusterLoad[];
}

/** The load of one port of one revision. */
export interface ClusterLoad {
  readonly ref: RevisionRef;
  /** Length in seconds of the period in which `requests` were counted; each cluster has its own. */
  readonly seconds: number;
  /** Number of requests under way at the end of the period. */
  readonly inFlight: number;
  /** Number of requests that were sent to endpoints in the period. */
  readonly requests: number;
}

/** Returns the name of the cluster of a revision's port: unique among all clusters, and never parsed. */
export function clusterName(ref: RevisionRef, port: RouteCluster['port'] = 'http'): string {
  return port === 'http' ? formatRevision(ref) : `${formatRevision(ref)}/${port}`;
}

/** Says whether two lists give the same revisions the same percents, held or not, in the same order. */
export function sameShares(a: readonly Share[], b: readonly Share[]): boolean {
  const same = (x: Share, y: Share | undefined) =>
    y !== undefined && x.percent === y.percent && x.held === y.held && sameRevision(x.ref, y.ref);
  return a.length === b.length && a.every((share, i) => same(share, b[i]));
}
