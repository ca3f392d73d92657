/**
 * Changes of the scale of revisions, and why: the status tells the last one of each revision, and an event each one
 * that is carried out.
 */
import type { ComponentStatus, ScaleChange } from '../api/inferenceservice.ts';
import { explain } from './autoscale/decision.ts';
import type { Revision } from './revision.ts';
import type { ReplicasOptions } from './scale.ts';

/** Revision with the replicas that it is to have. */
export interface RevisionScale {
  readonly revision: Pick<Revision, 'name' | 'replicas'>;
  readonly replicas: number;
  /** Reason for those replicas, in words. */
  readonly reason: string;
}

/**
 * Returns the last change of the scale of each revision: the one that is to be made now, or the one that led to the
 * pods that the revision has. A scale that somebody else has set is not explained.
 * @param before the component's status as written last
 * @param now ISO 8601 time
 */
export function scaleChanges(
  scales: readonly RevisionScale[],
  before: ComponentStatus | undefined,
  now: string,
): ScaleChange[] {
  const told = new Map(before?.scaleChanges?.map((change) => [change.revisionName, change]));
  return scales.flatMap(({ revision: { name, replicas: from }, replicas: to, reason }) => {
    const last = told.get(name);
    const change = (text: string, numbers: { from: number; to: number }): ScaleChange => ({
      ...{ revisionName: name, ...numbers },
      ...{ message: `${numbers.from} → ${numbers.to}: ${text}`, time: now },
    });
    if (from !== to) {
      // The cluster has not taken it up yet, or the caches do not show it.
      return last?.from === from && last.to === to ? last : change(reason, { from, to });
    }
    if (last?.to === from) return last;
    // Who holds the requests of a revision without pods starts some by itself.
    const isWoken = last?.to === 0 && before?.heldRevisions?.includes(name);
    return isWoken ? change('woken by requests that waited', { from: 0, to }) : [];
  });
}

/**
 * Returns the reason for the replicas that a revision is to have: what the autoscaler measured, and what kept the scale
 * from following that alone.
 * @param replicas replicas that the revision is to have, be it one pod for requests that no router holds yet
 */
export function scaleReason(options: ReplicasOptions, replicas: number): string {
  const { component, isActive, desired, revision } = options;
  if (component.isStopped) return 'the service is stopped';
  if (!isActive) return 'another revision takes its place';
  const { class: scaler, settings } = component.autoscaling;
  const opinion = scaler === 'wherry' ? desired : undefined;
  const asked = opinion?.replicas ?? revision.replicas;
  const limits = [
    ...(replicas > asked ? [lowerLimit(options, replicas)] : []),
    ...(replicas < asked ? [`at most ${replicas}`] : []),
  ];
  const load = opinion === undefined ? [] : [explain(opinion.reason, settings.metric)];
  return [...load, ...limits].join(', ');
}

/** Returns the words for the limit that keeps the scale from being lower. */
function lowerLimit({ bounds, component, isStarting }: ReplicasOptions, replicas: number): string {
  if (bounds.min > component.bounds.min) return 'for its share of the traffic';
  if (bounds.min > 0) return `at least ${replicas}`;
  return isStarting
    ? 'the service is no longer stopped'
    : 'the last pod stays until every router holds requests';
}
