/** The only reader of a reconcile: caches → PlanInput. What is absent is undefined; nothing is guessed. */
import type { Lister } from '../api/cluster.ts';
import type { OperatorConfig } from '../api/config.ts';
import { CHILD_KINDS } from '../api/kinds.ts';
import { serviceAccountName } from '../plan/credentials.ts';
import type { DesiredReplicas, PlanInput, RoutingState } from '../plan/input.ts';

/** What the controllers know that is no object of the cluster. */
export interface Surroundings {
  /** IP addresses of the routers that take traffic. */
  routerAddresses(): readonly string[];
  /** What the routers have confirmed about the service `key`. */
  routing(key: string): RoutingState;
  /** Replicas that the autoscaler desires for the service's revisions. */
  desired(key: string): readonly DesiredReplicas[];
  /** The older service that has the external host of the service `key`; undefined when the host is its own. */
  hostOwner(key: string): string | undefined;
  now(): Date;
}

/** Undefined when there is no such InferenceService, or it is being deleted. */
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
      routerAddresses: surroundings.routerAddresses(),
      hostOwner: surroundings.hostOwner(key),
    },
    routing: surroundings.routing(key),
    desired: surroundings.desired(key),
    config,
    now: surroundings.now().toISOString(),
  };
}
