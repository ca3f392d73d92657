/**
 * What one router has been told and has confirmed: the state machine of an incremental discovery stream,
 * without the stream. Make before break, for each service by itself: clusters, then their endpoints, and a
 * virtual host only when the router has confirmed the endpoints of every cluster that it names; a cluster
 * goes only when no virtual host that the router may still have names it. A refused resource is found by
 * halving the response that held it, and stays out, alone, until its service changes.
 */
import type { Refusal, RouterRoutes } from '../api/router-fact.ts';
import {
  byType,
  type Configuration,
  type Entry,
  type Resource,
  type ResourceType,
  SHARED,
} from './configuration.ts';
import {
  type Change,
  type Known,
  KnownResources,
  ORPHANS,
  type Pending,
} from './known-resources.ts';
import { RouterHosts } from './router-hosts.ts';
import { HEALTH_LISTENER } from './shared-resources.ts';

/** A router's message: a subscription, an acknowledgement (ACK) or a refusal (NACK). */
export interface DiscoveryRequest {
  readonly type: ResourceType;
  /** Names that it wants from now on; only of endpoints, as of the other kinds it wants all. */
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  /** Version by name of what it has from an earlier connection; only in the first message of a kind. */
  readonly initialVersions?: Readonly<Record<string, string>>;
  /** Nonce of the response that it answers; '' for none. */
  readonly nonce: string;
  /** Why it refused that response; undefined for an ACK. */
  readonly error?: string;
}

/** One response: the resources that are new or changed, and the names of those that go. */
export interface DiscoveryResponse {
  readonly type: ResourceType;
  readonly nonce: string;
  readonly resources: ReadonlyMap<string, Resource>;
  readonly removed: readonly string[];
}

/** What became known since it was asked last. */
export interface SubscriptionNews {
  /** Keys of the services whose routes the router has, has been sent or has refused. */
  readonly routes: ReadonlySet<string>;
  readonly refusals: readonly Refusal[];
}

/** In this order a service's resources become useful. */
const ORDER: readonly ResourceType[] = [
  'clusters',
  'endpoints',
  'routes',
  'virtualHosts',
  'listeners',
];
/** Services of one response: bounds the time that encoding it takes. */
const SERVICES_PER_RESPONSE = 500;

interface Applied {
  /** The entry whose virtual host the router has confirmed. */
  applied?: Entry;
  /** The entry whose virtual host was sent and is not answered. */
  pending?: Entry;
}

export class Subscription {
  readonly #configuration: Configuration;
  readonly #types = byType(() => new KnownResources());
  /** Names of endpoints that the router wants: those of its clusters. */
  readonly #wantedEndpoints = new Set<string>();
  readonly #routes = new Map<string, Applied>();
  /** Services whose virtual host is from an earlier connection and not the one that the entry has. */
  readonly #unknown = new Set<string>();
  readonly #hosts = new RouterHosts();
  /** Services of which the router has refused something. */
  readonly #held = new Set<string>();
  #nonce = 0;
  #complete = false;
  #touched = new Set<string>();
  #refusals: Refusal[] = [];

  /** @param configuration what the router is to have; tell its changes by `changed` */
  constructor(configuration: Configuration) {
    this.#configuration = configuration;
  }

  /** True once the router has said which virtual hosts it has. */
  get told(): boolean {
    return this.#types.virtualHosts.subscribed;
  }

