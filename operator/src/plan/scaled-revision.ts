/** A revision that a scaler of the cluster sets the scale of, and what the scalers of all kinds have in common. */
import type { ComponentSpec } from '../api/inferenceservice.ts';
import type { ObjectMeta } from '../api/kube.ts';
import { LABELS, ownedLabels } from '../api/names.ts';
import type { Component, ReplicaBounds } from './component.ts';
import { withoutEmpty } from './fields.ts';
import { owner } from './owner.ts';

/** A revision that something of the cluster is to scale. */
export interface ScaledRevision {
  readonly component: Component;
  /** Name of the revision and of its Deployment. */
  readonly revision: string;
  readonly bounds: ReplicaBounds;
  /** Address, `host:port`, at which KEDA reaches the operator's external scaler; undefined where it is not served. */
  readonly externalScaler: string | undefined;
}

/** Metric that a scaler is to keep, as `spec.predictor.autoScaling.metrics` has it. */
export type ScalerMetric = NonNullable<
  NonNullable<ComponentSpec['autoScaling']>['metrics']
>[number];

/** Utilisation of the CPU that is aimed at where none is given, in percent. KServe: DefaultCPUUtilization. */
export const DEFAULT_CPU_UTILIZATION = 80;

/** Returns the metadata of a revision's scaler. Its name is that of the Deployment, as in KServe. */
export function scalerMetadata({ component, revision }: ScaledRevision): ObjectMeta {
  const { isvc, name, labels, annotations } = component;
  return {
    name: revision,
    namespace: isvc.metadata.namespace,
    labels: {
      ...labels,
      ...ownedLabels(isvc.metadata.name, name),
      [LABELS.revision]: revision,
    },
    annotations: { ...annotations },
    ownerReferences: [owner(isvc)],
  };
}

/**
 * Returns the rules of `spec.predictor.autoScaling.behavior`, in the terms of autoscaling/v2; undefined where there
 * are none.
 */
export function scalingBehavior({ autoScaling }: ComponentSpec): object | undefined {
  const { scaleUp = {}, scaleDown = {} } = autoScaling?.behavior ?? {};
  const rules = withoutEmpty({
    scaleUp: withoutEmpty(scaleUp),
    scaleDown: withoutEmpty(scaleDown),
  });
  return Object.keys(rules).length === 0 ? undefined : rules;
}
