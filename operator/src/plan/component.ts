/** The predictor as asked for: legacy fields read as `model`, defaults resolved, nothing of the cluster. */
import { createHash } from 'node:crypto';
import type { InferenceServiceData, ModelSpec, PredictorSpec } from '../api/inferenceservice.ts';
import { ANNOTATIONS, AUTOSCALING_PREFIX, LABELS } from '../api/names.ts';

export type AutoscalerClass = 'wherry' | 'none' | 'external';

export interface Component {
  readonly isvc: InferenceServiceData;
  /** Undefined for a server of the user's own (`containers`). */
  readonly model?: ModelSpec;
  readonly predictor: PredictorSpec;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly autoscalerClass: AutoscalerClass;
  /** Hash of everything that decides what runs; a change of it makes a revision. */
  readonly specHash: string;
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

/** Settings of scale and traffic: changing them makes no revision. */
const NOT_REVISIONED = new Set([
  'minReplicas',
  'maxReplicas',
  'scaleTarget',
  'scaleMetric',
  'scaleMetricType',
  'autoScaling',
  'canaryTrafficPercent',
  'timeout',
  'deploymentStrategy',
]);

/** Annotations of the InferenceService that change its pods. */
const REVISIONED_ANNOTATIONS = [
  ANNOTATIONS.gkeAccelerator,
  ANNOTATIONS.storageSecretName,
  ANNOTATIONS.storageReadonly,
];

/** Annotations that are the InferenceService's own and never a pod's. KServe: serviceAnnotationDisallowedList. */
const NOT_PROPAGATED =
  /^(kubectl\.kubernetes\.io\/|autoscaling\.knative\.dev\/|internal\.serving\.kserve\.io\/|serving\.kserve\.io\/(autoscalerClass|deploymentMode)$)/;

export function component(isvc: InferenceServiceData): Component {
  const { predictor } = isvc.spec;
  const minReplicas = Math.max(1, predictor.minReplicas ?? 1);
  return {
    isvc,
    model: modelOf(predictor),
    predictor,
    labels: propagated(isvc.metadata.labels, predictor.labels),
    annotations: propagated(isvc.metadata.annotations, predictor.annotations),
    minReplicas,
    // KServe, HPA: max = max(maxReplicas, min).
    maxReplicas: Math.max(minReplicas, predictor.maxReplicas ?? 0),
    autoscalerClass: autoscalerClass(isvc),
    specHash: specHash(isvc),
  };
}

function modelOf(predictor: PredictorSpec): ModelSpec | undefined {
  if (predictor.model !== undefined) return predictor.model;
  const name = FRAMEWORKS.find((framework) => predictor[framework] !== undefined);
  return name === undefined ? undefined : { ...predictor[name], modelFormat: { name } };
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

function autoscalerClass({ metadata, spec }: InferenceServiceData): AutoscalerClass {
  const value =
    spec.predictor.annotations?.[ANNOTATIONS.autoscalerClass] ??
    metadata.annotations?.[ANNOTATIONS.autoscalerClass];
  return value === 'none' || value === 'external' ? value : 'wherry';
}

function specHash({ metadata, spec }: InferenceServiceData): string {
  const predictor = Object.entries(spec.predictor).filter(([key]) => !NOT_REVISIONED.has(key));
  const annotations = Object.fromEntries(
    Object.entries(spec.predictor.annotations ?? {}).filter(
      ([key]) => !key.startsWith(AUTOSCALING_PREFIX) && key !== ANNOTATIONS.autoscalerClass,
    ),
  );
  return hash([
    Object.fromEntries([...predictor, ['annotations', annotations]]),
    REVISIONED_ANNOTATIONS.map((key) => metadata.annotations?.[key] ?? null),
  ]);
}

/** 16 hex digits of the SHA-256 of a JSON value, whatever the order of its keys. */
export function hash(value: unknown): string {
  const text = JSON.stringify(value, (_key, item) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
