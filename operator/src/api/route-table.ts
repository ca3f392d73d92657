/** The router's whole configuration as one value; Envoy's resources and the local proxy both follow from it. */

export interface RouteTable {
  readonly routes: readonly Route[];
  readonly clusters: readonly RouteCluster[];
}

/** Everything that the routers are told about one InferenceService. */
export interface ServiceRoutes {
  readonly route: Route;
  readonly clusters: readonly RouteCluster[];
}

/** A change of one service's routes; without `entry` they are gone. */
export interface RouteChange {
  /** namespace/name of the service. */
  readonly key: string;
  readonly entry?: ServiceRoutes;
}

/** One InferenceService: how requests find it and how they are shared out. */
export interface Route {
  /** namespace/name. */
  readonly key: string;
  readonly hosts: readonly string[];
  /** Prefix that is removed before the request goes on; undefined when there is no route by path. */
  readonly pathPrefix?: string;
  /** Seconds until the last byte of the response; 0 for none. */
  readonly timeoutSeconds: number;
  readonly targets: readonly RouteTarget[];
}

export interface RouteTarget {
  /** Name of the revision, within the namespace of the route. */
  readonly revision: string;
  /** Share that the status claims. */
  readonly percent: number;
  /** Share that is applied: a revision without endpoints gives its share to the others. */
  readonly weight: number;
  /** Cluster of its HTTP/1.1 port. */
  readonly cluster: string;
  /** Cluster of its gRPC port, when it has one. */
  readonly grpcCluster?: string;
}

/** The endpoints of one port of one revision. */
export interface RouteCluster {
  readonly name: string;
  readonly protocol: 'http1' | 'h2c';
  readonly endpoints: readonly Endpoint[];
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** A draining endpoint finishes what it has and gets nothing new. */
  readonly state: 'healthy' | 'draining';
}

/** What a router measured since its last report. */
export interface LoadReport {
  /** Identity of the router. */
  readonly router: string;
  /** Seconds that the report covers. */
  readonly seconds: number;
  /** By cluster name; a cluster without traffic may be absent. */
  readonly clusters: Readonly<Record<string, ClusterLoad>>;
}

export interface ClusterLoad {
  /** Requests under way at the end of the period. */
  readonly inFlight: number;
  /** Requests sent to endpoints in the period. */
  readonly requests: number;
}

/** Name of the cluster of a revision's port; `grpc` for its gRPC port. */
export function clusterName(namespace: string, revision: string, port?: 'grpc'): string {
  return `${namespace}/${revision}${port === undefined ? '' : `/${port}`}`;
}

/** The table of `entries` after `changes`, which are put into it. */
export function tableWith(
  entries: Map<string, ServiceRoutes>,
  changes: readonly RouteChange[],
): RouteTable {
  for (const { key, entry } of changes) {
    if (entry === undefined) entries.delete(key);
    else entries.set(key, entry);
  }
  const all = [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  return {
    routes: all.map(({ route }) => route),
    clusters: all.flatMap(({ clusters }) => clusters),
  };
}
