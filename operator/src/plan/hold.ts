/**
 * Zero without a guess: the requests of a revision are held in every router before its last pod goes, and until it
 * has a ready pod again.
 *
 *   no request for long      every router holds         request          pod ready
 *   1 pod, not held     →    1 pod, held           →    0 pods, held  →  1 pod, held  →  1 pod, not held
 *
 * Which revisions are held stands in the status, from which every operator makes the routes.
 */
import type { ComponentStatus } from '../api/inferenceservice.ts';
import { revisionName } from '../api/revision.ts';
import type { Component } from './component.ts';
import type { DesiredReplicas, RoutingState } from './input.ts';
import type { Revision } from './revision.ts';
import type { Traffic } from './traffic.ts';

/** Everything that the holding of one revision follows from. */
export interface HoldInput {
  readonly revision: Revision;
  /** Replicas that the revision is to have by its scale alone. */
  readonly wanted: number;
  /** True when the revision begins to serve: nobody can have asked it yet. */
  readonly isStarting: boolean;
  /** Replicas that the autoscaler desires, whoever sets the scale: none after a long time without a request. */
  readonly desired: DesiredReplicas | undefined;
  /** True when the revision may run. */
  readonly isActive: boolean;
  /** The component, whose bounds say whether it may have no pod. */
  readonly component: Pick<Component, 'bounds'>;
  readonly traffic: Traffic;
  readonly routing: RoutingState;
  /** The component's status as written last. */
  readonly before: ComponentStatus | undefined;
}

/** Replicas of a revision, and whether its requests are to be held. */
export interface HeldScale {
  readonly replicas: number;
  readonly isHeld: boolean;
}

/** Returns the replicas of a revision with whether its requests are to be held: the last pod waits for the routers. */
export function heldScale(input: HoldInput): HeldScale {
  const { revision, wanted, isActive, isStarting, desired, component } = input;
  if (!isActive || !hasTraffic(input)) return { replicas: wanted, isHeld: false };
  const isUnused = !isStarting && desired?.replicas === 0;
  const mayHaveNone = component.bounds.min === 0;
  const wasHeld = input.before?.heldRevisions?.includes(revision.name) ?? false;
  const isHeld =
    (mayHaveNone && (wanted === 0 || isUnused || revision.replicas === 0)) ||
    (wasHeld && revision.ready === 0);
  const isConfirmed = isHeldEverywhere(revision.name, input.routing);
  const mustStay = isHeld && wanted === 0 && revision.replicas > 0 && !isConfirmed;
  return { replicas: mustStay ? 1 : wanted, isHeld };
}

/** The revision that a component's spec asks for, and the revisions whose requests are held. */
export interface HeldTarget {
  readonly target: string;
  /** The target as observed; undefined before its Deployment exists. */
  readonly revision?: Revision;
  readonly held: readonly string[];
}

/** Says whether the revision that is asked for has no pod because nobody asks it anything. */
export function isIdle({ target, revision, held }: HeldTarget): boolean {
  return revision?.replicas === 0 && held.includes(target);
}

/** Says whether requests go to a revision that has served: one that has never been loaded is waited for in no router. */
function hasTraffic({ revision: { name }, traffic }: HoldInput): boolean {
  const hasServed = name === traffic.latestReady || name === traffic.stable;
  return hasServed && traffic.targets.some((target) => target.revisionName === name);
}

/** Says whether every router has confirmed that it holds the requests of a revision; not to know it is a no. */
export function isHeldEverywhere(
  revision: string,
  { acknowledged = [] }: Pick<RoutingState, 'acknowledged'>,
): boolean {
  return acknowledged.some(({ ref, held }) => held === true && revisionName(ref) === revision);
}
