/**
 * Every kind of object that the operator reads or writes: where the API server keeps it, what of it is
 * watched, and how it is written when an InferenceService owns it. A new kind of child is a row here and a
 * builder in plan/.
 */
import type { InferenceServiceData, ServingRuntimeData } from './inferenceservice.ts';
import type {
  EndpointSlice,
  HorizontalPodAutoscaler,
  KubeObject,
  Observed,
  Pod,
  PodDisruptionBudget,
  ScaledDeployment,
  ScaledObject,
  Service,
  ServiceAccount,
} from './kube.ts';
import { FIELD_MANAGER, ISVC_API_VERSION, LABELS, RUNTIME_API_VERSION } from './names.ts';

/** Maps the name of each watched kind to the type of its objects, as the caches hold them. */
export interface Kinds {
  InferenceService: InferenceServiceData;
  ServingRuntime: ServingRuntimeData;
  ClusterServingRuntime: ServingRuntimeData;
  Deployment: Observed<ScaledDeployment>;
  HorizontalPodAutoscaler: Observed<HorizontalPodAutoscaler>;
  ScaledObject: Observed<ScaledObject>;
  Service: Observed<Service>;
  EndpointSlice: Observed<EndpointSlice>;
  PodDisruptionBudget: Observed<PodDisruptionBudget>;
  Pod: Observed<Pod>;
  ServiceAccount: Observed<ServiceAccount>;
}

/** Name of a kind that the operator watches. */
export type Kind = keyof Kinds;

/** Place of a kind in the API server's paths. */
export interface Resource {
  /** Group and version, such as `apps/v1`; the version alone for the core group. */
  readonly apiVersion: string;
  /** Name of the kind's collection in paths, such as `deployments`. */
  readonly plural: string;
  /** True when each object of the kind belongs to a namespace. */
  readonly namespaced: boolean;
}

/**
 * Way in which a plan writes a child:
 *   apply   server-side apply whenever it differs; deleted when it is no longer planned
 *   create  made once, afterwards only its scale changes; deleted when it is no longer planned
 *   keep    made once, never changed and never deleted by a plan
 */
export type ChildWrite = 'apply' | 'create' | 'keep';

interface KindRow extends Resource {
  /** Label selector of the objects that are watched; '' for all. */
  readonly watch: string;
  /** Way in which a plan writes the kind; undefined for a kind that no InferenceService owns. */
  readonly child?: ChildWrite;
  /**
   * True for a child that sets the scale of a Deployment. One that is no longer planned goes before anything is
   * written: two would fight for the same pods, and one would start again what is scaled down.
   */
  readonly isScaler?: boolean;
  /** True when a cluster may lack the kind: the operator then works without it. */
  readonly optional?: boolean;
}

/** Label selector of the objects that the operator made. */
const MANAGED = `${LABELS.managedBy}=${FIELD_MANAGER}`;
/** Label selector of those that it made for InferenceServices. */
const OWNED = `${MANAGED},${LABELS.inferenceService}`;

/** Each watched kind, with its place in the API, what of it is watched, and how a plan writes it. */
export const KINDS: Readonly<Record<Kind, KindRow>> = {
  InferenceService: {
    apiVersion: ISVC_API_VERSION,
    plural: 'inferenceservices',
    namespaced: true,
    watch: '',
  },
  ServingRuntime: {
    apiVersion: RUNTIME_API_VERSION,
    plural: 'servingruntimes',
    namespaced: true,
    watch: '',
    optional: true,
  },
  ClusterServingRuntime: {
    apiVersion: RUNTIME_API_VERSION,
    plural: 'clusterservingruntimes',
    namespaced: false,
    watch: '',
    optional: true,
  },
  Deployment: {
    apiVersion: 'apps/v1',
    plural: 'deployments',
    namespaced: true,
    // Warm pools have Deployments, too.
    watch: MANAGED,
    child: 'create',
  },
  HorizontalPodAutoscaler: {
    apiVersion: 'autoscaling/v2',
    plural: 'horizontalpodautoscalers',
    namespaced: true,
    watch: OWNED,
    child: 'apply',
    isScaler: true,
  },
  ScaledObject: {
    apiVersion: 'keda.sh/v1alpha1',
    plural: 'scaledobjects',
    namespaced: true,
    watch: OWNED,
    child: 'apply',
    isScaler: true,
    optional: true,
  },
  Service: { apiVersion: 'v1', plural: 'services', namespaced: true, watch: OWNED, child: 'apply' },
  EndpointSlice: {
    apiVersion: 'discovery.k8s.io/v1',
    plural: 'endpointslices',
    namespaced: true,
    watch: OWNED,
    child: 'apply',
  },
  PodDisruptionBudget: {
    apiVersion: 'policy/v1',
    plural: 'poddisruptionbudgets',
    namespaced: true,
    watch: OWNED,
    child: 'apply',
  },
  Pod: { apiVersion: 'v1', plural: 'pods', namespaced: true, watch: MANAGED },
  ServiceAccount: { apiVersion: 'v1', plural: 'serviceaccounts', namespaced: true, watch: '' },
};

/** Kinds whose objects an InferenceService may own. */
export const CHILD_KINDS = (Object.keys(KINDS) as Kind[]).filter(
  (kind) => KINDS[kind].child !== undefined,
);

/**
 * Says whether `object` is of `kind`, and narrows its type to that kind's. Only its field `kind` is looked
 * at.
 */
export function isKind<K extends Kind>(kind: K, object: KubeObject): object is Kinds[K] {
  return object.kind === kind;
}
