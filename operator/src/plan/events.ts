/** Events that `kubectl describe` shows: KServe's, and why a service is not ready. */
import type { ObjectEvent } from '../api/cluster.ts';
import { condition } from '../api/conditions.ts';
import type { InferenceServiceStatus } from '../api/inferenceservice.ts';

/** Reasons of which the scheduler, a scaler of the user's own, or the routers' pods have told already. */
const TOLD_ELSEWHERE = new Set(['Unschedulable', 'ScaledToZero', 'NoRouter']);

/** Returns one event for each change of Ready to True, and for each new reason of a False one. */
export function readyEvents(
  before: InferenceServiceStatus | undefined,
  after: InferenceServiceStatus,
): ObjectEvent[] {
  const was = condition(before?.conditions, 'Ready');
  const is = condition(after.conditions, 'Ready');
  if (is === undefined || (is.status === was?.status && is.reason === was.reason)) return [];
  if (is.status === 'True') {
    // Who ends the last pod, or starts the first one, tells of it.
    if (was?.status === 'True') return [];
    return [
      { type: 'Normal', reason: 'InferenceServiceReady', message: 'InferenceService is ready' },
    ];
  }
  if (is.reason === 'Stopped') {
    return [
      { type: 'Normal', reason: 'InferenceServiceStopped', message: 'InferenceService is stopped' },
    ];
  }
  if (is.status === 'Unknown' || TOLD_ELSEWHERE.has(is.reason ?? '')) return [];
  const message = `${is.reason}: ${is.message}`;
  return [{ type: 'Warning', reason: 'InferenceServiceNotReady', message }];
}
