/** Autoscaling settings of a component: KServe's fields and Knative's annotations, with KPA's defaults. */
import type { ComponentSpec } from '../../api/inferenceservice.ts';
import type { ObjectMeta } from '../../api/kube.ts';
import { ANNOTATIONS, AUTOSCALING_PREFIX } from '../../api/names.ts';
import type { AutoscalerSettings } from './kpa.ts';

/** The class says who sets the scale: Wherry, nobody, or something of the user's own. */
export type AutoscalerClass = 'wherry' | 'none' | 'external';

/** Autoscaling settings of a component, defaults resolved. */
export interface ComponentAutoscaling {
  readonly class: AutoscalerClass;
  readonly metric: 'concurrency' | 'rps';
  readonly settings: AutoscalerSettings;
  readonly panicWindowSeconds: number;
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

/** Reads the settings of a component: its own annotations count more than the InferenceService's. */
export function componentAutoscaling(
  metadata: ObjectMeta,
  spec: ComponentSpec,
): ComponentAutoscaling {
  const annotations = { ...metadata.annotations, ...spec.annotations };
  const annotation = (key: string) => annotations[`${AUTOSCALING_PREFIX}${key}`];
  const number = (key: string, fallback: number, [min, max]: [number, number]) => {
    const value = Number.parseFloat(annotation(key) ?? '');
    return value >= min && value <= max ? value : fallback;
  };
  const metric = (spec.scaleMetric ?? annotation('metric')) === 'rps' ? 'rps' : 'concurrency';
  const windowSeconds = seconds(annotation('window'), DEFAULTS.windowSeconds, [6, 3600]);
  const panicPercent = number('panic-window-percentage', DEFAULTS.panicWindowPercent, [1, 100]);
  const autoscaler = annotations[ANNOTATIONS.autoscalerClass];
  return {
    class: autoscaler === 'none' || autoscaler === 'external' ? autoscaler : 'wherry',
    metric,
    panicWindowSeconds: Math.max(1, Math.round((windowSeconds * panicPercent) / 100)),
    settings: {
      target: podTarget(metric, spec, number),
      panicThreshold:
        number('panic-threshold-percentage', DEFAULTS.panicThresholdPercent, [110, 1000]) / 100,
      maxScaleUpRate: DEFAULTS.maxScaleUpRate,
      maxScaleDownRate: DEFAULTS.maxScaleDownRate,
      stableWindowSeconds: windowSeconds,
      activationScale: number('activation-scale', 1, [1, 1e6]),
      scaleDownDelaySeconds: seconds(annotation('scale-down-delay'), 0, [0, 3600]),
    },
  };
}

/** KPA: max(0.01, total × utilisation); total is the target, at most containerConcurrency. */
function podTarget(
  metric: 'concurrency' | 'rps',
  { scaleTarget, containerConcurrency = 0 }: ComponentSpec,
  number: (key: string, fallback: number, range: [number, number]) => number,
): number {
  const fallback =
    metric === 'rps' ? DEFAULTS.rpsTarget : containerConcurrency || DEFAULTS.concurrencyTarget;
  // KServe's clients write 0 for "not set".
  const asked = scaleTarget || number('target', 0, [0.01, 1e9]);
  const total = asked > 0 ? asked : fallback;
  const limited =
    metric === 'concurrency' && containerConcurrency > 0
      ? Math.min(total, containerConcurrency)
      : total;
  const utilization = number(
    'target-utilization-percentage',
    DEFAULTS.utilizationPercent,
    [0.01, 100],
  );
  const fraction = utilization <= 1 ? utilization : utilization / 100;
  return Math.max(0.01, limited * fraction);
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
