/**
 * What one router has been told and has confirmed: the state machine of an ADS stream, without the stream.
 * Make before break: clusters, then endpoints, then listeners, and routes only to clusters whose endpoints
 * the router has confirmed; a cluster goes only when no route that the router may still have names it.
 */
import { type Resource, type ResourceType, referencedClusters, type Snapshot } from './snapshot.ts';

/** A router's message: a subscription, an acknowledgement (ACK) or a refusal (NACK). */
export interface DiscoveryRequest {
  readonly type: ResourceType;
  /** Names it wants; empty for all, as in CDS and LDS. */
  readonly names: readonly string[];
  /** Nonce of the response it answers; '' for none. */
  readonly nonce: string;
  /** Why it refused that response; undefined for an ACK. */
  readonly error?: string;
}

export interface DiscoveryResponse {
  readonly type: ResourceType;
  readonly nonce: string;
  readonly resources: readonly Buffer[];
}

interface Sent {
  readonly nonce: string;
  /** Hash of each resource of the response. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly snapshot: Snapshot;
}

interface TypeState {
  subscribed: boolean;
  names: ReadonlySet<string>;
  /** The response that is not answered yet. */
  pending?: Sent;
  /** Hash of each resource that the router uses; undefined before its first ACK. */
  acked?: Map<string, string>;
  /** The response that it refused last: the same one is not sent again. */
  refused?: string;
}

const ORDER: readonly ResourceType[] = ['clusters', 'endpoints', 'listeners', 'routes'];
/** Types of which a response lists everything; of the others it may list only what changed. */
const COMPLETE: ReadonlySet<ResourceType> = new Set(['clusters', 'listeners']);

export class Subscription {
  readonly #types: Record<ResourceType, TypeState> = {
    clusters: newState(),
    endpoints: newState(),
    listeners: newState(),
    routes: newState(),
  };
  #nonce = 0;
  #ackedRoutes: Snapshot | undefined;
  /** Cluster resources of earlier snapshots that routes may still need. */
  readonly #kept = new Map<string, { cluster: Resource; endpoints: Resource | undefined }>();

  /** The snapshot whose routes the router has confirmed; undefined before the first. */
  get ackedRoutes(): Snapshot | undefined {
    return this.#ackedRoutes;
  }

  /** The snapshot whose routes were sent and not answered yet. */
  get pendingRoutes(): Snapshot | undefined {
    return this.#types.routes.pending?.snapshot;
  }

  /** Takes a message in. Returns why the router refused, or undefined. */
  receive(request: DiscoveryRequest): string | undefined {
    const state = this.#types[request.type];
    state.subscribed = true;
    state.names = new Set(request.names);
    const { pending } = state;
    if (pending === undefined || request.nonce !== pending.nonce) return undefined;
    state.pending = undefined;
    if (request.error !== undefined) {
      state.refused = fingerprint(pending.hashes);
      return request.error;
    }
    state.refused = undefined;
    if (request.type === 'clusters') this.#expectEndpoints(pending.hashes);
    state.acked = COMPLETE.has(request.type)
      ? new Map(pending.hashes)
      : new Map([...(state.acked ?? []), ...pending.hashes]);
    if (request.type === 'routes') this.#ackedRoutes = pending.snapshot;
    return undefined;
  }

  /** The responses to send now, given the newest snapshot. */
  next(snapshot: Snapshot): DiscoveryResponse[] {
    return ORDER.flatMap((type) => {
      const state = this.#types[type];
      if (!state.subscribed || state.pending !== undefined) return [];
      if ((type === 'routes' || type === 'listeners') && !this.#hasEndpoints(snapshot)) return [];
      const resources = this.#outdated(type, snapshot);
      if (resources === undefined) return [];
      const nonce = String(++this.#nonce);
      const hashes = new Map([...resources].map(([name, { hash }]) => [name, hash]));
      if (fingerprint(hashes) === state.refused) return [];
      state.pending = { nonce, hashes, snapshot };
      return [{ type, nonce, resources: [...resources.values()].map(({ bytes }) => bytes) }];
    });
  }

  /** What a response has to list to bring the router up to date; undefined when it is. */
  #outdated(type: ResourceType, snapshot: Snapshot): ReadonlyMap<string, Resource> | undefined {
    const { acked } = this.#types[type];
    const wanted = this.#wanted(type, snapshot);
    const changed = [...wanted].filter(([name, { hash }]) => acked?.get(name) !== hash);
    if (!COMPLETE.has(type)) return changed.length === 0 ? undefined : new Map(changed);
    const same = changed.length === 0 && acked?.size === wanted.size;
    return same ? undefined : wanted;
  }

  /** A cluster that is new or changed waits in the router for its endpoints, also for the same ones again. */
  #expectEndpoints(clusters: ReadonlyMap<string, string>): void {
    const before = this.#types.clusters.acked;
    for (const name of this.#types.endpoints.acked?.keys() ?? []) {
      if (before?.get(name) !== clusters.get(name)) this.#types.endpoints.acked?.delete(name);
    }
  }

  #wanted(type: ResourceType, snapshot: Snapshot): ReadonlyMap<string, Resource> {
    const { resources } = snapshot;
    if (type === 'clusters') return this.#clusters(snapshot);
    if (type === 'listeners') return resources.listeners;
    const { names } = this.#types[type];
    const named = [...resources[type]].filter(([name]) => names.has(name));
    if (type === 'routes') return new Map(named);
    const kept = [...this.#kept].flatMap(([name, { endpoints }]): [string, Resource][] =>
      endpoints !== undefined && names.has(name) ? [[name, endpoints]] : [],
    );
    return new Map([...kept, ...named]);
  }

  /** The snapshot's clusters and those that the router's routes may still name. */
  #clusters(snapshot: Snapshot): ReadonlyMap<string, Resource> {
    const inUse = new Set<string>();
    for (const earlier of [this.#ackedRoutes, this.pendingRoutes]) {
      if (earlier === undefined) continue;
      for (const name of referencedClusters(earlier)) {
        inUse.add(name);
        const cluster = earlier.resources.clusters.get(name);
        const endpoints = earlier.resources.endpoints.get(name);
        if (cluster !== undefined) this.#kept.set(name, { cluster, endpoints });
      }
    }
    const result = new Map<string, Resource>();
    for (const [name, { cluster }] of this.#kept) {
      if (inUse.has(name) && !snapshot.resources.clusters.has(name)) result.set(name, cluster);
      else this.#kept.delete(name);
    }
    for (const [name, cluster] of snapshot.resources.clusters) result.set(name, cluster);
    return result;
  }

  /** True when every cluster that the routes name is known to the router with its endpoints. */
  #hasEndpoints(snapshot: Snapshot): boolean {
    const { clusters, endpoints } = this.#types;
    if (clusters.acked === undefined) return false;
    return [...referencedClusters(snapshot)].every(
      (name) => clusters.acked?.has(name) === true && endpoints.acked?.has(name) === true,
    );
  }
}

function newState(): TypeState {
  return { subscribed: false, names: new Set() };
}

function fingerprint(hashes: ReadonlyMap<string, string>): string {
  return [...hashes].map(([name, hash]) => `${name}=${hash}`).join(';');
}
