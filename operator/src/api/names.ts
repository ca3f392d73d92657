/**
 * Names that other programs see: of labels, annotations, containers, volumes and headers. They are KServe's
 * where it has one.
 */
import { createHash } from 'node:crypto';
import type { ComponentName } from './revision.ts';

/** API group of InferenceServices and runtimes, and prefix of KServe's labels and annotations. */
export const GROUP = 'serving.kserve.io';
/** API version of InferenceServices. */
export const ISVC_API_VERSION = `${GROUP}/v1beta1`;
/** API version of ServingRuntimes and ClusterServingRuntimes. */
export const RUNTIME_API_VERSION = `${GROUP}/v1alpha1`;

/** Field manager of the operator's writes, and the value of the label `app.kubernetes.io/managed-by`. */
export const FIELD_MANAGER = 'wherry';

/** Keys of the labels that the operator writes or reads. */
export const LABELS = {
  /** Name of the InferenceService that an object belongs to. */
  inferenceService: `${GROUP}/inferenceservice`,
  /** Component that an object belongs to, such as `predictor`. */
  component: 'component',
  /** Label by which a Deployment and KServe's users select the pods of a revision; see `appLabel`. */
  app: 'app',
  /** Name of the revision that a pod or a Deployment belongs to. */
  revision: 'serving.wherry.dev/revision',
  /** Name of the warm pool whose Deployment has a pod; a pod that stands in for a revision has left it. */
  pool: 'serving.wherry.dev/pool',
  /** Time, in seconds since 1970, at which an operator took a pod of a warm pool for a revision: for ever, and once. */
  claimed: 'serving.wherry.dev/claimed',
  /** Program that manages an object: `wherry` for the operator's own. */
  managedBy: 'app.kubernetes.io/managed-by',
  /** Service that an EndpointSlice belongs to. */
  serviceName: 'kubernetes.io/service-name',
  /** Writer of an EndpointSlice; Kubernetes' own controller leaves one with another writer alone. */
  sliceManagedBy: 'endpointslice.kubernetes.io/managed-by',
  /** Label of an InferenceService; `cluster-local` keeps it from having external hosts and a path. */
  visibility: 'networking.kserve.io/visibility',
} as const;

/** Keys of the annotations that the operator writes or reads. */
export const ANNOTATIONS = {
  /** Autoscaler of an InferenceService; every value turns Wherry's own off. */
  autoscalerClass: `${GROUP}/autoscalerClass`,
  /** Annotation of an InferenceService; `true` lets it have no pods until it is taken away again. */
  stop: `${GROUP}/stop`,
  /** GPU model of the nodes to run on, as GKE labels them. */
  gkeAccelerator: `${GROUP}/gke-accelerator`,
  /** Name of the Secret with the credentials of the model's storage. */
  storageSecretName: `${GROUP}/storageSecretName`,
  /** Annotation of an InferenceService; `false` lets its pods write to the model's volume. */
  storageReadonly: 'storage.kserve.io/readonly',
  /** User, by number, of the init container that downloads the model. */
  storageInitializerUid: `${GROUP}/storage-initializer-uid`,
  /** Annotation that lets a Prometheus which looks at pods scrape the server's metrics, when `true`. */
  prometheusScraping: `${GROUP}/enable-prometheus-scraping`,
  /** Port of a server's metrics. */
  metricsPort: 'prometheus.kserve.io/port',
  /** Path of a server's metrics. */
  metricsPath: 'prometheus.kserve.io/path',
  /** Annotation of an InferenceService; `none` leaves its pods to a PodDisruptionBudget of the user's own. */
  disruptionBudget: 'serving.wherry.dev/disruption-budget',
  /** Hash, on a revision's Deployment, of what the user asked to run: another hash makes another revision. */
  specHash: 'serving.wherry.dev/spec-hash',
  /** Runtime that a revision is pinned to, as `kind/name`, on its Deployment. */
  runtime: 'serving.wherry.dev/runtime',
  /** Hash of the pinned runtime's spec when the revision was made, on its Deployment. */
  runtimeHash: 'serving.wherry.dev/runtime-hash',
  /** Hash of the pod template that a revision was made with, on its Deployment. */
  templateHash: 'serving.wherry.dev/template-hash',
  /** Most requests that routers may have at once in a pod, on the Deployment of a server that keeps no limit itself. */
  requestLimit: 'serving.wherry.dev/request-limit',
  /** Kubernetes' count of the pod templates that a Deployment has had. */
  rollout: 'deployment.kubernetes.io/revision',
  /** Hash of an applied object as the operator sent it last. */
  appliedHash: 'serving.wherry.dev/applied-hash',
  /**
   * Annotation of a runtime: the pods of its warm pool. It is a number for a ServingRuntime, and a number for each
   * namespace for a ClusterServingRuntime, such as `default=2,team-a=1`.
   */
  warmPool: 'serving.wherry.dev/warm-pool',
  /** Annotation of a runtime; `true` when its server takes `--storage_uri` and fetches the model itself. */
  fetchesModel: 'serving.wherry.dev/fetches-model',
  /**
   * Prefix of a runtime's annotations that name the image for a vendor's GPUs, such as
   * `image.wherry.dev/nvidia`.
   */
  gpuImagePrefix: 'image.wherry.dev/',
} as const;

/**
 * Prefix of Knative's autoscaling annotations, which are read from the InferenceService and from the
 * component.
 */
export const AUTOSCALING_PREFIX = 'autoscaling.knative.dev/';

/** Name of the container that serves the model. */
export const KSERVE_CONTAINER = 'kserve-container';
/** Name of the init container that downloads the model. */
export const STORAGE_INITIALIZER = 'storage-initializer';
/** Directory of the model in the containers. */
export const MODEL_DIR = '/mnt/models';
/** Name of the volume that the model is downloaded to. */
export const MODEL_VOLUME = 'kserve-provision-location';
/** Name of the volume of a persistent volume claim that holds the model. */
export const PVC_VOLUME = 'kserve-pvc-source';
/** HTTP port of a serving container that declares none. */
export const DEFAULT_PORT = 8080;
/** Number of characters that a label's value may have. */
const MAX_LABEL = 63;
/** Response header in which the router names the revision that answered. */
export const REVISION_HEADER = 'x-wherry-revision';

/** Returns the name of the predictor's Service from that of its InferenceService. */
export function predictorName(isvc: string): string {
  return `${isvc}-predictor`;
}

/** Returns the key of a warm pool, by which the caches list its pods; no InferenceService has such a key. */
export function poolKey(namespace: string, pool: string): string {
  return `${namespace}/pool ${pool}`;
}

/** Returns the label `app` of a revision's pods, KServe's `isvc.<name>`, shortened where it would be too long. */
export function appLabel(revision: string): string {
  return withinLabel(`isvc.${revision}`);
}

/**
 * Returns a text as the value of a label: shortened, with a digest of the whole, where it is longer than the 63
 * characters that such a value may have.
 */
export function withinLabel(text: string): string {
  if (text.length <= MAX_LABEL) return text;
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 8);
  return `${text.slice(0, MAX_LABEL - digest.length - 1)}-${digest}`;
}

/** Returns the labels by which the objects of one component of an InferenceService are found. */
export function ownedLabels(
  isvc: string,
  component: ComponentName = 'predictor',
): Record<string, string> {
  return {
    [LABELS.inferenceService]: isvc,
    [LABELS.component]: component,
    [LABELS.managedBy]: FIELD_MANAGER,
  };
}
