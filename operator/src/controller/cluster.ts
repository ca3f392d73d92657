/** What the controllers need of a cluster. The real one is kube/, the laptop's is local/. */
import type { KubeObject, Observed } from '../api/kube.ts';
import type { PlanEvent } from '../plan/input.ts';

export type Kind =
  | 'InferenceService'
  | 'ServingRuntime'
  | 'ClusterServingRuntime'
  | 'Deployment'
  | 'Service'
  | 'EndpointSlice'
  | 'Pod'
  | 'ServiceAccount';

/** Objects as last seen; reading them costs no request. */
export interface Lister {
  get<T>(kind: Kind, key: string): Observed<T> | undefined;
  /** All of a kind, or those of one namespace. */
  list<T>(kind: Kind, namespace?: string): Observed<T>[];
  /** Those that belong to an InferenceService, by label; `key` is namespace/name. */
  listOwned<T>(kind: Kind, key: string): Observed<T>[];
}

/** Every write the operator makes. All throw when the cluster refuses. */
export interface Writer {
  /** Makes an object; false when one of its name exists, which the caches may not show yet. */
  create(object: KubeObject): Promise<boolean>;
  /** Server-side apply with the operator's field manager. */
  apply(object: KubeObject): Promise<void>;
  /** Returns the resource version that the object has now; undefined when it is gone. */
  applyStatus(object: KubeObject & { status: object }): Promise<string | undefined>;
  /** Writes the scale subresource of a Deployment. */
  scale(deployment: { namespace: string; name: string }, replicas: number): Promise<void>;
  delete(object: KubeObject): Promise<void>;
  event(about: KubeObject, event: PlanEvent): Promise<void>;
}
