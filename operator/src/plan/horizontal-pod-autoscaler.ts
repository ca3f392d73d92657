/** The HorizontalPodAutoscaler of a revision, for the autoscaler class hpa: what KServe makes of a component. */
import type { ComponentSpec } from '../api/inferenceservice.ts';
import type { KubeObject } from '../api/kube.ts';
import { canonicalQuantity } from './quantity.ts';
import {
  DEFAULT_CPU_UTILIZATION,
  type ScaledRevision,
  type ScalerMetric,
  scalerMetadata,
  scalingBehavior,
} from './scaled-revision.ts';

/** Builds the HorizontalPodAutoscaler that scales a revision's Deployment. */
export function horizontalPodAutoscaler(scaled: ScaledRevision): KubeObject {
  const { component, revision, bounds } = scaled;
  // Kubernetes has no 0 here where only pods are measured; KServe reads it as 1, too.
  const min = Math.max(1, bounds.min);
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: scalerMetadata(scaled),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: revision },
      minReplicas: min,
      maxReplicas: Math.max(min, bounds.max),
      metrics: metrics(component.spec),
      behavior: scalingBehavior(component.spec),
    },
  } as KubeObject;
}

function metrics({ autoScaling, scaleMetric, scaleTarget }: ComponentSpec): object[] {
  const asked = autoScaling?.metrics ?? [];
  if (asked.length > 0) return asked.flatMap(({ resource }) => resourceMetric(resource));
  const name = scaleMetric === 'memory' ? 'memory' : 'cpu';
  const averageUtilization = scaleTarget || DEFAULT_CPU_UTILIZATION;
  return resourceMetric({ name, target: { type: 'Utilization', averageUtilization } });
}

function resourceMetric(resource: ScalerMetric['resource']): object[] {
  if (resource === undefined) return [];
  const { name, target } = resource;
  const { type, averageValue = '', averageUtilization = DEFAULT_CPU_UTILIZATION } = target;
  const value =
    type === 'AverageValue'
      ? { averageValue: canonicalQuantity(String(averageValue)) }
      : { averageUtilization };
  return [{ type: 'Resource', resource: { name, target: { type, ...value } } }];
}
