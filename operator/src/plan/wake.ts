/** Decides with how many pods a revision starts that has none, for the requests that wait for it. */
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { type RevisionRef, revisionName } from '../api/revision.ts';
import { wakeScale } from './autoscale/zero.ts';
import { components } from './component.ts';

/**
 * Returns the pods that a revision is to start with, as many as those that wait need; 0 when it is not held, because
 * the service is stopped or gone on to another revision.
 * @param waiting number of requests that wait, at least 1
 */
export function wakeReplicas(
  isvc: InferenceServiceData,
  ref: RevisionRef,
  waiting: number,
): number {
  const component = components(isvc).find(({ name }) => name === ref.component);
  const held = isvc.status?.components?.[ref.component]?.heldRevisions ?? [];
  if (component === undefined || component.isStopped || !held.includes(revisionName(ref))) return 0;
  return wakeScale(component.autoscaling.settings, waiting, component.bounds.max);
}
