/**
 * Scalers of the cluster that Wherry makes in place of its own autoscaler: one for each revision that is to have
 * pods. It follows that revision's Deployment, within the bounds that the revision needs for its share.
 */
import type { ConditionState } from '../api/conditions.ts';
import { KINDS, type Kind } from '../api/kinds.ts';
import type { KubeObject, ScalerCondition, ScalerStatus } from '../api/kube.ts';
import type { AutoscalerClass } from './autoscale/settings.ts';
import type { Component } from './component.ts';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.ts';
import type { PlanInput } from './input.ts';
import { belongsTo } from './owner.ts';
import { scaledObject } from './scaled-object.ts';
import type { ScaledRevision } from './scaled-revision.ts';

interface Scaler {
  readonly kind: Kind;
  readonly build: (scaled: ScaledRevision) => KubeObject;
  /** Says whether a condition tells that the scaler cannot scale. */
  readonly isFailure: (condition: ScalerCondition) => boolean;
}

/** Scalers by autoscaler class; the other classes have none of the cluster. */
const SCALERS: Readonly<Partial<Record<AutoscalerClass, Scaler>>> = {
  hpa: {
    kind: 'HorizontalPodAutoscaler',
    build: horizontalPodAutoscaler,
    // It calls itself disabled while there are no pods, which is nothing to mend.
    isFailure: ({ type, status, reason }) =>
      ['AbleToScale', 'ScalingActive'].includes(type) &&
      status === 'False' &&
      reason !== 'ScalingDisabled',
  },
  keda: {
    kind: 'ScaledObject',
    build: scaledObject,
    // Unknown with a reason is a part of the triggers that fails; without one KEDA has not looked yet.
    isFailure: ({ type, status, reason }) =>
      (type === 'Ready' && (status === 'False' || (status === 'Unknown' && Boolean(reason)))) ||
      (type === 'Fallback' && status === 'True'),
  },
};

/** Returns the scaler of a revision, or nothing where the class asks for none or the cluster lacks what it needs. */
export function scalers(scaled: ScaledRevision, input: PlanInput): KubeObject[] {
  const scaler = SCALERS[scaled.component.autoscaling.class];
  if (scaler === undefined || missingScaler(scaled.component, input) !== undefined) return [];
  return [scaler.build(scaled)];
}

/**
 * Returns the state of scalers of which one says that it cannot scale, in that scaler's words; undefined where all can.
 * It makes no service unready: the pods serve, and stay as many as they are.
 * @param planned scalers of one component, as a plan makes them
 */
export function failingScaler(
  { autoscaling }: Component,
  planned: readonly KubeObject[],
  { children, parent }: PlanInput,
): ConditionState | undefined {
  const scaler = SCALERS[autoscaling.class];
  for (const object of children) {
    const { kind, metadata } = object;
    const { name } = metadata;
    const isPlanned = planned.some((own) => own.kind === kind && own.metadata.name === name);
    if (!isPlanned || belongsTo(object, parent) !== 'own') continue;
    const { status } = object as KubeObject & { status?: ScalerStatus };
    const failure = status?.conditions?.find((condition) => scaler?.isFailure(condition));
    if (failure === undefined) continue;
    const { reason = failure.type, message = '' } = failure;
    return {
      status: 'False',
      severity: 'Warning',
      reason,
      message: `${kind} "${name}": ${message}`,
    };
  }
  return undefined;
}

/** Returns the state of a component whose autoscaler class asks for what the cluster lacks. */
export function missingScaler(
  { autoscaling, spec }: Component,
  { related, config }: PlanInput,
): ConditionState | undefined {
  const kind = SCALERS[autoscaling.class]?.kind;
  if (kind === undefined) return undefined;
  const isAbsent = related.absentKinds.includes(kind);
  const isUnanswered =
    kind === 'ScaledObject' &&
    spec.scaleMetric !== undefined &&
    config.externalScaler === undefined;
  if (!isAbsent && !isUnanswered) return undefined;
  const need = isAbsent
    ? `the kind ${kind} of ${KINDS[kind].apiVersion}, which is not installed here`
    : `the operator's external scaler for scaleMetric ${spec.scaleMetric}: set the chart's value externalScaler.enabled`;
  return {
    status: 'False',
    reason: 'AutoscalerMissing',
    message: `nothing scales the pods, which serve: the autoscaler class ${autoscaling.class} needs ${need}`,
  };
}
