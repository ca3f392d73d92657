/** A router without a network: does with discovery responses what Envoy 1.40 was seen to do. */

import { RESOURCE_TYPES, type ResourceType } from '../src/router/configuration.ts';
import type { DiscoveryRequest, DiscoveryResponse } from '../src/router/discovery-messages.ts';
import type { EnvoyProtos } from '../src/router/protos.ts';

interface VirtualHost {
  readonly version: string;
  readonly domains: readonly string[];
  readonly clusters: readonly string[];
  readonly timeoutSeconds: number;
}

/** Virtual hosts with this timeout, clusters of this revision and endpoints at this port are refused. */
export const BAD = 13;

export class SimulatedRouter {
  readonly #protos: EnvoyProtos;
  /** Version by name of what the router uses. */
  readonly clusters = new Map<string, string>();
  readonly endpoints = new Map<string, string>();
  readonly listeners = new Map<string, string>();
  readonly routes = new Map<string, string>();
  virtualHosts = new Map<string, VirtualHost>();
  /** Responses that have arrived and requests that are on their way. */
  inbox: DiscoveryResponse[] = [];
  outbox: DiscoveryRequest[] = [];
  /** What was done, as `clusters +2 -1`. */
  readonly log: string[] = [];
  /** What must never happen and did. */
  readonly faults: string[] = [];
  #hasStarted = false;
  #warming = new Set<string>();
  #heldAcks: DiscoveryRequest[] = [];

  constructor(protos: EnvoyProtos) {
    this.#protos = protos;
  }

  /** Opens a stream: asks for everything that does not follow from something else. */
  connect(): void {
    this.inbox = [];
    this.outbox = [];
    this.#heldAcks = [];
    const versions = (map: ReadonlyMap<string, string>) => Object.fromEntries(map);
    const ask = (type: ResourceType, initialVersions: Record<string, string>, names?: string[]) =>
      this.outbox.push({ type, nonce: '', initialVersions, subscribe: names });
    ask('clusters', versions(this.clusters));
    if (this.clusters.size > 0) {
      ask('endpoints', versions(this.endpoints), [...this.clusters.keys()]);
    }
    // A router that starts asks for listeners when its clusters are there.
    if (this.#hasStarted) ask('listeners', versions(this.listeners));
    if (this.listeners.size > 0) ask('routes', versions(this.routes), ['wherry']);
    if (this.routes.size > 0) {
      const hosts = [...this.virtualHosts].map(([name, { version }]) => [name, version]);
      ask('virtualHosts', Object.fromEntries(hosts));
    }
  }

  /** Works on the next response; false when there is none. */
  step(): boolean {
    const response = this.inbox.shift();
    if (response === undefined) return false;
    const { type, nonce, resources, removed } = response;
    const before = { routes: this.routes.size, listeners: this.listeners.size };
    const error = this.#apply(response);
    const counts = `+${resources.size}${removed.length > 0 ? ` -${removed.length}` : ''}`;
    this.log.push(`${type} ${counts}${error === undefined ? '' : ' refused'}`);
    const answer = { type, nonce, error };
    if (type === 'clusters' && error === undefined) this.#heldAcks.push(answer);
    else this.outbox.push(answer);
    if (this.#warming.size === 0) {
      this.outbox.push(...this.#heldAcks.splice(0));
      if (type === 'clusters' || type === 'endpoints') this.#startListeners();
    }
    if (type === 'listeners' && before.listeners === 0 && this.listeners.size > 0) {
      this.outbox.push({ type: 'routes', nonce: '', subscribe: ['wherry'] });
    }
    if (type === 'routes' && before.routes === 0) {
      this.outbox.push({ type: 'virtualHosts', nonce: '' });
    }
    return true;
  }

  #startListeners(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.outbox.push({ type: 'listeners', nonce: '' });
  }

  #apply(response: DiscoveryResponse): string | undefined {
    const { type, resources } = response;
    if (type === 'clusters') return this.#applyClusters(response);
    if (type === 'endpoints') return this.#applyEndpoints(response);
    if (type === 'virtualHosts') return this.#applyVirtualHosts(response);
    for (const [name, { version }] of resources) this[type].set(name, version);
    return undefined;
  }

  /** Envoy takes the good clusters of a response that it refuses. */
  #applyClusters({ resources, removed }: DiscoveryResponse): string | undefined {
    const bad = [...resources.keys()].filter((name) => name.includes(`-000${BAD}`));
    const added: string[] = [];
    for (const [name, { version }] of resources) {
      if (bad.includes(name)) continue;
      if (!this.clusters.has(name)) added.push(name);
      this.clusters.set(name, version);
      this.#warming.add(name);
    }
    for (const name of removed) {
      const users = [...this.virtualHosts].filter(([, host]) => host.clusters.includes(name));
      if (users.length > 0) this.faults.push(`${name} goes while ${users[0]?.[0]} names it`);
      this.clusters.delete(name);
      this.endpoints.delete(name);
      this.#warming.delete(name);
    }
    const subscribe = added.filter((name) => this.clusters.has(name));
    if (added.length + removed.length > 0) {
      this.outbox.push({ type: 'endpoints', nonce: '', subscribe, unsubscribe: removed });
    }
    return bad.length > 0 ? `bad cluster ${bad[0]}` : undefined;
  }

  /** Envoy takes the endpoints in front of the first bad ones. */
  #applyEndpoints({ resources }: DiscoveryResponse): string | undefined {
    for (const [name, { version, bytes }] of resources) {
      this.#warming.delete(name);
      const message = this.#protos.decode(RESOURCE_TYPES.endpoints, bytes);
      if (JSON.stringify(message).includes(`"port_value":${BAD}`)) return `bad endpoints ${name}`;
      if (this.clusters.has(name)) this.endpoints.set(name, version);
    }
    return undefined;
  }

  /** Envoy takes all of a response or nothing. */
  #applyVirtualHosts({ resources, removed }: DiscoveryResponse): string | undefined {
    const next = new Map(this.virtualHosts);
    for (const name of removed) next.delete(name);
    for (const [name, { version, bytes }] of resources) {
      next.set(name, { version, ...virtualHost(this.#protos, bytes) });
    }
    const domains = [...next.values()].flatMap((host) => host.domains);
    if (new Set(domains).size < domains.length) return 'two virtual hosts have one domain';
    const bad = [...next].find(([, { timeoutSeconds }]) => timeoutSeconds === BAD);
    if (bad !== undefined) return `bad virtual host ${bad[0]}`;
    this.virtualHosts = next;
    for (const name of resources.keys()) {
      const missing = next.get(name)?.clusters.find((cluster) => !this.#isWarm(cluster));
      if (missing !== undefined) this.faults.push(`${name} names ${missing}, which is not warm`);
    }
    return undefined;
  }

  #isWarm(cluster: string): boolean {
    return this.clusters.has(cluster) && this.endpoints.has(cluster) && !this.#warming.has(cluster);
  }
}

function virtualHost(protos: EnvoyProtos, bytes: Buffer): Omit<VirtualHost, 'version'> {
  const { domains, routes } = protos.decode(RESOURCE_TYPES.virtualHosts, bytes) as {
    domains: string[];
    routes: {
      route?: {
        weighted_clusters: { clusters: { name: string }[] };
        timeout: { seconds: number };
      };
    }[];
  };
  return {
    domains,
    clusters: routes.flatMap(
      ({ route }) => route?.weighted_clusters.clusters.map(({ name }) => name) ?? [],
    ),
    timeoutSeconds: routes[0]?.route?.timeout.seconds ?? 0,
  };
}
