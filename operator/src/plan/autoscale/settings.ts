/** Autoscaling settings of a component: KServe's fields and Knative's annotations, with KPA's defaults. */
import type { ComponentSpec } from '../../api/inferenceservice.ts';
import type { ObjectMeta } from '../../api/kube.ts';
import { ANNOTATIONS, AUTOSCALING_PREFIX } from '../../api/names.ts';
import type { AutoscalerSettings } from './decision.ts';

/** Values of KServe's annotation autoscalerClass that hand the scale to somebody else. */
const HANDED_OVER = ['hpa', 'keda', 'none', 'external'] as const;

/**
 * The class says who sets the scale: Wherry, a HorizontalPodAutoscaler or a ScaledObject that Wherry makes, nobody, or
 * something of the user's own.
 */
export type AutoscalerClass = 'wherry' | (typeof HANDED_OVER)[number];

/** Mode in which Wherry decides: as Knative's KPA, or by demand. Knative's annotation for a class chooses it. */
export type AutoscalerMode = 'kpa' | 'demand';

/** Values of the annotation `autoscaling.knative.dev/class`; without it the mode is the default. */
const MODES: Readonly<Record<string, AutoscalerMode>> = {
  'kpa.autoscaling.knative.dev': 'kpa',
  'demand.autoscaling.wherry.dev': 'demand',
};
const DEFAULT_MODE: AutoscalerMode = 'kpa';

/** Autoscaling settings of a component, defaults resolved. */
export interface ComponentAutoscaling {
  readonly class: AutoscalerClass;
  readonly mode: AutoscalerMode;
  readonly settings: AutoscalerSettings;
  /** Limits that annotations set, which count more than the fields of the spec. */
  readonly minScale?: number;
  readonly maxScale?: number;
  /** Fewest pods that a revision starts with. */
  readonly initialScale: number;
}

/** Defaults of Knative's config-autoscaler. */
const DEFAULTS = {
  concurrencyTarget: 100,
  rpsTarget: 200,
  utilizationPercent: 70,
  windowSeconds: 60,
  panicWindowPercent: 10,
  panicThresholdPercent: 200,
  maxScaleUpRate: 1000,
  maxScaleDownRate: 2,
};

/** Most pods that an annotation can name. */
const MAX_SCALE = 1e6;

/** Reads the settings of a component: its own annotations count more than the InferenceService's. */
export function componentAutoscaling(
  metadata: ObjectMeta,
  spec: ComponentSpec,
): ComponentAutoscaling {
  const annotations = { ...metadata.annotations, ...spec.annotations };
  const annotation = (key: string) =>
    annotations[`${AUTOSCALING_PREFIX}${key}`] ?? annotations[`${AUTOSCALING_PREFIX}${camel(key)}`];
  const number: ReadNumber = (key, fallback, [min, max]) => {
    const value = Number.parseFloat(annotation(key) ?? '');
    return value >= min && value <= max ? value : fallback;
  };
  const autoscaler = annotations[ANNOTATIONS.autoscalerClass];
  const { minScale, maxScale } = scaleLimits(number);
  return {
    class: HANDED_OVER.find((name) => name === autoscaler) ?? 'wherry',
    mode: MODES[annotation('class') ?? ''] ?? DEFAULT_MODE,
    ...(minScale === undefined ? {} : { minScale }),
    ...(maxScale === undefined ? {} : { maxScale }),
    initialScale: number('initial-scale', 1, [1, MAX_SCALE]),
    settings: autoscalerSettings(spec, annotation, number),
  };
}

/** Reads a number in a range; the fallback when it is absent, malformed or out of range. */
type ReadNumber = <T>(key: string, fallback: T, range: readonly [number, number]) => number | T;

/** Returns the older spelling of an annotation, which Knative reads, too. */
function camel(key: string): string {
  return key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function scaleLimits(number: ReadNumber): { minScale?: number; maxScale?: number } {
  return {
    minScale: number('min-scale', undefined, [0, MAX_SCALE]),
    maxScale: number('max-scale', undefined, [1, MAX_SCALE]),
  };
}

function autoscalerSettings(
  spec: ComponentSpec,
  annotation: (key: string) => string | undefined,
  number: ReadNumber,
): AutoscalerSettings {
  const metric = (spec.scaleMetric ?? annotation('metric')) === 'rps' ? 'rps' : 'concurrency';
  const windowSeconds = seconds(annotation('window'), DEFAULTS.windowSeconds, [6, 3600]);
  const panicPercent = number('panic-window-percentage', DEFAULTS.panicWindowPercent, [1, 100]);
  return {
    metric,
    ...podTarget(metric, spec, number),
    panicThreshold:
      number('panic-threshold-percentage', DEFAULTS.panicThresholdPercent, [110, 1000]) / 100,
    maxScaleUpRate: DEFAULTS.maxScaleUpRate,
    maxScaleDownRate: DEFAULTS.maxScaleDownRate,
    stableWindowSeconds: windowSeconds,
    panicWindowSeconds: Math.max(1, Math.round((windowSeconds * panicPercent) / 100)),
    activationScale: number('activation-scale', 1, [1, MAX_SCALE]),
    scaleDownDelaySeconds: seconds(annotation('scale-down-delay'), 0, [0, 3600]),
    retentionSeconds: seconds(annotation('scale-to-zero-pod-retention-period'), 0, [0, 3600]),
  };
}

/** KPA: max(0.01, total × utilisation); total is the target, at most containerConcurrency. */
function podTarget(
  metric: AutoscalerSettings['metric'],
  { scaleTarget, containerConcurrency = 0 }: ComponentSpec,
  number: ReadNumber,
): Pick<AutoscalerSettings, 'target' | 'capacity'> {
  const fallback =
    metric === 'rps' ? DEFAULTS.rpsTarget : containerConcurrency || DEFAULTS.concurrencyTarget;
  // KServe's clients write 0 for "not set".
  const asked = scaleTarget || number('target', 0, [0.01, 1e9]);
  const total = asked > 0 ? asked : fallback;
  const capacity =
    metric === 'concurrency' && containerConcurrency > 0
      ? Math.min(total, containerConcurrency)
      : total;
  const utilization = number(
    'target-utilization-percentage',
    DEFAULTS.utilizationPercent,
    [0.01, 100],
  );
  const fraction = utilization <= 1 ? utilization : utilization / 100;
  return { target: Math.max(0.01, capacity * fraction), capacity };
}

/**
 * Reads Go's duration in seconds: `90s`, `1m30s`, `0.5h`; the fallback when absent, malformed or out of
 * range.
 */
function seconds(text: string | undefined, fallback: number, [min, max]: [number, number]): number {
  const unit = { h: 3600, m: 60, s: 1, ms: 0.001 } as const;
  const parts = [...(text ?? '').matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) return fallback;
  const total = parts.reduce((sum, [, n, u]) => sum + Number(n) * unit[u as keyof typeof unit], 0);
  return total >= min && total <= max ? Math.round(total) : fallback;
}
