/** Numbers of pods: those that each revision may have, and those that it is to have now. */
import { formatRevision } from '../api/revision.ts';
import type { Component, ReplicaBounds } from './component.ts';
import type { DesiredReplicas, PlanInput } from './input.ts';
import type { Revision } from './revision.ts';
import type { Traffic } from './traffic.ts';

/**
 * Returns the pods that would carry all of the traffic: what the stable revision has now, within the limits. A
 * scaler of the user's own heeds no limits of ours.
 */
export function neededForAll(
  { bounds: { min, max }, autoscaling }: Component,
  stable: Revision | undefined,
): number {
  const pods = Math.max(1, min, stable?.replicas ?? 0);
  return autoscaling.class === 'external' ? pods : Math.min(max, pods);
}

/** Options of `revisionBounds`. */
export interface BoundsOptions {
  readonly component: Component;
  /** Name of the revision whose bounds are wanted. */
  readonly revision: string;
  readonly traffic: Traffic;
  /** Name of the revision that the spec asks for. */
  readonly target: string;
  readonly neededForAll: number;
}

/**
 * Returns the bounds of an active revision. One that is to take a share from another gets the pods for that share
 * first, so that traffic moves onto capacity and not ahead of it.
 */
export function revisionBounds(options: BoundsOptions): ReplicaBounds {
  const { component, traffic, target } = options;
  if (!isRollingOut(options) || mayIdle(options)) return component.bounds;
  const goal =
    traffic.latestReady === target ? traffic.goalPercent : component.spec.canaryTrafficPercent;
  const share = (goal ?? 100) / 100;
  const initial = traffic.latestReady === target ? 1 : component.autoscaling.initialScale;
  const min = Math.max(initial, Math.ceil(share * options.neededForAll));
  return { min, max: Math.max(min, component.bounds.max) };
}

/** Says whether a revision is the one that is asked for and has not had all of the traffic yet. */
export function isRollingOut({
  revision,
  target,
  traffic,
}: Pick<BoundsOptions, 'revision' | 'target' | 'traffic'>): boolean {
  return revision === target && revision !== traffic.stable;
}

/** Says whether a canary that has its share may have no pod. A dark one stays up, to be looked at. */
function mayIdle({ component, traffic, target }: BoundsOptions): boolean {
  const { latestReady, goalPercent } = traffic;
  if (component.bounds.min > 0 || latestReady !== target || goalPercent === 0) return false;
  return traffic.targets.some(({ revisionName, percent }) => {
    return revisionName === target && percent === goalPercent;
  });
}

/**
 * Returns the names of the revisions that must keep their pods: asked for, with traffic, or perhaps still in
 * a router's use.
 */
export function activeRevisions(
  all: readonly Revision[],
  target: string,
  traffic: Traffic,
  { inUse }: PlanInput['routing'],
): Set<string> {
  const active = new Set([target]);
  for (const { revisionName } of traffic.targets) active.add(revisionName);
  const used = inUse && new Set(inUse.map(formatRevision));
  for (const { ref, name, replicas } of all) {
    // Not known means maybe: only what every router has let go of is scaled down.
    if (replicas > 0 && (used?.has(formatRevision(ref)) ?? true)) active.add(name);
  }
  return active;
}

/** Options of `replicasOf`. */
export interface ReplicasOptions {
  readonly revision: Revision;
  readonly isActive: boolean;
  readonly bounds: ReplicaBounds;
  readonly component: Component;
  /**
   * True when the revision begins to serve: it rolls out, or the service was stopped. A scaler that may leave it
   * without pods cannot know it yet.
   */
  readonly isStarting: boolean;
  /** Replicas that the autoscaler desires, and why; undefined while it has no opinion. */
  readonly desired: Pick<DesiredReplicas, 'replicas' | 'reason'> | undefined;
}

/**
 * Returns the replicas that an existing revision is to have; those it has, be it none, where the scale is not ours
 * to set.
 */
export function replicasOf(options: ReplicasOptions): number {
  const { revision, isActive, component, isStarting, desired } = options;
  const { min, max } = options.bounds;
  const { replicas } = revision;
  if (!isActive) return 0;
  switch (component.autoscaling.class) {
    case 'external':
    case 'keda':
      return isStarting ? Math.max(1, replicas, min) : replicas;
    case 'hpa':
      // A HorizontalPodAutoscaler leaves a Deployment alone that has no pods.
      return Math.max(replicas, min);
    case 'none':
      return min;
    case 'wherry':
      return Math.min(max, Math.max(isStarting ? 1 : 0, min, desired?.replicas ?? replicas));
  }
}
