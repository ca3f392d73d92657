/**
 * Keeps what every router is to have: each service's resources, encoded and hashed when the service changes.
 */
import { hash } from 'node:crypto';
import type { RevisionRef } from '../api/revision.ts';
import {
  clusterName,
  type RouteChange,
  type ServiceRoutes,
  type Share,
  sameShares,
} from '../api/route-table.ts';
import type { EnvoyProtos, Message } from './protos.ts';
import { routedClusters, routedHosts, serviceMessages } from './service-resources.ts';
import { type ListenerOptions, sharedMessages } from './shared-resources.ts';

/** Envoy's message for each kind of resource. */
export const RESOURCE_TYPES = {
  clusters: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  routes: 'envoy.config.route.v3.RouteConfiguration',
  virtualHosts: 'envoy.config.route.v3.VirtualHost',
  listeners: 'envoy.config.listener.v3.Listener',
} as const;

/** A kind of resource. */
export type ResourceType = keyof typeof RESOURCE_TYPES;

/** The key of the entry that holds what all services share. */
export const SHARED = '';

/** One encoded resource. */
export interface Resource {
  /** The hash of `bytes`: equal resources have equal versions, also after a restart. */
  readonly version: string;
  readonly bytes: Buffer;
}

/** The resources of one service, or those that all services share; it never changes once made. */
export interface Entry {
  readonly resources: Readonly<Record<ResourceType, ReadonlyMap<string, Resource>>>;
  /** Names of the clusters that the route sends to. */
  readonly routedClusters: readonly string[];
  /** Hosts that the virtual host claims. */
  readonly hosts: readonly string[];
  /** Shares that the status claims. */
  readonly shares: readonly Share[];
}

/** The outcome of one update of the configuration. */
export interface UpdateResult {
  /** Keys of the entries that are different now. */
  readonly changed: readonly string[];
  /** Services that cannot be encoded, with the reason: they keep the entry they have. */
  readonly unusable: ReadonlyMap<string, string>;
}

/** The entries by service key, `namespace/name`, with an index from each resource back to its entry. */
export class Configuration {
  readonly #protos: EnvoyProtos;
  readonly #entries = new Map<string, Entry>();
  readonly #owners: Readonly<Record<ResourceType, Map<string, string>>> = byType(() => new Map());
  readonly #revisions = new Map<string, RevisionRef>();

  /** Makes a configuration that has no service yet, only what all services share. */
  constructor(protos: EnvoyProtos, options: ListenerOptions = {}) {
    this.#protos = protos;
    this.#put(SHARED, this.#entry(sharedMessages(options)));
  }

  /** Takes changes of routes in; a service whose resources and shares stay the same is not reported. */
  update(changes: Iterable<RouteChange>): UpdateResult {
    const changed: string[] = [];
    const unusable = new Map<string, string>();
    for (const { key, entry } of changes) {
      try {
        if (this.#update(key, entry)) changed.push(key);
      } catch (error) {
        unusable.set(key, (error as Error).message);
      }
    }
    return { changed, unusable };
  }

  /** Returns the entry of a service, or of `SHARED`; undefined when there is none. */
  entry(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** Makes the endpoints resource of a cluster that no entry has any more: it names no pod. */
  noEndpoints(cluster: string): Resource {
    return this.#encode('endpoints', { cluster_name: cluster });
  }

  /** Returns the keys of all entries, `SHARED` among them. */
  keys(): Iterable<string> {
    return this.#entries.keys();
  }

  /** Returns the key of the entry that a resource belongs to; undefined when no entry has it. */
  owner(type: ResourceType, name: string): string | undefined {
    return this.#owners[type].get(name);
  }

  /** Returns the revision that a cluster sends to; undefined for a cluster that no entry has. */
  revision(cluster: string): RevisionRef | undefined {
    return this.#revisions.get(cluster);
  }

  #update(key: string, routes: ServiceRoutes | undefined): boolean {
    const before = this.#entries.get(key);
    const after = routes && this.#serviceEntry(routes);
    if (before === undefined && after === undefined) return false;
    if (before !== undefined && after !== undefined && sameEntry(before, after)) return false;
    if (before !== undefined) this.#remove(key, before);
    if (after !== undefined) this.#put(key, after);
    for (const { ref, port } of routes?.clusters ?? []) {
      this.#revisions.set(clusterName(ref, port), ref);
    }
    return true;
  }

  #serviceEntry(routes: ServiceRoutes): Entry {
    const { route } = routes;
    const messages = serviceMessages(routes);
    const routed = routedClusters(route);
    const missing = routed.find((name) => messages.clusters[name] === undefined);
    // A router would wait for it for ever, and nobody would know why.
    if (missing !== undefined) throw new Error(`the route names the cluster ${missing}, not given`);
    return {
      ...this.#entry(messages),
      routedClusters: routed,
      hosts: routedHosts(route),
      shares: route.targets.map(({ ref, percent, held }) => ({
        ref,
        percent,
        ...(held && { held }),
      })),
    };
  }

  #entry(messages: Partial<Record<ResourceType, Readonly<Record<string, Message>>>>): Entry {
    const resources = byType(
      (type) =>
        new Map(
          Object.entries(messages[type] ?? {}).map(([name, message]): [string, Resource] => [
            name,
            this.#encode(type, message),
          ]),
        ),
    );
    return { resources, routedClusters: [], hosts: [], shares: [] };
  }

  #encode(type: ResourceType, message: Message): Resource {
    const bytes = this.#protos.encode(RESOURCE_TYPES[type], message);
    return { bytes, version: hash('sha256', bytes, 'base64url').slice(0, 22) };
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    for (const type of TYPES) {
      for (const name of entry.resources[type].keys()) this.#owners[type].set(name, key);
    }
  }

  #remove(key: string, { resources }: Entry): void {
    this.#entries.delete(key);
    for (const type of TYPES) {
      for (const name of resources[type].keys()) this.#owners[type].delete(name);
    }
    for (const name of resources.clusters.keys()) this.#revisions.delete(name);
  }
}

const TYPES = Object.keys(RESOURCE_TYPES) as ResourceType[];

/** Makes a record with a value for each kind of resource. */
export function byType<T>(make: (type: ResourceType) => T): Record<ResourceType, T> {
  return Object.fromEntries(TYPES.map((type) => [type, make(type)])) as Record<ResourceType, T>;
}

function sameEntry(a: Entry, b: Entry): boolean {
  return (
    sameShares(a.shares, b.shares) &&
    TYPES.every((type) => sameResources(a.resources[type], b.resources[type]))
  );
}

function sameResources(
  a: ReadonlyMap<string, Resource>,
  b: ReadonlyMap<string, Resource>,
): boolean {
  return (
    a.size === b.size && [...b].every(([name, { version }]) => a.get(name)?.version === version)
  );
}
