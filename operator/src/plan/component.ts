/** The components of an InferenceService as asked for: defaults resolved, nothing of the cluster. */
import { createHash } from 'node:crypto';
import type { ComponentSpec, InferenceServiceData, ModelSpec } from '../api/inferenceservice.ts';
import { ANNOTATIONS, AUTOSCALING_PREFIX, LABELS } from '../api/names.ts';
import type { ComponentName } from '../api/revision.ts';
import { type ComponentAutoscaling, componentAutoscaling } from './autoscale/settings.ts';
import { componentFields, withoutEmpty } from './fields.ts';
import { longGraceSeconds } from './grace.ts';
import { memoByObject } from './memo.ts';

/** One component: predictor, transformer and explainer have the same shape. */
export interface Component {
  readonly isvc: InferenceServiceData;
  readonly name: ComponentName;
  /** Its part of the InferenceService's spec, without fields that are empty. */
  readonly spec: ComponentSpec;
  /** Model that is served; undefined for a server of the user's own (`containers`). */
  readonly model?: ModelSpec;
  /** Labels and annotations of its pods. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly bounds: ReplicaBounds;
  readonly autoscaling: ComponentAutoscaling;
  /** True when the pods of other revisions are to be gone before those of a new one start. */
  readonly isRecreated: boolean;
  /** True while the user wants no pods at all. */
  readonly isStopped: boolean;
  /** Hash of everything that decides what runs; a change of it makes a revision. */
  readonly specHash: string;
}

/** Fewest and most pods. */
export interface ReplicaBounds {
  readonly min: number;
  readonly max: number;
}

/** KServe's legacy fields: `predictor.onnx: {…}` is `model: {modelFormat: {name: onnx}, …}`. */
const FRAMEWORKS = [
  'sklearn',
  'xgboost',
  'tensorflow',
  'pytorch',
  'triton',
  'onnx',
  'huggingface',
  'pmml',
  'lightgbm',
  'paddle',
] as const;

/** Annotations of the InferenceService that change its pods. */
const REVISIONED_ANNOTATIONS = [
  ANNOTATIONS.gkeAccelerator,
  ANNOTATIONS.storageSecretName,
  ANNOTATIONS.storageReadonly,
];

/** Annotations that change pods, too, and leave the hash of a service that has none of them as it was. */
const REVISIONED_WHERE_SET = [ANNOTATIONS.storageInitializerUid, ANNOTATIONS.prometheusScraping];

/**
 * Annotations that are the InferenceService's own and never a pod's. KServe:
 * serviceAnnotationDisallowedList.
 */
const NOT_PROPAGATED =
  /^(kubectl\.kubernetes\.io\/|autoscaling\.knative\.dev\/|internal\.serving\.kserve\.io\/|serving\.kserve\.io\/(autoscalerClass|deploymentMode|stop)$|serving\.wherry\.dev\/disruption-budget$)/;

/** Returns the components of an InferenceService. The CRD admits a predictor only, so far. */
export const components = memoByObject((isvc: InferenceServiceData): readonly Component[] => [
  component(isvc, 'predictor', isvc.spec.predictor),
]);

function component(
  isvc: InferenceServiceData,
  name: ComponentName,
  asked: ComponentSpec,
): Component {
  const spec = filled(asked);
  const autoscaling = componentAutoscaling(isvc.metadata, spec);
  return {
    isvc,
    name,
    spec,
    model: modelOf(asked, spec),
    labels: propagated(isvc.metadata.labels, spec.labels),
    annotations: propagated(isvc.metadata.annotations, spec.annotations),
    bounds: replicaBounds(spec, autoscaling),
    autoscaling,
    isRecreated:
      spec.deploymentStrategy?.type === 'Recreate' && (spec.canaryTrafficPercent ?? 100) === 100,
    isStopped: isvc.metadata.annotations?.[ANNOTATIONS.stop]?.toLowerCase() === 'true',
    specHash: specHash(isvc, spec),
  };
}

/** Returns the bounds; a HorizontalPodAutoscaler has one pod at least. KServe, HPA: max = max(maxReplicas, min). */
function replicaBounds(
  { minReplicas = 1, maxReplicas = 0 }: ComponentSpec,
  { class: scaler, minScale = minReplicas, maxScale = maxReplicas }: ComponentAutoscaling,
): ReplicaBounds {
  const min = Math.max(scaler === 'hpa' || scaler === 'none' ? 1 : 0, minScale);
  return { min, max: Math.max(1, min, maxScale) };
}

/** Leaves out what is empty: of the own fields of a spec, and of those of its models. */
function filled(asked: ComponentSpec): ComponentSpec {
  const models = ['model', ...FRAMEWORKS] as const;
  const inner = models.flatMap((field) => {
    const model = asked[field];
    return model === undefined ? [] : [[field, filledModel(model)]];
  });
  return withoutEmpty({ ...asked, ...Object.fromEntries(inner) });
}

function filledModel({ modelFormat, storage, ...rest }: ModelSpec): ModelSpec {
  return withoutEmpty({
    ...(modelFormat && { modelFormat: withoutEmpty(modelFormat) }),
    ...rest,
    ...(storage && { storage: withoutEmpty(storage) }),
  });
}

/**
 * Returns the model of a spec; a framework field that was asked for empty counts only where there is nothing
 * else.
 */
function modelOf(asked: ComponentSpec, spec: ComponentSpec): ModelSpec | undefined {
  if (spec.model !== undefined) return spec.model;
  const named = FRAMEWORKS.find((framework) => spec[framework] !== undefined);
  const empty = FRAMEWORKS.find((framework) => asked[framework] !== undefined);
  const name = named ?? (spec.containers === undefined ? empty : undefined);
  return name === undefined ? undefined : { ...spec[name], modelFormat: { name } };
}

function propagated(
  ofService: Record<string, string> | undefined,
  ofComponent: Record<string, string> | undefined,
): Record<string, string> {
  const all = Object.entries({ ...ofService, ...ofComponent });
  return Object.fromEntries(
    all.filter(([key]) => !NOT_PROPAGATED.test(key) && key !== LABELS.visibility),
  );
}

function specHash({ metadata }: InferenceServiceData, spec: ComponentSpec): string {
  const annotations = Object.fromEntries(
    Object.entries(spec.annotations ?? {}).filter(
      ([key]) => !key.startsWith(AUTOSCALING_PREFIX) && key !== ANNOTATIONS.autoscalerClass,
    ),
  );
  const grace = longGraceSeconds(spec);
  const set = REVISIONED_WHERE_SET.filter((key) => metadata.annotations?.[key] !== undefined);
  return hash([
    { ...componentFields(spec, 'model', 'pod', 'metadata'), annotations },
    REVISIONED_ANNOTATIONS.map((key) => metadata.annotations?.[key] ?? null),
    ...(grace === undefined ? [] : [grace]),
    ...set.map((key) => [key, metadata.annotations?.[key]]),
  ]);
}

/** Returns 16 hex digits of the SHA-256 of a JSON value, whatever the order of its keys. */
export function hash(value: unknown): string {
  const text = JSON.stringify(value, (_key, item) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
