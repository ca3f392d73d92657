/** Knows all about one router, and decides from it which resources the router lacks and may have now. */
import {
  byType,
  type Configuration,
  type Entry,
  type Resource,
  type ResourceType,
} from './configuration.ts';
import { type Change, type Known, KnownResources, ORPHANS } from './known-resources.ts';
import { RoutesInRouter } from './routes-in-router.ts';
import { HEALTH_LISTENER } from './shared-resources.ts';

/** One router's resources of all kinds and its routes, compared with what the configuration holds. */
export class RouterState {
  readonly configuration: Configuration;
  readonly types = byType(() => new KnownResources());
  readonly routes = new RoutesInRouter();
  /** Names of the endpoints that the router asks for: those of its clusters. */
  readonly wantedEndpoints = new Set<string>();
  /** True once there was nothing left to send, so that the router may become ready. */
  isComplete = false;

  /** Makes the state of a router that has told nothing yet. */
  constructor(configuration: Configuration) {
    this.configuration = configuration;
  }

  /** Returns the changes of one kind that the router lacks of these services and may have now. */
  lacking(type: ResourceType, keys: readonly string[]): Change[] {
    if (type === 'endpoints') return keys.flatMap((key) => this.#endpoints(key));
    if (type !== 'virtualHosts') return keys.flatMap((key) => this.#resources(type, key));
    const changes = new Map<string, Change>();
    for (const key of keys) this.#addVirtualHost(key, changes, new Set());
    return [...changes.values()];
  }

  /** True when the router has confirmed the virtual host that `entry` has. */
  hasVirtualHost({ resources }: Entry): boolean {
    const { virtualHosts } = this.types;
    const names = [...resources.virtualHosts];
    const isAcked = ([name, { version }]: (typeof names)[number]) =>
      virtualHosts.get(name)?.acked === version;
    return names.length > 0 && names.every(isAcked);
  }

  /** Notes that the router still has a virtual host of the service from an earlier connection. */
  resumeRoutes(key: string): void {
    const entry = this.configuration.entry(key);
    this.routes.resume(key, entry && this.hasVirtualHost(entry) ? entry : undefined);
  }

  /** Forgets that the router has the endpoints of a cluster, also those that are on their way. */
  resendEndpoints(name: string): void {
    const { endpoints } = this.types;
    endpoints.forget(name);
    endpoints.pending?.changes.delete(name);
  }

  /** Notes when nothing is left of an earlier connection: then nothing names its clusters any more. */
  reviewOrphans(): void {
    const { clusters, virtualHosts } = this.types;
    if (virtualHosts.names(ORPHANS).length === 0) this.routes.orphansGone();
    if (!this.routes.hasUnknown) clusters.dirty.add(ORPHANS);
  }

  #resources(type: ResourceType, key: string): Change[] {
    const known = this.types[type];
    const entry = this.configuration.entry(key);
    const wanted = entry?.resources[type];
    const changes: Change[] = [];
    for (const [name, resource] of wanted ?? []) {
      if (name === HEALTH_LISTENER && !this.isComplete) continue;
      if (known.keyOf(name) === ORPHANS) this.#adopt(type, name, key);
      if (lacks(known.get(name), resource)) changes.push({ key, name, resource, entry });
    }
    for (const name of known.names(key)) {
      // An orphan that a service wants again is about to be adopted.
      const isWanted = this.configuration.owner(type, name) !== undefined;
      const stays = isWanted || isRefused(known.get(name), undefined);
      if (stays || (type === 'clusters' && this.routes.mayName(key, name))) continue;
      changes.push({ key, name });
    }
    return changes;
  }

  /** Gives a resource of an earlier connection to the service that has come back for it. */
  #adopt(type: ResourceType, name: string, key: string): void {
    this.types[type].note(name, key);
    if (type !== 'virtualHosts') return;
    this.resumeRoutes(key);
    this.reviewOrphans();
  }

  #endpoints(key: string): Change[] {
    const { clusters, endpoints } = this.types;
    const entry = this.configuration.entry(key);
    return clusters.names(key).flatMap((name): Change[] => {
      if (!this.wantedEndpoints.has(name)) return [];
      const current = entry?.resources.endpoints.get(name);
      // Nothing is known any more, but a router that has nothing would wait, and with it all clusters.
      if (current === undefined && endpoints.get(name)?.acked !== undefined) return [];
      const resource = current ?? this.configuration.noEndpoints(name);
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
    const own = this.#resources('virtualHosts', key);
    if (own.some(({ name }) => changes.has(name))) return true;
    const entry = this.configuration.entry(key);
    if (own.length === 0 || !this.#hasEndpoints(entry?.routedClusters ?? [])) return false;
    for (const holder of this.routes.holders(key, entry?.hosts ?? [])) {
      const keeps = this.configuration.entry(holder.key)?.hosts.includes(holder.host);
      // Two services claim one host: Envoy says so better.
      if (keeps || this.#addVirtualHost(holder.key, changes, path)) continue;
      this.routes.noteAwaiting(key);
      return false;
    }
    for (const change of own) changes.set(change.name, change);
    return true;
  }

  /** Says whether the router has confirmed the endpoints that a service's entry has now for these clusters. */
  hasLatestEndpoints(key: string, names: readonly string[]): boolean {
    const resources = this.configuration.entry(key)?.resources.endpoints;
    const { endpoints } = this.types;
    return (
      this.#hasEndpoints(names) &&
      names.every((name) => endpoints.get(name)?.acked === resources?.get(name)?.version)
    );
  }

  #hasEndpoints(names: readonly string[]): boolean {
    const { clusters, endpoints } = this.types;
    return names.every((name) => {
      const cluster = clusters.get(name);
      const isThere = cluster?.acked !== undefined && cluster.removing !== true;
      return isThere && endpoints.get(name)?.acked !== undefined;
    });
  }
}

/** True when the router neither has this version nor has refused it. */
function lacks(known: Known | undefined, { version }: Resource): boolean {
  return known?.acked !== version && !isRefused(known, version);
}

function isRefused(known: Known | undefined, version: string | undefined): boolean {
  return known?.refused !== undefined && known.refused.version === version;
}
