/**
 * Reads of a reconcile: the input of a plan is gathered here from the caches. Nothing is guessed: absent is
 * undefined.
 */
import type { Lister } from '../api/cluster.ts';
import type { OperatorConfig } from '../api/config.ts';
import { CHILD_KINDS } from '../api/kinds.ts';
import { serviceAccountName } from '../plan/credentials.ts';
import type { DesiredReplicas, PlanInput, RoutingState } from '../plan/input.ts';

/**
 * Tells controllers the facts of a plan that are no objects of the cluster: routers, load, hosts and time.
 */
export interface Surroundings {
  /** Returns the IP addresses of the routers that take traffic, sorted. */
  routerAddresses(): readonly string[];
  /** Returns the number of routers, those among them that start or end. */
  routerCount(): number;
  /** Returns the routing of the service `key` that the routers have confirmed. */
  routing(key: string): RoutingState;
  /** Returns the replicas that the autoscaler desires for revisions of the service `key`. */
  desired(key: string): readonly DesiredReplicas[];
  /**
   * Returns the key of the older service that has an external host of the service `key`; undefined when all
   * are its own.
   */
  hostOwner(key: string): string | undefined;
  /** Returns the current time. */
  now(): Date;
}

/**
 * Gathers all that a plan for the InferenceService `key` (`namespace/name`) may know. Returns undefined when there is
 * no such service, or it is being deleted.
 */
export function observe(
  key: string,
  lister: Lister,
  surroundings: Surroundings,
  config: OperatorConfig,
): PlanInput | undefined {
  const parent = lister.get('InferenceService', key);
  if (parent === undefined || parent.metadata.deletionTimestamp !== undefined) return undefined;
  const { namespace } = parent.metadata;
  const account = serviceAccountName(parent.spec.predictor);
  return {
    parent,
    children: CHILD_KINDS.flatMap((kind) => lister.listOwned(kind, key)),
    pods: lister.listOwned('Pod', key),
    related: {
      runtimes: lister.list('ServingRuntime', namespace),
      clusterRuntimes: lister.list('ClusterServingRuntime'),
      serviceAccount: lister.get('ServiceAccount', `${namespace}/${account}`),
      absentKinds: CHILD_KINDS.filter((kind) => !lister.serves(kind)),
      routerAddresses: surroundings.routerAddresses(),
      routerCount: surroundings.routerCount(),
      hostOwner: surroundings.hostOwner(key),
    },
    routing: surroundings.routing(key),
    desired: surroundings.desired(key),
    config,
    now: surroundings.now().toISOString(),
  };
}
