/**
 * Tracks what one router has been told and has confirmed: the state machine of an incremental discovery
 * stream, without the stream. It makes before it breaks, for each service by itself: clusters, then their
 * endpoints, and a virtual host only when the router has confirmed the endpoints of every cluster that it
 * names; a cluster goes only when no virtual host that the router may still have names it. A refused resource
 * is found by halving the response that held it, and stays out, alone, until its service changes.
 */
import type { Refusal, RouterRoutes } from '../api/router-fact.ts';
import { type Configuration, type Resource, type ResourceType, SHARED } from './configuration.ts';
import type { DiscoveryRequest, DiscoveryResponse } from './discovery-messages.ts';
import { type Change, ORPHANS, type Pending } from './known-resources.ts';
import { RouterState } from './router-state.ts';
import type { Released } from './routes-in-router.ts';

/** The facts about one router that became known since they were asked for last. */
export interface SubscriptionNews {
  /** Keys of the services about whose routes there may be something new; `Subscription.routes` tells it. */
  readonly routes: ReadonlySet<string>;
  readonly refusals: readonly Refusal[];
}

/** The order in which a service's resources become useful to a router. */
const ORDER: readonly ResourceType[] = [
  'clusters',
  'endpoints',
  'routes',
  'virtualHosts',
  'listeners',
];
/** The most services in one response: encoding that many takes some 5 ms. */
const SERVICES_PER_RESPONSE = 500;

/** One router's subscription: it takes in the router's messages and changed entries, and gives responses. */
export class Subscription {
  readonly #state: RouterState;
  /** Services of which the router has refused something. */
  readonly #held = new Set<string>();
  #nonce = 0;
  #touched = new Set<string>();
  #refusals: Refusal[] = [];

  /**
   * Starts with a router that has told nothing.
   * @param configuration what it is to have; `changed` tells its changes
   */
  constructor(configuration: Configuration) {
    this.#state = new RouterState(configuration);
  }

  /** True once the router has said which virtual hosts it has. */
  get told(): boolean {
    return this.#state.types.virtualHosts.subscribed;
  }

