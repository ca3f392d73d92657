/**
 * Scalers of the cluster that Wherry makes in place of its own autoscaler: one for each revision that is to have
 * pods. It follows that revision's Deployment, within the bounds that the revision needs for its share.
 */
import type { ConditionState } from '../api/conditions.ts';
import { KINDS, type Kind } from '../api/kinds.ts';
import type { KubeObject } from '../api/kube.ts';
import type { AutoscalerClass } from './autoscale/settings.ts';
import type { Component } from './component.ts';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.ts';
import type { PlanInput } from './input.ts';
import { scaledObject } from './scaled-object.ts';
import type { ScaledRevision } from './scaled-revision.ts';

interface Scaler {
  readonly kind: Kind;
  readonly build: (scaled: ScaledRevision) => KubeObject;
}

/** Scalers by autoscaler class; the other classes have none of the cluster. */
const SCALERS: Readonly<Partial<Record<AutoscalerClass, Scaler>>> = {
  hpa: { kind: 'HorizontalPodAutoscaler', build: horizontalPodAutoscaler },
  keda: { kind: 'ScaledObject', build: scaledObject },
};

/** Returns the scaler of a revision, or nothing where the class asks for none or the cluster lacks its kind. */
export function scalers(scaled: ScaledRevision, { related }: PlanInput): KubeObject[] {
  const scaler = SCALERS[scaled.component.autoscaling.class];
  if (scaler === undefined || related.absentKinds.includes(scaler.kind)) return [];
  return [scaler.build(scaled)];
}

/** Returns the state of a component whose autoscaler class asks for a kind that the cluster lacks. */
export function missingScaler(
  { autoscaling }: Component,
  { related }: PlanInput,
): ConditionState | undefined {
  const kind = SCALERS[autoscaling.class]?.kind;
  if (kind === undefined || !related.absentKinds.includes(kind)) return undefined;
  return {
    status: 'False',
    reason: 'AutoscalerMissing',
    message: `nothing scales the pods, which serve: the autoscaler class ${autoscaling.class} needs the kind ${kind} of ${KINDS[kind].apiVersion}, which is not installed here`,
  };
}
