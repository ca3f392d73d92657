/**
 * Turns changes of InferenceServices and pods into changes of routes. A change costs as much as its own
 * service has.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Lister } from '../api/cluster.ts';
import type { OperatorConfig } from '../api/config.ts';
import { keyOf, type Observed, type Pod } from '../api/kube.ts';
import { LABELS, predictorName } from '../api/names.ts';
import type { RouteChange, RouteCluster, ServiceRoutes } from '../api/route-table.ts';
import { HostClaims } from '../plan/host-claims.ts';
import { addressHosts } from '../plan/hosts.ts';
import { serviceRoutes } from '../plan/routes.ts';
import type { Change } from './controller.ts';
import { Debounce } from './debounce.ts';

/** Host that every router refuses, because no header may hold a line break. */
const REFUSED_HOST = 'refused\n';

/** Source of the routes, and the functions that take their changes. */
export interface RoutePublisherOptions {
  readonly lister: Lister;
  readonly config: OperatorConfig;
  /** Says whether a pod has answered that it is ready, before its kubelet; none has by default. */
  readonly hasAnswered?: (pod: Observed<Pod>) => boolean;
  /** Returns the number of routers that limit the requests of pods; absent where every server does so itself. */
  readonly routerCount?: () => number;
  /** Milliseconds in which changes are gathered before they are published; 0 publishes each at once. */
  readonly gatherMs: number;
  /** Called with the services whose routes have changed since the last call. */
  readonly publish: (changes: readonly RouteChange[]) => void;
  /** Key of a service that gets a host no router takes, for tests of what a refusal holds up. */
  readonly refusedRoute?: string;
  /** Called with the keys of services that have lost or won a host because another one changed. */
  readonly onHostsMoved: (keys: readonly string[]) => void;
}

/** Publishes the routes of each service whenever they change, and knows which service has which host. */
export class RoutePublisher {
  readonly #options: RoutePublisherOptions;
  readonly #claims: HostClaims;
  /** Keys of the services whose routes may have changed. */
  readonly #dirty = new Set<string>();
  /** Routes that were published last, by the service's key. */
  readonly #published = new Map<string, ServiceRoutes>();
  /** Keys of those among them whose pods the routers limit. */
  readonly #limited = new Set<string>();
  readonly #gather: Debounce;

  constructor(options: RoutePublisherOptions) {
    this.#options = options;
    this.#claims = new HostClaims(options.config);
    this.#gather = new Debounce(options.gatherMs, () => this.#publish());
  }

  /** Takes in a change of an object; one that concerns no route costs nothing. */
  onChange({ kind, object, deleted }: Change): void {
    if (kind === 'InferenceService') {
      const key = keyOf(object);
      const moved = this.#claims.update(key, deleted ? undefined : object);
      for (const touched of [key, ...moved]) this.#dirty.add(touched);
      if (moved.length > 0) this.#options.onHostsMoved(moved);
    } else if (kind === 'Pod' || kind === 'Service' || kind === 'Deployment') {
      const service = object.metadata.labels?.[LABELS.inferenceService];
      if (service === undefined) return;
      this.#dirty.add(`${object.metadata.namespace}/${service}`);
    } else {
      return;
    }
    if (this.#options.gatherMs === 0) this.#publish();
    else this.#gather.trigger();
  }

  /** Takes in that there are more or fewer routers: only services whose pods they limit have other routes then. */
  onRouters(): void {
    for (const key of this.#limited) this.#dirty.add(key);
    this.#publish();
  }

  /** Publishes the routes of a service at once, with what has become of its pods meanwhile. */
  refresh(key: string): void {
    this.#dirty.add(key);
    this.#publish();
  }

  /**
   * Returns the key of the older service that has an external host of the service `key`; undefined when all
   * are its own.
   */
  hostOwner(key: string): string | undefined {
    return this.#claims.ownerOf(key);
  }

  /**
   * Publishes all changes that wait, and an empty list when none does: without it no router could become
   * ready.
   */
  flush(): void {
    this.#options.publish(this.#takeChanges());
  }

  #publish(): void {
    const changes = this.#takeChanges();
    if (changes.length > 0) this.#options.publish(changes);
  }

  /**
   * Returns the changes that wait. Most changes of a service or a pod leave its routes as they are, and are
   * left out.
   */
  #takeChanges(): RouteChange[] {
    const changes: RouteChange[] = [];
    for (const key of this.#dirty) {
      const entry = this.#entryOf(key);
      if (isDeepStrictEqual(entry, this.#published.get(key))) continue;
      if (entry === undefined) this.#published.delete(key);
      else this.#published.set(key, entry);
      if (entry?.clusters.some(isLimited)) this.#limited.add(key);
      else this.#limited.delete(key);
      changes.push({ key, entry });
    }
    this.#dirty.clear();
    return changes;
  }

  #entryOf(key: string): ServiceRoutes | undefined {
    const { lister, config, refusedRoute, hasAnswered, routerCount } = this.#options;
    const isvc = lister.get('InferenceService', key);
    if (isvc === undefined) return undefined;
    const pods = lister.listOwned('Pod', key);
    const predictor = lister.get('Service', predictorName(key));
    const hosts = [...this.#claims.hostsOf(key), ...addressHosts(isvc, predictor)];
    if (key === refusedRoute) hosts.push(REFUSED_HOST);
    const deployments = lister.listOwned('Deployment', key);
    const routers = routerCount && { count: routerCount(), workers: config.router.workers };
    return serviceRoutes({ isvc, pods, deployments, hosts, hasAnswered, routers });
  }
}

function isLimited({ connectionLimit }: RouteCluster): boolean {
  return connectionLimit !== undefined;
}
