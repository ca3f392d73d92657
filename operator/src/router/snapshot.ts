/** One version of everything the routers are told: the RouteTable with its resources encoded and hashed. */
import { createHash } from 'node:crypto';
import type { Route, RouteTable } from '../api/route-table.ts';
import { type EnvoyResources, envoyResources } from './envoy.ts';
import type { EnvoyProtos } from './protos.ts';

export const RESOURCE_TYPES = {
  clusters: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listeners: 'envoy.config.listener.v3.Listener',
  routes: 'envoy.config.route.v3.RouteConfiguration',
} as const satisfies Record<keyof EnvoyResources, string>;

export type ResourceType = keyof typeof RESOURCE_TYPES;

export interface Resource {
  readonly hash: string;
  readonly bytes: Buffer;
}

export interface Snapshot {
  readonly table: RouteTable;
  /** The table's routes by service key. */
  readonly routes: ReadonlyMap<string, Route>;
  readonly resources: Readonly<Record<ResourceType, ReadonlyMap<string, Resource>>>;
}

export function snapshot(table: RouteTable, protos: EnvoyProtos): Snapshot {
  const resources = envoyResources(table);
  const encoded = (type: ResourceType) =>
    new Map(
      Object.entries(resources[type]).map(([name, message]): [string, Resource] => {
        const bytes = protos.encode(RESOURCE_TYPES[type], message);
        return [name, { bytes, hash: createHash('sha256').update(bytes).digest('base64url') }];
      }),
    );
  return {
    table,
    routes: new Map(table.routes.map((route) => [route.key, route])),
    resources: {
      clusters: encoded('clusters'),
      endpoints: encoded('endpoints'),
      listeners: encoded('listeners'),
      routes: encoded('routes'),
    },
  };
}

/** The clusters that the routes of a snapshot send to. */
export function referencedClusters({ table }: Snapshot): Set<string> {
  return new Set(
    table.routes.flatMap(({ targets }) =>
      targets.flatMap(({ cluster, grpcCluster }) =>
        grpcCluster === undefined ? [cluster] : [cluster, grpcCluster],
      ),
    ),
  );
}
