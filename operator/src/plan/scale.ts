/** How many pods each revision may have, and how many it is to have now. */
import type { Component } from './component.ts';
import type { PlanInput, Scale } from './input.ts';
import type { Revision } from './revision.ts';
import type { Traffic } from './traffic.ts';

export interface ReplicaBounds {
  readonly min: number;
  readonly max: number;
}

/** Pods that would carry all of the traffic: what the rolled-out revision has now, within the limits. */
export function neededForAll(
  { minReplicas, maxReplicas }: Component,
  rolledOut: Revision | undefined,
): number {
  return Math.min(maxReplicas, Math.max(minReplicas, rolledOut?.replicas ?? 0));
}

/**
 * Bounds of an active revision. One that is to take a share from another gets the pods for that share
 * first, so that traffic moves onto capacity and not ahead of it.
 */
export function bounds(options: {
  component: Component;
  revision: string;
  traffic: Traffic;
  target: string;
  needed: number;
}): ReplicaBounds {
  const { component, revision, traffic, target, needed } = options;
  const { minReplicas, maxReplicas } = component;
  const rollingOut = revision === target && revision !== traffic.rolledOut;
  if (!rollingOut) return { min: minReplicas, max: maxReplicas };
  const goal =
    traffic.latestReady === target ? traffic.goalPercent : component.predictor.canaryTrafficPercent;
  return { min: Math.max(1, Math.ceil(((goal ?? 100) / 100) * needed)), max: maxReplicas };
}

/** Revisions that must keep their pods: asked for, with traffic, or perhaps still in a router's use. */
export function activeRevisions(
  all: readonly Revision[],
  target: string,
  traffic: Traffic,
  routing: PlanInput['routing'],
): Set<string> {
  const active = new Set([target]);
  for (const { revisionName } of traffic.targets) active.add(revisionName);
  for (const { name, replicas } of all) {
    // Not known means maybe: only what every router has let go of is scaled down.
    if (replicas > 0 && (routing.inUse?.includes(name) ?? true)) active.add(name);
  }
  return active;
}

/** The scale of an existing revision, or undefined when it is right already or not ours to set. */
export function scaleOf(options: {
  revision: Revision;
  active: boolean;
  bounds: ReplicaBounds;
  component: Component;
  demand: number | undefined;
}): Scale | undefined {
  const { revision, active, component, demand } = options;
  const { min, max } = options.bounds;
  const { name, replicas } = revision;
  if (!active) {
    return replicas === 0
      ? undefined
      : { deployment: name, replicas: 0, reason: 'the routers no longer use this revision' };
  }
  if (component.autoscalerClass === 'external' && replicas > 0) return undefined;
  const fixed = component.autoscalerClass === 'none';
  const wanted = Math.min(max, Math.max(min, fixed ? min : (demand ?? replicas)));
  if (wanted === replicas) return undefined;
  const reason =
    demand !== undefined && !fixed && wanted === demand
      ? `demand is ${demand} replicas`
      : `between ${min} and ${max} replicas`;
  return { deployment: name, replicas: wanted, reason };
}
