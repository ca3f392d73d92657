/** Every object name, label, annotation, port and container name; KServe's where KServe has one. */
import { createHash } from 'node:crypto';
import type { ComponentName } from './revision.ts';

export const GROUP = 'serving.kserve.io';
export const ISVC_API_VERSION = `${GROUP}/v1beta1`;
export const RUNTIME_API_VERSION = `${GROUP}/v1alpha1`;

/** The field manager of everything the operator applies. */
export const FIELD_MANAGER = 'wherry';

export const LABELS = {
  inferenceService: `${GROUP}/inferenceservice`,
  component: 'component',
  app: 'app',
  /** On pods and Deployments: the revision they belong to. */
  revision: 'serving.wherry.dev/revision',
  managedBy: 'app.kubernetes.io/managed-by',
  serviceName: 'kubernetes.io/service-name',
  sliceManagedBy: 'endpointslice.kubernetes.io/managed-by',
  visibility: 'networking.kserve.io/visibility',
} as const;

export const ANNOTATIONS = {
  autoscalerClass: `${GROUP}/autoscalerClass`,
  gkeAccelerator: `${GROUP}/gke-accelerator`,
  storageSecretName: `${GROUP}/storageSecretName`,
  storageReadonly: 'storage.kserve.io/readonly',
  /** On revisions: hash of what the user asked to run. */
  specHash: 'serving.wherry.dev/spec-hash',
  /** On revisions: the runtime that is pinned, and the hash of its spec at that time. */
  runtime: 'serving.wherry.dev/runtime',
  runtimeHash: 'serving.wherry.dev/runtime-hash',
  /** On what is applied: hash of it as it was applied last. */
  appliedHash: 'serving.wherry.dev/applied-hash',
  /** On runtimes: "true" when the server takes --storage_uri and fetches the model itself. */
  fetchesModel: 'serving.wherry.dev/fetches-model',
  /** On runtimes: prefix of the image for a vendor's GPUs, such as image.wherry.dev/nvidia. */
  gpuImagePrefix: 'image.wherry.dev/',
} as const;

/** Knative's autoscaling annotations, read from the InferenceService or the component. */
export const AUTOSCALING_PREFIX = 'autoscaling.knative.dev/';

export const KSERVE_CONTAINER = 'kserve-container';
export const STORAGE_INITIALIZER = 'storage-initializer';
export const MODEL_DIR = '/mnt/models';
export const MODEL_VOLUME = 'kserve-provision-location';
export const PVC_VOLUME = 'kserve-pvc-source';
/** Port of a container that declares none. */
export const DEFAULT_PORT = 8080;
/** Characters that a label's value may have. */
const MAX_LABEL = 63;
/** Response header in which the router names the revision that answered. */
export const REVISION_HEADER = 'x-wherry-revision';

/** Name of an InferenceService's predictor Service. */
export function predictorName(isvc: string): string {
  return `${isvc}-predictor`;
}

/**
 * The label `app` of a revision's pods, KServe's `isvc.<name>`: shortened, with a digest of the whole, where
 * it would be longer than the 63 characters that a label value may have.
 */
export function appLabel(revision: string): string {
  const label = `isvc.${revision}`;
  if (label.length <= MAX_LABEL) return label;
  const digest = createHash('sha256').update(label).digest('hex').slice(0, 8);
  return `${label.slice(0, MAX_LABEL - digest.length - 1)}-${digest}`;
}

/** Labels by which everything of an InferenceService is found. */
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