  /** The services of which the router has, or may have, routes. */
  get services(): ReadonlySet<string> {
    return new Set([...this.#routes.keys(), ...this.#unknown, ...this.#held]);
  }

  /** What the router does with the routes of one service; undefined when it has none. */
  routes(key: string): RouterRoutes | undefined {
    const { applied, pending } = this.#routes.get(key) ?? {};
    const refused = this.#refusedReason(key);
    const unknown = this.#unknown.has(key);
    if (applied === undefined && pending === undefined && refused === undefined && !unknown) {
      return undefined;
    }
    return {
      ...(applied && { applied: applied.shares }),
      ...(pending && { pending: pending.shares }),
      ...(unknown && { unknown }),
      ...(refused !== undefined && { refused }),
    };
  }

  /** Returns what became known since the last call. */
  takeNews(): SubscriptionNews {
    const news = { routes: this.#touched, refusals: this.#refusals };
    this.#touched = new Set();
    this.#refusals = [];
    return news;
  }

  /** Takes in that the entries of these services are different now. */
  changed(keys: readonly string[]): void {
    for (const key of keys) {
      for (const type of ORDER) this.#types[type].dirty.add(key);
      this.#review(key);
      const routes = this.#routes.get(key);
      const entry = this.#configuration.entry(key);
      // Other percents with the same weights: what the router has is what the entry says.
      if (entry !== undefined && routes?.applied !== undefined && this.#has(entry)) {
        routes.applied = entry;
        this.#touch(key);
      }
    }
  }

  /** Takes a message of the router in. */
  receive(request: DiscoveryRequest): void {
    const { type, subscribe = [], unsubscribe = [], initialVersions = {}, nonce, error } = request;
    const known = this.#types[type];
    const first = !known.subscribed;
    if (first) this.#resume(type, initialVersions);
    if (type === 'endpoints') {
      for (const name of unsubscribe) this.#unwant(name);
      for (const name of subscribe) this.#want(name, first);
    }
    if (type === 'routes' && !first && subscribe.length > 0) {
      for (const name of subscribe) known.forget(name);
      known.dirty.add(SHARED);
    }
    if (known.pending === undefined || known.pending.nonce !== nonce) return;
    const { pending } = known;
    known.pending = undefined;
    if (error === undefined) this.#acknowledged(type, [...pending.changes.values()]);
    else this.#refused(type, pending, error);
  }

  /** The responses to send now. */
  next(): DiscoveryResponse[] {
    return ORDER.flatMap((type) => this.#response(type) ?? []);
  }

  /** A kind's first message: what the router still has from an earlier connection. */
  #resume(type: ResourceType, versions: Readonly<Record<string, string>>): void {
    const known = this.#types[type];
    known.subscribed = true;
    known.isAnswered = Object.keys(versions).length > 0;
    for (const [name, version] of Object.entries(versions)) {
      const key = this.#configuration.owner(type, name) ?? ORPHANS;
      known.note(name, key).acked = version;
      if (type === 'virtualHosts' && key !== SHARED) this.#resumeRoutes(key);
      if (key === ORPHANS) known.dirty.add(key);
    }
    // Orphans stand first: what they claim has to go before others can have it.
    for (const key of this.#configuration.keys()) known.dirty.add(key);
  }

  #resumeRoutes(key: string): void {
    const entry = this.#configuration.entry(key);
    if (entry !== undefined && this.#has(entry)) {
      this.#routes.set(key, { applied: entry });
      this.#hosts.replace(key, entry.hosts);
    } else {
      this.#unknown.add(key);
    }
    this.#touch(key);
  }

  /** Notes that there is something new to say about a service's routes. */
  #touch(key: string): void {
    if (key !== ORPHANS && key !== SHARED) this.#touched.add(key);
  }

  /** True when the router has confirmed the virtual host that `entry` has. */
  #has(entry: Entry): boolean {
    const { virtualHosts } = this.#types;
    return (
      entry.resources.virtualHosts.size > 0 &&
      [...entry.resources.virtualHosts].every(
        ([name, { version }]) => virtualHosts.get(name)?.acked === version,
      )
    );
  }

  #want(name: string, first: boolean): void {
    const { endpoints } = this.#types;
    this.#wantedEndpoints.add(name);
    // A router that asks again has lost what it had, unless it has just said what it has.
    if (!first) this.#resend(name);
    const key = this.#clusterKey(name);
    if (key !== undefined) endpoints.dirty.add(key);
  }

