/**
 * Warm pools: pods of a runtime whose process is up and has no model yet, a Deployment of them for each runtime and
 * namespace that asks for one (docs: adr/0015).
 */
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData, ServingRuntimeData } from '../api/inferenceservice.ts';
import type { Container, Deployment, KubeObject, Observed, PodSpec } from '../api/kube.ts';
import {
  ANNOTATIONS,
  FIELD_MANAGER,
  ISVC_API_VERSION,
  KSERVE_CONTAINER,
  LABELS,
} from '../api/names.ts';
import { components, hash } from './component.ts';
import { ok, problem, type Result } from './input.ts';
import { merge } from './merge.ts';
import { podTemplate, servingPort } from './pod.ts';
import { fetchesModel } from './runtime.ts';

/** Most pods that a pool may have. */
const MAX_PODS = 100;

/** Flags that name the model of a server, which a revision's pods have and those of a pool do not. */
const MODEL_FLAGS = ['--model_name', '--storage_uri'];

/** Model that stands in the pods of a pool while their template is made; no flag of it stays. */
const ANY_MODEL = 'builtin://any';

/** Everything that the pools of a runtime follow from. */
export interface WarmPoolInput {
  readonly runtime: ServingRuntimeData;
  readonly config: OperatorConfig;
  /** Certificates (PEM) of the authorities whose operators may give the pods a model. */
  readonly authorities: string;
}

/** Returns the name that the pools of a runtime have in each namespace. */
export function poolName(kind: string, runtime: string): string {
  return `wherry-pool-${hash([kind, runtime]).slice(0, 8)}`;
}

/** Returns the pods that each namespace is to have in its pool of a runtime, or why the annotation says nothing. */
export function poolSizes({
  kind,
  metadata,
}: ServingRuntimeData): Result<ReadonlyMap<string, number>> {
  const text = metadata.annotations?.[ANNOTATIONS.warmPool]?.trim() ?? '';
  if (text === '') return ok(new Map());
  const isOfCluster = kind === 'ClusterServingRuntime';
  const entries = isOfCluster
    ? text.split(',').map((entry) => entry.split('=').map((part) => part.trim()))
    : [[metadata.namespace ?? '', text]];
  const sizes = new Map<string, number>();
  for (const [namespace = '', size = ''] of entries) {
    const isName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(namespace);
    if (!isName || !/^\d{1,3}$/.test(size) || Number(size) > MAX_PODS || sizes.has(namespace)) {
      const form = isOfCluster
        ? 'a number of pods for each namespace, such as default=2,team-a=1'
        : 'a number of pods, such as 2';
      return problem(
        'InvalidPredictorSpec',
        `annotation ${ANNOTATIONS.warmPool}: "${text}" is not ${form}, of at most ${MAX_PODS}`,
      );
    }
    sizes.set(namespace, Number(size));
  }
  return ok(sizes);
}

/** Returns the Deployments of a runtime's pools, or why it can have none. */
export function poolDeployments(input: WarmPoolInput): Result<Observed<Deployment>[]> {
  const { runtime } = input;
  const sizes = poolSizes(runtime);
  if (!sizes.ok) return sizes;
  const deployments: Observed<Deployment>[] = [];
  for (const [namespace, size] of sizes.value) {
    const made = poolDeployment(input, namespace, size);
    if (!made.ok) return made;
    if (size > 0) deployments.push(made.value);
  }
  return ok(deployments);
}

function poolDeployment(
  input: WarmPoolInput,
  namespace: string,
  replicas: number,
): Result<Observed<Deployment>> {
  const { runtime } = input;
  const { kind, apiVersion, metadata } = runtime;
  const name = poolName(kind, metadata.name);
  const spec = poolPodSpec(input, namespace, name);
  if (!spec.ok) return spec;
  const labels = { [LABELS.managedBy]: FIELD_MANAGER, [LABELS.pool]: name };
  const owner = { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '' };
  return ok({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      ...{ name, namespace, labels },
      annotations: { [ANNOTATIONS.runtime]: `${kind}/${metadata.name}` },
      ownerReferences: [{ ...owner, controller: true }],
    },
    spec: {
      replicas,
      selector: { matchLabels: { [LABELS.pool]: name } },
      template: { metadata: { labels }, spec: spec.value },
      revisionHistoryLimit: 1,
    },
  } as Observed<Deployment> & KubeObject);
}

/** Returns the pod that a service without wishes of its own gets, less its model. */
function poolPodSpec(
  { runtime, config, authorities }: WarmPoolInput,
  namespace: string,
  name: string,
): Result<PodSpec> {
  if (!fetchesModel(runtime)) {
    return problem(
      'InvalidPredictorSpec',
      `annotation ${ANNOTATIONS.warmPool}: only a server that fetches its model itself can be given one later (annotation ${ANNOTATIONS.fetchesModel})`,
    );
  }
  const [component] = components(serviceWithoutWishes(namespace, name));
  if (component === undefined) throw new Error('an InferenceService has a component');
  const template = podTemplate({ component, runtime, revision: name, config });
  if (!template.ok) return template;
  const pod = template.value.spec as PodSpec;
  const containers = pod.containers.map((container) => {
    if (container.name !== KSERVE_CONTAINER) return container;
    const { startupProbe: _, ...rest } = container;
    const args = withoutModel(container.args ?? []);
    const uid = { name: POD_UID, valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } };
    return {
      ...merge(rest, { env: [uid] }),
      args: [...args, `--pool_authority=${authorities}`, `--pod_uid=$(${POD_UID})`],
      ...probes(servingPort(pod)),
    };
  });
  return ok({ ...pod, containers });
}

/** Leaves out the flags of a model, be their values behind an equals sign or the next arguments. */
function withoutModel(args: readonly string[]): string[] {
  return args.filter((arg, i) => {
    const isValue = MODEL_FLAGS.includes(args[i - 1] ?? '');
    return !isValue && !MODEL_FLAGS.includes(arg.split('=')[0] ?? '');
  });
}

/** Probes of a server that may have no model yet: a runtime's own may ask for one. */
function probes(port: number): Pick<Container, 'readinessProbe' | 'livenessProbe'> {
  const probe = (path: string) => ({ httpGet: { path, port }, timeoutSeconds: 5 });
  return {
    readinessProbe: { ...probe('/v2/health/ready'), periodSeconds: 1 },
    livenessProbe: { ...probe('/v2/health/live'), periodSeconds: 10, failureThreshold: 6 },
  };
}

/** Variable in which a pod of a pool has its UID. */
export const POD_UID = 'POD_UID';

function serviceWithoutWishes(namespace: string, name: string): InferenceServiceData {
  const model = { modelFormat: { name: 'any' }, storageUri: ANY_MODEL };
  return {
    apiVersion: ISVC_API_VERSION,
    kind: 'InferenceService',
    metadata: { name, namespace },
    spec: { predictor: { model } },
  };
}
