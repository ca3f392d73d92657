/** The only reader of a reconcile: caches → PlanInput. What is absent is undefined; nothing is guessed. */
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData, ServingRuntimeData } from '../api/inferenceservice.ts';
import type { Deployment, EndpointSlice, Pod, Service, ServiceAccount } from '../api/kube.ts';
import { serviceAccountName } from '../plan/credentials.ts';
import { hostOwner } from '../plan/hosts.ts';
import type { PlanInput, RoutingState } from '../plan/input.ts';
import type { Lister } from './cluster.ts';

/** What the controllers know that is no object of the cluster. */
export interface Surroundings {
  /** IP addresses of the routers that take traffic. */
  routerAddresses(): readonly string[];
  /** What the routers have confirmed about the service `key`. */
  routing(key: string): RoutingState;
  /** The autoscaler's wishes for the service's revisions. */
  demand(key: string): Readonly<Record<string, number>>;
  now(): Date;
}

/** Undefined when there is no such InferenceService, or it is being deleted. */
export function observe(
  key: string,
  lister: Lister,
  surroundings: Surroundings,
  config: OperatorConfig,
): PlanInput | undefined {
  const parent = lister.get<InferenceServiceData>('InferenceService', key);
  if (parent === undefined || parent.metadata.deletionTimestamp !== undefined) return undefined;
  const { namespace } = parent.metadata;
  return {
    parent,
    children: {
      deployments: lister.listOwned<Deployment>('Deployment', key),
      services: lister.listOwned<Service>('Service', key),
      endpointSlices: lister.listOwned<EndpointSlice>('EndpointSlice', key),
      pods: lister.listOwned<Pod>('Pod', key),
    },
    related: {
      runtimes: lister.list<ServingRuntimeData>('ServingRuntime', namespace),
      clusterRuntimes: lister.list<ServingRuntimeData>('ClusterServingRuntime'),
      serviceAccount: lister.get<ServiceAccount>(
        'ServiceAccount',
        `${namespace}/${serviceAccountName(parent)}`,
      ),
      routerAddresses: surroundings.routerAddresses(),
      hostOwner: hostOwner(parent, lister.list<InferenceServiceData>('InferenceService'), config),
    },
    routing: surroundings.routing(key),
    demand: surroundings.demand(key),
    config,
    now: surroundings.now().toISOString(),
  };
}