  #unwant(name: string): void {
    this.#wantedEndpoints.delete(name);
    this.#resend(name);
  }

  /** Forgets that the router has endpoints, also those that are on their way. */
  #resend(name: string): void {
    const { endpoints } = this.#types;
    endpoints.forget(name);
    endpoints.pending?.changes.delete(name);
  }

  #clusterKey(name: string): string | undefined {
    return this.#configuration.owner('clusters', name) ?? this.#types.clusters.keyOf(name);
  }

  #response(type: ResourceType): DiscoveryResponse | undefined {
    const known = this.#types[type];
    if (!known.subscribed || known.pending !== undefined) return undefined;
    if (type === 'listeners') this.#completeWhenIdle();
    for (;;) {
      const group = known.suspects.shift();
      const keys = group
        ? [...new Set(group.map(({ key }) => key))]
        : known.takeDirty(SERVICES_PER_RESPONSE);
      const changes = this.#changes(type, keys);
      const apart = group && new Set(group.map(({ name }) => name));
      const sent = apart ? changes.filter(({ name }) => apart.has(name)) : changes;
      if (sent.length > 0) return this.#send(type, sent);
      if (group !== undefined || known.dirty.size > 0) continue;
      // A router that starts waits for clusters, be there none.
      return type === 'clusters' && !known.isAnswered ? this.#send(type, []) : undefined;
    }
  }

  /** The health listener makes the router ready: it goes when there was nothing else to send, once. */
  #completeWhenIdle(): void {
    const { clusters, endpoints, virtualHosts, listeners } = this.#types;
    if (this.#complete || !virtualHosts.subscribed) return;
    if (![clusters, endpoints, virtualHosts].every(({ idle }) => idle)) return;
    this.#complete = true;
    listeners.dirty.add(SHARED);
  }

  #send(type: ResourceType, changes: readonly Change[]): DiscoveryResponse {
    const known = this.#types[type];
    const nonce = String(++this.#nonce);
    known.isAnswered = true;
    known.pending = {
      nonce,
      changes: new Map(changes.map((change) => [change.name, change])),
      isSingle: changes.length === 1,
    };
    const resources = new Map<string, Resource>();
    const removed: string[] = [];
    for (const { key, name, resource, entry } of changes) {
      const noted = known.note(name, key);
      noted.removing = resource === undefined;
      if (resource === undefined) removed.push(name);
      else resources.set(name, resource);
      if (type === 'virtualHosts' && entry !== undefined && key !== SHARED) {
        this.#routes.set(key, { ...this.#routes.get(key), pending: entry });
        this.#touch(key);
      }
      if (type === 'clusters' && resource !== undefined) {
        // The router holds a cluster back until its endpoints come, be they the ones that it had.
        this.#resend(name);
        this.#types.endpoints.dirty.add(key);
      }
    }
    return { type, nonce, resources, removed };
  }

  /** What the router lacks of these services, as far as it may have it now. */
  #changes(type: ResourceType, keys: readonly string[]): Change[] {
    if (type === 'endpoints') return keys.flatMap((key) => this.#lackingEndpoints(key));
    if (type !== 'virtualHosts') return keys.flatMap((key) => this.#lacking(type, key));
    const changes = new Map<string, Change>();
    for (const key of keys) this.#addVirtualHost(key, changes, new Set());
    return [...changes.values()];
  }

  #lacking(type: ResourceType, key: string): Change[] {
    const known = this.#types[type];
    const entry = this.#configuration.entry(key);
    const wanted = entry?.resources[type];
    const changes: Change[] = [];
    for (const [name, resource] of wanted ?? []) {
      if (name === HEALTH_LISTENER && !this.#complete) continue;
      if (known.keyOf(name) === ORPHANS) this.#adopt(type, name, key);
      if (lacks(known.get(name), resource)) changes.push({ key, name, resource, entry });
    }
    for (const name of known.names(key)) {
      // An orphan that a service wants again is about to be adopted.
      const isWanted = this.#configuration.owner(type, name) !== undefined;
      const stays = isWanted || isRefused(known.get(name), undefined);
      if (stays || (type === 'clusters' && this.#mayBeRouted(key, name))) continue;
      changes.push({ key, name });
    }
    return changes;
  }

  /** A service has come back for a resource of an earlier connection. */
  #adopt(type: ResourceType, name: string, key: string): void {
    this.#types[type].note(name, key);
    if (type !== 'virtualHosts') return;
    this.#resumeRoutes(key);
    this.#resolveUnknown(ORPHANS);
  }

  /** True when a virtual host that the router may have sends to the cluster `name` of the service `key`. */
  #mayBeRouted(key: string, name: string): boolean {
    // Nobody remembers which clusters the virtual hosts of an earlier connection name.
    if (key === ORPHANS) return this.#unknown.size > 0;
    if (this.#unknown.has(key)) return true;
    const { applied, pending } = this.#routes.get(key) ?? {};
    return [applied, pending].some((entry) => entry?.routedClusters.includes(name));
  }

  #lackingEndpoints(key: string): Change[] {
    const { clusters, endpoints } = this.#types;
    const entry = this.#configuration.entry(key);
    return clusters.names(key).flatMap((name): Change[] => {
      if (!this.#wantedEndpoints.has(name)) return [];
      const current = entry?.resources.endpoints.get(name);
      // Nothing is known any more, but a router that has nothing would wait, and with it all clusters.
      if (current === undefined && endpoints.get(name)?.acked !== undefined) return [];
      const resource = current ?? this.#configuration.noEndpoints(name);
      return lacks(endpoints.get(name), resource) ? [{ key, name, resource, entry }] : [];
    });
  }

  /**
   * Adds a service's virtual host, when the router has what it names. A host that another service gives up
   * has to be free first: that service goes into the same response, or this one waits for it.
   * @returns false when the service's hosts stay as they are in the router
   */
  #addVirtualHost(key: string, changes: Map<string, Change>, path: Set<string>): boolean {
    if (path.has(key)) return true;
    path.add(key);
    const own = this.#lacking('virtualHosts', key);
    if (own.some(({ name }) => changes.has(name))) return true;
    const entry = this.#configuration.entry(key);
    if (own.length === 0 || !this.#hasEndpoints(entry?.routedClusters ?? [])) return false;
    for (const holder of this.#hosts.holders(key, entry?.hosts ?? [])) {
      const keeps = this.#configuration.entry(holder.key)?.hosts.includes(holder.host);
      // Two services claim one host: Envoy says so better.
      if (keeps || this.#addVirtualHost(holder.key, changes, path)) continue;
      this.#hosts.noteAwaiting(key);
      return false;
    }
    for (const change of own) changes.set(change.name, change);
    return true;
  }

  #hasEndpoints(names: readonly string[]): boolean {
    const { clusters, endpoints } = this.#types;
    return names.every((name) => {
      const cluster = clusters.get(name);
      const isHeld = cluster?.acked !== undefined && cluster.removing !== true;
      return isHeld && endpoints.get(name)?.acked !== undefined;
    });
  }

  #acknowledged(type: ResourceType, changes: readonly Change[]): void {
    const known = this.#types[type];
    for (const { name, resource, entry, ...change } of changes) {
      const key = known.keyOf(name) ?? change.key;
      if (resource === undefined) {
        known.forget(name);
        known.dirty.add(this.#configuration.owner(type, name) ?? key);
      } else {
        const noted = known.note(name, key);
        noted.acked = resource.version;
        noted.refused = undefined;
      }
      this.#review(key);
      if (type === 'clusters') this.#types.endpoints.dirty.add(key);
      if (type === 'clusters' || type === 'endpoints') this.#types.virtualHosts.dirty.add(key);
      if (type === 'virtualHosts' && key !== SHARED) this.#routed(key, entry);
    }
    if (type === 'virtualHosts') this.#types.listeners.dirty.add(SHARED);
  }

  /** The router has confirmed a service's virtual host, or that it has none any more. */
  #routed(key: string, entry: Entry | undefined): void {
    if (entry === undefined) this.#routes.delete(key);
    else this.#routes.set(key, { applied: entry });
    this.#touch(key);
    this.#types.clusters.dirty.add(key);
    const wasUnknown = this.#unknown.has(key);
    this.#resolveUnknown(key);
    const released = this.#hosts.replace(key, entry?.hosts ?? []);
    if (released.length > 0 || wasUnknown) this.#retryVirtualHosts(released, wasUnknown);
  }

  /** Once nothing is unknown, nothing names the clusters of an earlier connection. */
  #resolveUnknown(key: string): void {
    const { clusters, virtualHosts } = this.#types;
    if (key === ORPHANS && virtualHosts.names(ORPHANS).length > 0) return;
    this.#unknown.delete(key);
    if (this.#unknown.size === 0) clusters.dirty.add(ORPHANS);
  }

  /** Hosts are free: who waits for one, or was refused because of one, may have it now. */
  #retryVirtualHosts(released: readonly string[], any: boolean): void {
    const { virtualHosts } = this.#types;
    for (const key of this.#hosts.takeAwaiting()) virtualHosts.dirty.add(key);
    for (const key of this.#held) {
      const entry = this.#configuration.entry(key);
      if (!any && !entry?.hosts.some((host) => released.includes(host))) continue;
      for (const name of entry?.resources.virtualHosts.keys() ?? []) {
        const known = virtualHosts.get(name);
        if (known !== undefined) known.refused = undefined;
      }
      virtualHosts.dirty.add(key);
    }
  }

  /** Halves what was refused until one is alone: that one is to blame. */
  #refused(type: ResourceType, pending: Pending, reason: string): void {
    const known = this.#types[type];
    const changes = [...pending.changes.values()];
    for (const { key, name } of changes) {
      const noted = known.note(name, known.keyOf(name) ?? key);
      noted.removing = false;
      // Envoy may have taken a part, except of virtual hosts, which it takes together or not at all.
      if (type !== 'virtualHosts' && !pending.isSingle) noted.acked = undefined;
      if (type !== 'virtualHosts' || key === SHARED) continue;
      this.#routes.set(key, { ...this.#routes.get(key), pending: undefined });
      this.#touch(key);
    }
    if (pending.isSingle) {
      for (const change of changes) this.#blame(type, change, reason);
      return;
    }
    const middle = Math.ceil(changes.length / 2);
    const halves = [changes.slice(0, middle), changes.slice(middle)];
    known.suspects.unshift(...halves.filter((half) => half.length > 0));
  }

  #blame(type: ResourceType, { key, name, resource }: Change, reason: string): void {
    this.#types[type].note(name, key).refused = { version: resource?.version, reason };
    const isService = key !== SHARED && key !== ORPHANS;
    this.#refusals.push({ type, name, reason, ...(isService && { key }) });
    if (!isService) return;
    this.#held.add(key);
    this.#touch(key);
  }

  /** Why the router does not take what a service's entry has now. */
  #refusedReason(key: string): string | undefined {
    if (!this.#held.has(key)) return undefined;
    const entry = this.#configuration.entry(key);
    for (const type of ORDER) {
      for (const [name, { version }] of entry?.resources[type] ?? []) {
        const refused = this.#types[type].get(name)?.refused;
        if (refused?.version === version) return `${type} ${name}: ${refused.reason}`;
      }
    }
    return undefined;
  }

  /** A service that was held back may have been mended. */
  #review(key: string): void {
    if (!this.#held.has(key)) return;
    this.#touch(key);
    // What was refused once stays noted: the service may come back to it.
    const isHeld = ORDER.some((type) => {
      const known = this.#types[type];
      return known.names(key).some((name) => known.get(name)?.refused !== undefined);
    });
    if (!isHeld) this.#held.delete(key);
  }
}

/** True when the router neither has this version nor has refused it. */
function lacks(known: Known | undefined, { version }: Resource): boolean {
  return known?.acked !== version && !isRefused(known, version);
}

function isRefused(known: Known | undefined, version: string | undefined): boolean {
  return known?.refused !== undefined && known.refused.version === version;
}
