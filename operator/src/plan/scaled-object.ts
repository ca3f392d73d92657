/**
 * The ScaledObject of a revision, for the autoscaler class keda: the triggers that KServe makes of a component, and one
 * of Wherry's own by requests.
 */
import type { ComponentSpec } from '../api/inferenceservice.ts';
import type { KubeObject } from '../api/kube.ts';
import { withinLabel } from '../api/names.ts';
import type { Component } from './component.ts';
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
  const { component, revision, bounds, externalScaler } = scaled;
  const { spec } = component;
  const byRequests = isScaledByRequests(component) && externalScaler !== undefined;
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
      minReplicaCount: bounds.min,
      maxReplicaCount: bounds.max,
      // Wherry's own trigger is active until every router holds the requests: it needs no time to cool down.
      ...(byRequests && { cooldownPeriod: 0 }),
      triggers: [
        ...triggers(spec),
        ...(byRequests ? [requestTrigger(component, revision, externalScaler)] : []),
      ],
      ...(isAdvanced && { advanced: { horizontalPodAutoscalerConfig } }),
    },
  } as KubeObject;
}

/**
 * Says whether KEDA is to hear of a component's requests: it is scaled by them, or may have no pod, which is not safe as
 * long as somebody asks.
 */
function isScaledByRequests({ spec, bounds }: Component): boolean {
  return spec.scaleMetric !== undefined || bounds.min === 0;
}

/** Trigger that is answered by the operator; its metadata tell the operator everything that it answers by. */
function requestTrigger(
  { autoscaling: { settings } }: Component,
  revision: string,
  scalerAddress: string,
): object {
  const { metric } = settings;
  // KEDA cuts off what is smaller than a thousandth.
  const target = String(Number(settings.target.toFixed(3)));
  return { type: 'external-push', metadata: { scalerAddress, revision, metric, target } };
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