  /** Returns the keys of the services of which the router has, may have, or has refused routes. */
  services(): string[] {
    const keys = new Set([...this.#state.routes.keys(), ...this.#held]);
    return [...keys].filter(isService);
  }

  /**
   * Returns what the router does with the routes of one service; undefined when it has none and refused none.
   */
  routes(key: string): RouterRoutes | undefined {
    const { applied, pending, isUnknown } = this.#state.routes.get(key);
    const refused = this.#refusedReason(key);
    const routes: RouterRoutes = {
      ...(applied && { applied: applied.shares }),
      ...(pending && { pending: pending.shares }),
      ...(isUnknown && { unknown: true }),
      ...(refused !== undefined && { refused }),
    };
    return Object.keys(routes).length === 0 ? undefined : routes;
  }

  /** Says whether the router has confirmed the endpoints that a service has now for these clusters. */
  hasLatestEndpoints(key: string, clusters: readonly string[]): boolean {
    return this.#state.hasLatestEndpoints(key, clusters);
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
    const { types, routes, configuration } = this.#state;
    for (const key of keys) {
      for (const type of ORDER) types[type].dirty.add(key);
      this.#review(key);
      const entry = configuration.entry(key);
      const isApplied = entry !== undefined && routes.get(key).applied !== undefined;
      // Other percents with the same weights: what the router has is what the entry says.
      if (isApplied && this.#state.hasVirtualHost(entry)) {
        routes.replaceApplied(key, entry);
        this.#touch(key);
      }
    }
  }

  /** Takes a message of the router in; `next` then has the responses to it. */
  receive(request: DiscoveryRequest): void {
    const { type, initialVersions = {}, nonce, error } = request;
    const known = this.#state.types[type];
    const isFirst = !known.subscribed;
    if (isFirst) this.#resume(type, initialVersions);
    this.#subscribe(request, isFirst);
    const { pending } = known;
    if (pending === undefined || pending.nonce !== nonce) return;
    known.pending = undefined;
    if (error === undefined) this.#acknowledged(type, [...pending.changes.values()]);
    else this.#refused(type, pending, error);
  }

  /** Returns the responses to send now, at most one of each kind; they count as sent. */
  next(): DiscoveryResponse[] {
    return ORDER.flatMap((type) => this.#response(type) ?? []);
  }

  /** Takes in a kind's first message, which says what the router still has from an earlier connection. */
  #resume(type: ResourceType, versions: Readonly<Record<string, string>>): void {
    const { types, configuration } = this.#state;
    const known = types[type];
    known.subscribed = true;
    known.isAnswered = Object.keys(versions).length > 0;
    for (const [name, version] of Object.entries(versions)) {
      const key = configuration.owner(type, name) ?? ORPHANS;
      known.note(name, key).acked = version;
      // Orphans stand first: what they claim has to go before others can have it.
      if (key === ORPHANS) known.dirty.add(key);
      if (type !== 'virtualHosts' || key === SHARED) continue;
      this.#state.resumeRoutes(key);
      this.#touch(key);
    }
    for (const key of configuration.keys()) known.dirty.add(key);
  }

  /**
   * Notes what the router asks for. What it asks for again it has lost, unless it has just said that it has
   * it.
   */
  #subscribe({ type, subscribe = [], unsubscribe = [] }: DiscoveryRequest, isFirst: boolean): void {
    const { types, configuration, wantedEndpoints } = this.#state;
    if (type === 'endpoints') {
      for (const name of unsubscribe) {
        wantedEndpoints.delete(name);
        this.#state.resendEndpoints(name);
      }
      for (const name of subscribe) {
        wantedEndpoints.add(name);
        if (!isFirst) this.#state.resendEndpoints(name);
        const key = configuration.owner('clusters', name) ?? types.clusters.keyOf(name);
        if (key !== undefined) types.endpoints.dirty.add(key);
      }
    } else if (type === 'routes' && !isFirst && subscribe.length > 0) {
      for (const name of subscribe) types.routes.forget(name);
      types.routes.dirty.add(SHARED);
    }
  }

  #response(type: ResourceType): DiscoveryResponse | undefined {
    const known = this.#state.types[type];
    if (!known.subscribed || known.pending !== undefined) return undefined;
    if (type === 'listeners') this.#completeWhenIdle();
    for (;;) {
      const group = known.suspects.shift();
      const keys = group
        ? [...new Set(group.map(({ key }) => key))]
        : known.takeDirty(SERVICES_PER_RESPONSE);
      const lacking = this.#state.lacking(type, keys);
      const apart = group && new Set(group.map(({ name }) => name));
      const changes = apart ? lacking.filter(({ name }) => apart.has(name)) : lacking;
      if (changes.length > 0) return this.#send(type, changes);
      if (group !== undefined || known.dirty.size > 0) continue;
      // A router that starts waits for clusters, be there none.
      return type === 'clusters' && !known.isAnswered ? this.#send(type, []) : undefined;
    }
  }

  /**
   * Lets the health listener go, which makes the router ready, when for once there is nothing else to send.
   */
  #completeWhenIdle(): void {
    const { clusters, endpoints, virtualHosts, listeners } = this.#state.types;
    if (this.#state.isComplete || !virtualHosts.subscribed) return;
    if (![clusters, endpoints, virtualHosts].every(({ idle }) => idle)) return;
    this.#state.isComplete = true;
    listeners.dirty.add(SHARED);
  }

