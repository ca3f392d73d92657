/** The ScaledObject of a revision, for the autoscaler class keda: what KServe makes of a component. */
import type { ComponentSpec } from '../api/inferenceservice.ts';
import type { KubeObject } from '../api/kube.ts';
import { withinLabel } from '../api/names.ts';
import { quantityValue } from './quantity.ts';
import {
  DEFAULT_CPU_UTILIZATION,
  type ScaledRevision,
  type ScalerMetric,
  scalerMetadata,
  scalingBehavior,
} from './scaled-revision.ts';

/** Builds the ScaledObject that scales a revision's Deployment. */
export function scaledObject(scaled: ScaledRevision): KubeObject {
  const { component, revision, bounds, isRollingOut } = scaled;
  const { spec } = component;
  // What is to get traffic must not be let go of before.
  const mayHaveNone = spec.minReplicas === 0 && !isRollingOut;
  const min = mayHaveNone ? 0 : Math.max(1, bounds.min);
  // KEDA takes no name that is too long for a label.
  const nameOfKedas = `keda-hpa-${revision}`;
  const horizontalPodAutoscalerConfig = {
    ...(withinLabel(nameOfKedas) !== nameOfKedas && { name: withinLabel(nameOfKedas) }),
    ...(scalingBehavior(spec) && { behavior: scalingBehavior(spec) }),
  };
  const isAdvanced = Object.keys(horizontalPodAutoscalerConfig).length > 0;
  return {
    apiVersion: 'keda.sh/v1alpha1',
    kind: 'ScaledObject',
    metadata: scalerMetadata(scaled),
    spec: {
      scaleTargetRef: { name: revision },
      minReplicaCount: min,
      maxReplicaCount: Math.max(1, min, bounds.max),
      triggers: triggers(spec),
      ...(isAdvanced && { advanced: { horizontalPodAutoscalerConfig } }),
    },
  } as KubeObject;
}

function triggers({ autoScaling }: ComponentSpec): object[] {
  return (autoScaling?.metrics ?? []).flatMap(({ resource, external }) => [
    ...resourceTrigger(resource),
    ...externalTrigger(external),
  ]);
}

function resourceTrigger(resource: ScalerMetric['resource']): object[] {
  if (resource === undefined) return [];
  const { type, averageUtilization = DEFAULT_CPU_UTILIZATION, averageValue = '' } = resource.target;
  const value = type === 'AverageValue' ? averageValue : averageUtilization;
  return [{ type: resource.name, metricType: type, metadata: { value: String(value) } }];
}

function externalTrigger(external: ScalerMetric['external']): object[] {
  if (external === undefined) return [];
  const { metric, target, authenticationRef: authentication } = external;
  const { name } = authentication?.authenticationRef ?? {};
  const authModes = authentication?.authModes;
  const trigger = {
    type: metric.backend,
    metadata: {
      serverAddress: metric.serverAddress,
      query: metric.query,
      // As Go writes it with %f.
      threshold: quantityValue(String(target.value)).toFixed(6),
      ...(metric.namespace && { namespace: metric.namespace }),
      ...(authModes && { authModes }),
    },
    ...(name && { authenticationRef: { name } }),
  };
  return [trigger];
}
