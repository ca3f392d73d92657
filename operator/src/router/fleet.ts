/**
 * Sees all routers as one, from the facts that their control planes tell: a service's routes are certain only
 * when every router agrees. The answers follow from the facts alone, and each costs as much as there are
 * routers, however many services.
 */
import { formatRevision, type RevisionRef, serviceKey } from '../api/revision.ts';
import { type LoadReport, type Share, sameShares } from '../api/route-table.ts';
import type { RouterFact, RouterRoutes } from '../api/router-fact.ts';

/** One connected router, by its name, and what it has told. */
interface RouterState {
  readonly router: string;
  readonly routes: Map<string, RouterRoutes>;
  told: boolean;
}

/** The revisions with requests in flight, by service and then by the revision's name. */
type InFlight = ReadonlyMap<string, ReadonlyMap<string, RevisionRef>>;

/**
 * The routers of all control planes as one. A service's key is `namespace/name`. An answer is undefined
 * rather than wrong while a router may do something else than it says.
 */
export class RouterFleet {
  readonly #routers = new Map<string, RouterState>();
  readonly #inFlight = new Map<string, InFlight>();
  readonly #unusable = new Map<string, string>();
  #expected: readonly string[] = [];

  /** The number of connections of routers, to all control planes. */
  get connected(): number {
    return this.#routers.size;
  }

  /** Takes the names of the routers that take traffic: without word from each of them nothing is certain. */
  expect(routers: readonly string[]): void {
    this.#expected = routers;
  }

  /** Takes facts in. Returns the keys of the services about which the answers may be others now. */
  apply(facts: readonly RouterFact[]): Set<string> {
    return new Set(facts.flatMap((fact) => this.#apply(fact)));
  }

  /**
   * Returns the shares of a service's revisions that every router applies; undefined while they differ, an
   * expected router has not told what it has, or none is connected.
   */
  acknowledged(key: string): readonly Share[] | undefined {
    if (!this.#isComplete()) return undefined;
    const [first, ...rest] = [...this.#routers.values()].map(
      ({ routes }) => routes.get(key)?.applied,
    );
    if (first === undefined) return undefined;
    return rest.every((other) => other !== undefined && sameShares(first, other))
      ? first
      : undefined;
  }

  /**
   * Returns the revisions of a service that a router may still send to, or has requests on; undefined while a
   * router has not told its routes or its load, or none is connected.
   */
  inUse(key: string): RevisionRef[] | undefined {
    if (!this.#isComplete()) return undefined;
    const revisions = new Map<string, RevisionRef>();
    for (const { router, routes } of this.#routers.values()) {
      const inFlight = this.#inFlight.get(router);
      const { applied = [], pending = [], unknown } = routes.get(key) ?? {};
      if (inFlight === undefined || unknown) return undefined;
      for (const { ref } of [...applied, ...pending]) revisions.set(formatRevision(ref), ref);
      for (const [name, ref] of inFlight.get(key) ?? []) revisions.set(name, ref);
    }
    return [...revisions.values()];
  }

  /**
   * Returns why no router can have the routes of a service, or else why one refused them, in Envoy's words;
   * undefined when all take them.
   */
  refused(key: string): string | undefined {
    const reasons = [...this.#routers.values()].flatMap(({ routes }) => {
      return routes.get(key)?.refused ?? [];
    });
    return this.#unusable.get(key) ?? reasons[0];
  }

  /** True when at least one router and all expected ones are connected, and each has told what it has. */
  #isComplete(): boolean {
    const routers = [...this.#routers.values()];
    if (routers.length === 0 || !routers.every(({ told }) => told)) return false;
    return this.#expected.every((name) => routers.some(({ router }) => router === name));
  }

  #apply(fact: RouterFact): string[] {
    switch (fact.kind) {
      case 'connected':
        this.#routers.set(fact.stream, { router: fact.router, routes: new Map(), told: false });
        return [];
      case 'told':
        return this.#told(fact.stream);
      case 'routes':
        return this.#setRoutes(fact.stream, fact.key, fact.routes);
      case 'gone':
        return this.#gone(fact.stream);
      case 'unusable':
        if (fact.reason === undefined) this.#unusable.delete(fact.key);
        else this.#unusable.set(fact.key, fact.reason);
        return [fact.key];
      case 'load':
        return this.#load(fact.router, fact.report);
      case 'refused':
      case 'waiting':
      case 'signals':
        return [];
    }
  }

  #told(stream: string): string[] {
    const state = this.#routers.get(stream);
    if (state === undefined) return [];
    state.told = true;
    return this.#keys();
  }

  #setRoutes(stream: string, key: string, routes: RouterRoutes | undefined): string[] {
    const state = this.#routers.get(stream);
    if (routes === undefined) state?.routes.delete(key);
    else state?.routes.set(key, routes);
    return [key];
  }

  /** Forgets a router that is gone: the services that waited for it wait no longer. */
  #gone(stream: string): string[] {
    const keys = this.#keys();
    this.#routers.delete(stream);
    return keys;
  }

  #load(router: string, report: LoadReport | undefined): string[] {
    const before = this.#inFlight.get(router);
    if (report === undefined) {
      this.#inFlight.delete(router);
      return [];
    }
    const after = inFlightOf(report);
    this.#inFlight.set(router, after);
    if (before === undefined) return this.#keys();
    // A revision's last request has ended: its service may have something to scale down.
    return [...before].flatMap(([key, revisions]) => {
      const left = after.get(key);
      return [...revisions.keys()].some((name) => !left?.has(name)) ? [key] : [];
    });
  }

  #keys(): string[] {
    return [...new Set([...this.#routers.values()].flatMap(({ routes }) => [...routes.keys()]))];
  }
}

function inFlightOf({ clusters }: LoadReport): InFlight {
  const services = new Map<string, Map<string, RevisionRef>>();
  for (const { ref, inFlight } of clusters) {
    if (inFlight === 0) continue;
    const key = serviceKey(ref);
    const revisions = services.get(key) ?? new Map();
    services.set(key, revisions.set(formatRevision(ref), ref));
  }
  return services;
}
