/**
 * Tables of what each field of a component and of a model is for. They are exhaustive: a field that is added to
 * the CRD does not compile until it has a row, so that none ends up in a pod, or makes a revision, by accident.
 */
import type { ComponentSpec, ModelSpec } from '../api/inferenceservice.ts';

/**
 * Role of a field:
 *
 * model      the model and its server: a change makes a revision
 * pod        a field of PodSpec, passed on: a change makes a revision
 * scale      how many pods there are and how they are replaced
 * traffic    who gets which requests, and for how long
 * metadata   labels and annotations: those of the pods make a revision
 */
export type FieldRole = 'model' | 'pod' | 'scale' | 'traffic' | 'metadata';

const COMPONENT_FIELDS = {
  model: 'model',
  sklearn: 'model',
  xgboost: 'model',
  tensorflow: 'model',
  pytorch: 'model',
  triton: 'model',
  onnx: 'model',
  huggingface: 'model',
  pmml: 'model',
  lightgbm: 'model',
  paddle: 'model',
  workerSpec: 'model',
  storageUris: 'model',
  logger: 'model',
  batcher: 'model',
  containerConcurrency: 'model',
  name: 'model',
  minReplicas: 'scale',
  maxReplicas: 'scale',
  scaleTarget: 'scale',
  scaleMetric: 'scale',
  scaleMetricType: 'scale',
  autoScaling: 'scale',
  deploymentStrategy: 'scale',
  canaryTrafficPercent: 'traffic',
  timeout: 'traffic',
  labels: 'metadata',
  annotations: 'metadata',
  containers: 'pod',
  initContainers: 'pod',
  ephemeralContainers: 'pod',
  volumes: 'pod',
  activeDeadlineSeconds: 'pod',
  affinity: 'pod',
  automountServiceAccountToken: 'pod',
  dnsConfig: 'pod',
  dnsPolicy: 'pod',
  enableServiceLinks: 'pod',
  hostAliases: 'pod',
  hostIPC: 'pod',
  hostNetwork: 'pod',
  hostPID: 'pod',
  hostUsers: 'pod',
  hostname: 'pod',
  hostnameOverride: 'pod',
  imagePullSecrets: 'pod',
  nodeName: 'pod',
  nodeSelector: 'pod',
  os: 'pod',
  overhead: 'pod',
  preemptionPolicy: 'pod',
  priority: 'pod',
  priorityClassName: 'pod',
  readinessGates: 'pod',
  resourceClaims: 'pod',
  resources: 'pod',
  restartPolicy: 'pod',
  runtimeClassName: 'pod',
  schedulerName: 'pod',
  schedulingGates: 'pod',
  securityContext: 'pod',
  serviceAccount: 'pod',
  serviceAccountName: 'pod',
  setHostnameAsFQDN: 'pod',
  shareProcessNamespace: 'pod',
  subdomain: 'pod',
  terminationGracePeriodSeconds: 'pod',
  tolerations: 'pod',
  topologySpreadConstraints: 'pod',
} as const satisfies Record<keyof ComponentSpec, FieldRole>;

/** Role of each field of a model: it tells what is served, or is one of the container that serves it. */
const MODEL_FIELDS = {
  modelFormat: 'model',
  runtime: 'model',
  storageUri: 'model',
  storage: 'model',
  runtimeVersion: 'model',
  protocolVersion: 'model',
  storageContainerName: 'model',
  confidential: 'model',
  name: 'model',
  image: 'container',
  imagePullPolicy: 'container',
  command: 'container',
  args: 'container',
  workingDir: 'container',
  env: 'container',
  envFrom: 'container',
  ports: 'container',
  resources: 'container',
  volumeMounts: 'container',
  volumeDevices: 'container',
  livenessProbe: 'container',
  readinessProbe: 'container',
  startupProbe: 'container',
  lifecycle: 'container',
  terminationMessagePath: 'container',
  terminationMessagePolicy: 'container',
  securityContext: 'container',
  stdin: 'container',
  stdinOnce: 'container',
  tty: 'container',
  resizePolicy: 'container',
  restartPolicy: 'container',
  restartPolicyRules: 'container',
} as const satisfies Record<keyof ModelSpec, 'model' | 'container'>;

/** The fields of `spec` that have one of `roles`. */
export function componentFields(
  spec: ComponentSpec,
  ...roles: readonly FieldRole[]
): Partial<ComponentSpec> {
  return pick(spec, (field) => roles.includes(COMPONENT_FIELDS[field]));
}

/** The fields of `model` that are its container's. */
export function containerFields(model: ModelSpec): Partial<ModelSpec> {
  return pick(model, (field) => MODEL_FIELDS[field] === 'container');
}

function pick<T extends object>(value: T, keep: (field: keyof T) => boolean): Partial<T> {
  const entries = Object.entries(value).filter(([field]) => keep(field as keyof T));
  return Object.fromEntries(entries) as Partial<T>;
}

/**
 * Returns `value` without the fields that a client wrote only because it always writes them: an empty text, list or
 * object at the top means "not set" (KServe's Python SDK sends `name: ""`).
 */
export function withoutEmpty<T extends object>(value: T): T {
  return pick(value, (field) => !isEmpty(value[field])) as T;
}

function isEmpty(value: unknown): boolean {
  if (value === '' || value === null) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
