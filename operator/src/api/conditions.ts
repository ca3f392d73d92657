/** Conditions of an InferenceService. Their types and reasons are KServe's where it has one. */
import type { Condition } from './inferenceservice.ts';

/**
 * Type of a condition that the operator sets; `NewerRuntimeAvailable`, `RevisionEdited`, `ScalerReady` and `LimitNotKept` are
 * Wherry's own, the others are KServe's.
 */
export type ConditionType =
  | 'Ready'
  | 'PredictorReady'
  | 'IngressReady'
  | 'Stopped'
  | 'NewerRuntimeAvailable'
  | 'RevisionEdited'
  | 'ScalerReady'
  | 'LimitNotKept';

/**
 * State of a condition: status, reason and message, without its type and the time at which it came to hold.
 */
export type ConditionState = Omit<Condition, 'lastTransitionTime' | 'type'>;

/** Returns the condition of a type; undefined when the list has none. */
export function condition(
  conditions: readonly Condition[] | undefined,
  type: ConditionType,
): Condition | undefined {
  return conditions?.find((c) => c.type === type);
}

/**
 * Returns a list of conditions with the states given, sorted by type as KServe's. A condition keeps its
 * `lastTransitionTime` from `previous` while its status stays; a type without a state is left out.
 * @param now ISO 8601 time
 */
export function conditions(
  previous: readonly Condition[] | undefined,
  states: Partial<Record<ConditionType, ConditionState>>,
  now: string,
): Condition[] {
  return (Object.keys(states) as ConditionType[]).sort().flatMap((type) => {
    const state = states[type];
    if (state === undefined) return [];
    const before = condition(previous, type);
    const lastTransitionTime =
      before?.status === state.status ? (before.lastTransitionTime ?? now) : now;
    return [{ type, ...state, lastTransitionTime }];
  });
}

/**
 * Returns the state that decides, with its reason and message: the first that is False, or else the first that is
 * Unknown. Where all are True, it is the first that has a reason, such as `Idle`.
 */
export function allOf(states: readonly ConditionState[]): ConditionState {
  const decisive =
    states.find(({ status }) => status === 'False') ??
    states.find(({ status }) => status === 'Unknown');
  return decisive ?? states.find(({ reason }) => reason !== undefined) ?? { status: 'True' };
}