  #send(type: ResourceType, changes: readonly Change[]): DiscoveryResponse {
    const { types, routes } = this.#state;
    const known = types[type];
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
      known.note(name, key).removing = resource === undefined;
      if (resource === undefined) removed.push(name);
      else resources.set(name, resource);
      if (type === 'virtualHosts' && entry !== undefined && key !== SHARED) {
        routes.sent(key, entry);
        this.#touch(key);
      }
      if (type === 'clusters' && resource !== undefined) {
        // The router holds a cluster back until its endpoints come, be they the ones that it had.
        this.#state.resendEndpoints(name);
        types.endpoints.dirty.add(key);
      }
    }
    return { type, nonce, resources, removed };
  }

  #acknowledged(type: ResourceType, changes: readonly Change[]): void {
    const { types, configuration, routes } = this.#state;
    const known = types[type];
    for (const { name, resource, entry, ...change } of changes) {
      const key = known.keyOf(name) ?? change.key;
      if (resource === undefined) {
        known.forget(name);
        known.dirty.add(configuration.owner(type, name) ?? key);
      } else {
        const noted = known.note(name, key);
        noted.acked = resource.version;
        noted.refused = undefined;
      }
      this.#review(key);
      if (type === 'clusters') types.endpoints.dirty.add(key);
      if (type === 'clusters' || type === 'endpoints') types.virtualHosts.dirty.add(key);
      if (type !== 'virtualHosts' || key === SHARED) continue;
      types.clusters.dirty.add(key);
      this.#retryVirtualHosts(routes.confirmed(key, entry));
      this.#touch(key);
    }
    if (type !== 'virtualHosts') return;
    this.#state.reviewOrphans();
    types.listeners.dirty.add(SHARED);
  }

  /** Tries again for the services that wait for a host that is free now, or were refused because of it. */
  #retryVirtualHosts({ hosts, isUnknown }: Released): void {
    if (hosts.length === 0 && !isUnknown) return;
    const { types, routes, configuration } = this.#state;
    for (const key of routes.takeAwaiting()) types.virtualHosts.dirty.add(key);
    for (const key of this.#held) {
      const entry = configuration.entry(key);
      if (!isUnknown && !entry?.hosts.some((host) => hosts.includes(host))) continue;
      for (const name of entry?.resources.virtualHosts.keys() ?? []) {
        const known = types.virtualHosts.get(name);
        if (known !== undefined) known.refused = undefined;
      }
      types.virtualHosts.dirty.add(key);
    }
  }

  /** Halves what was refused until one is alone: that one is to blame. */
  #refused(type: ResourceType, pending: Pending, reason: string): void {
    const known = this.#state.types[type];
    const changes = [...pending.changes.values()];
    for (const { key, name } of changes) {
      const noted = known.note(name, known.keyOf(name) ?? key);
      noted.removing = false;
      // Envoy may have taken a part, except of virtual hosts, which it takes together or not at all.
      if (type !== 'virtualHosts' && !pending.isSingle) noted.acked = undefined;
      if (type !== 'virtualHosts' || key === SHARED) continue;
      this.#state.routes.refused(key);
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
    this.#state.types[type].note(name, key).refused = { version: resource?.version, reason };
    this.#refusals.push({ type, name, reason, ...(isService(key) && { key }) });
    if (!isService(key)) return;
    this.#held.add(key);
    this.#touch(key);
  }

  /**
   * Returns why the router does not take what a service's entry has now; undefined when it has not refused
   * it.
   */
  #refusedReason(key: string): string | undefined {
    if (!this.#held.has(key)) return undefined;
    const { types, configuration } = this.#state;
    const entry = configuration.entry(key);
    for (const type of ORDER) {
      for (const [name, { version }] of entry?.resources[type] ?? []) {
        const refused = types[type].get(name)?.refused;
        if (refused?.version === version) return `${type} ${name}: ${refused.reason}`;
      }
    }
    return undefined;
  }

  /** Checks whether a service of which something was refused has been mended since. */
  #review(key: string): void {
    if (!this.#held.has(key)) return;
    this.#touch(key);
    // What was refused once stays noted: the service may come back to it.
    const isHeld = Object.values(this.#state.types).some((known) =>
      known.names(key).some((name) => known.get(name)?.refused !== undefined),
    );
    if (!isHeld) this.#held.delete(key);
  }

  /** Notes that there is something new to say about a service's routes. */
  #touch(key: string): void {
    if (isService(key)) this.#touched.add(key);
  }
}

function isService(key: string): boolean {
  return key !== SHARED && key !== ORPHANS;
}
