/** Conditions of an InferenceService: types and reasons are KServe's where it has one. */
import type { Condition } from './inferenceservice.ts';

export type ConditionType = 'Ready' | 'PredictorReady' | 'IngressReady' | 'NewerRuntimeAvailable';

/** A condition's claim, without the time at which it came to hold. */
export type ConditionState = Omit<Condition, 'lastTransitionTime' | 'type'>;

/** The named condition of a status, if present. */
export function condition(
  conditions: readonly Condition[] | undefined,
  type: ConditionType,
): Condition | undefined {
  return conditions?.find((c) => c.type === type);
}

/**
 * The new list of conditions, sorted by type as KServe's; `lastTransitionTime` moves only when a
 * condition's `status` does.
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

/** True when all are True, False when one is False, otherwise Unknown; says why in the first that is not True. */
export function allOf(states: readonly ConditionState[]): ConditionState {
  const decisive =
    states.find(({ status }) => status === 'False') ??
    states.find(({ status }) => status === 'Unknown');
  return decisive ?? { status: 'True' };
}
