/** Refusals of the cluster, told in the status: none is known to a log alone. */
import { allOf, type ConditionState, condition, conditions } from '../api/conditions.ts';
import type { InferenceServiceStatus } from '../api/inferenceservice.ts';
import { KINDS, type Kind } from '../api/kinds.ts';
import type { KubeObject } from '../api/kube.ts';
import { readyEvents } from './events.ts';
import type { Plan, PlanInput } from './input.ts';
import { describeOwner } from './owner.ts';
import { invalidStatus } from './status.ts';

/** A write of a child that the cluster will not carry out. */
export interface ChildRefusal {
  readonly kind: Kind;
  readonly name: string;
  /** NameTaken when the name is somebody else's; ApplyRefused for what the API server says no to. */
  readonly reason: 'NameTaken' | 'ApplyRefused';
  readonly message: string;
}

/** Returns the refusal of a child whose name belongs to `existing`, an object of somebody else. */
export function nameTaken(kind: Kind, existing: KubeObject): ChildRefusal {
  const { name } = existing.metadata;
  return {
    kind,
    name,
    reason: 'NameTaken',
    message: `${kind} "${name}" exists and is not this InferenceService's: ${describeOwner(existing)}; delete it, or choose another name for the InferenceService`,
  };
}

/** Puts refusals into the status of a plan, and the events that follow from that. */
export function withRefusals(
  plan: Plan,
  input: PlanInput,
  refusals: readonly ChildRefusal[],
): Plan {
  if (refusals.length === 0) return plan;
  const isNew = ({ name }: ChildRefusal) =>
    !input.children.some(({ metadata }) => metadata.name === name);
  const ofDeployment = refusals.find(({ kind }) => kind === 'Deployment');
  const ofPredictor = ofDeployment ?? refusals.find(({ kind }) => KINDS[kind].isScaler);
  const ofOther = refusals.find(({ kind }) => kind !== 'Deployment' && !KINDS[kind].isScaler);
  const base =
    ofDeployment !== undefined && isNew(ofDeployment)
      ? invalidStatus(
          input,
          { reason: 'InvalidPredictorSpec', message: ofDeployment.message },
          plan.status.components?.predictor?.scaleChanges ?? [],
        )
      : plan.status;
  const status = withStates(input, base, {
    PredictorReady: ofPredictor && told(ofPredictor),
    IngressReady: ofOther && told(ofOther),
  });
  return { ...plan, status, events: readyEvents(input.parent.status, status) };
}

function told({ reason, message }: ChildRefusal): ConditionState {
  return { status: 'False', reason, message };
}

type Part = 'PredictorReady' | 'IngressReady';

/** Puts the states over those of a status; what is False already keeps its own reason, such as HostTaken. */
function withStates(
  { parent, now }: PlanInput,
  status: InferenceServiceStatus,
  states: Partial<Record<Part, ConditionState>>,
): InferenceServiceStatus {
  const stateOf = (part: Part): ConditionState => {
    const current = condition(status.conditions, part);
    const isOwnProblem = part === 'IngressReady' && current?.status === 'False';
    return (isOwnProblem ? undefined : states[part]) ?? withoutTime(current);
  };
  const parts = {
    PredictorReady: stateOf('PredictorReady'),
    IngressReady: stateOf('IngressReady'),
  };
  const others = (status.conditions ?? []).map((other) => [other.type, withoutTime(other)]);
  return {
    ...status,
    conditions: conditions(
      parent.status?.conditions,
      {
        ...Object.fromEntries(others),
        ...parts,
        Ready: allOf([parts.PredictorReady, parts.IngressReady]),
      },
      now,
    ),
  };
}

function withoutTime(current: ReturnType<typeof condition>): ConditionState {
  if (current === undefined) return { status: 'Unknown' };
  const { type, lastTransitionTime, ...state } = current;
  return state;
}
