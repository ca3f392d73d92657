/** Events that `kubectl describe` shows: KServe's, and why a service is not ready. */
import type { ObjectEvent } from '../api/cluster.ts';
import { condition } from '../api/conditions.ts';
import type { InferenceServiceStatus } from '../api/inferenceservice.ts';

/** Returns one event for each change of Ready to True, and for each new reason of a False one. */
export function readyEvents(
  before: InferenceServiceStatus | undefined,
  after: InferenceServiceStatus,
): ObjectEvent[] {
  const was = condition(before?.conditions, 'Ready');
  const is = condition(after.conditions, 'Ready');
  if (is === undefined || (is.status === was?.status && is.reason === was.reason)) return [];
  if (is.status === 'True') {
    return [
      { type: 'Normal', reason: 'InferenceServiceReady', message: 'InferenceService is ready' },
    ];
  }
  // Pods that wait for a node have the scheduler's own event.
  if (is.status === 'Unknown' || is.reason === 'Unschedulable') return [];
  const message = `${is.reason}: ${is.message}`;
  return [{ type: 'Warning', reason: 'InferenceServiceNotReady', message }];
}
