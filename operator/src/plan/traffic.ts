/**
 * Which revision gets which share: the one place where percents are computed. KServe's and Knative's
 * meaning of canaryTrafficPercent; a share grows only as far as the revision's ready pods can carry it.
 *
 *   target      what the spec asks for       latestReady  newest revision whose model has loaded
 *   rolledOut   last revision with 100 %     previous     the one before that
 */
import type { ComponentStatus, TrafficTarget } from '../api/inferenceservice.ts';

export interface TrafficInput {
  /** Revision that the spec asks for; it may not exist yet. */
  readonly target: string;
  /** spec.predictor.canaryTrafficPercent. */
  readonly canaryPercent: number | undefined;
  /** Ready pods of every revision that exists. */
  readonly ready: Readonly<Record<string, number>>;
  /** Pods that would carry all of the traffic, at least 1. */
  readonly neededForAll: number;
  readonly previous: ComponentStatus | undefined;
}

export interface Traffic {
  /** Shares that sum to 100. */
  readonly targets: readonly TrafficTarget[];
  readonly latestReady?: string;
  readonly rolledOut?: string;
  readonly previousRolledOut?: string;
  /** Share that `latestReady` is meant to have in the end. */
  readonly goalPercent: number;
}

export function traffic(input: TrafficInput): Traffic {
  const { target, ready, previous } = input;
  const existing = (name: string | undefined) =>
    name !== undefined && name in ready ? name : undefined;
  const stable = existing(previous?.latestRolledoutRevision);
  const previousRolledOut = existing(previous?.previousRolledoutRevision);
  const isLoaded = (ready[target] ?? 0) > 0;
  // A revert to what is rolled out already needs no wait, and must not fall back to the canary.
  const latestReady =
    isLoaded || target === stable ? target : existing(previous?.latestReadyRevision);

  if (latestReady === undefined) {
    const only = stable ?? target;
    return {
      targets: [{ revisionName: only, latestRevision: true, percent: 100 }],
      rolledOut: stable,
      previousRolledOut,
      goalPercent: 100,
    };
  }
  if (stable === undefined || stable === latestReady) {
    return {
      targets: [{ revisionName: latestReady, latestRevision: true, percent: 100 }],
      latestReady,
      rolledOut: latestReady,
      previousRolledOut,
      goalPercent: 100,
    };
  }
  const goalPercent = input.canaryPercent ?? 100;
  const percent = share(input, latestReady, goalPercent);
  if (percent === 100) {
    return {
      targets: [{ revisionName: latestReady, latestRevision: true, percent: 100 }],
      latestReady,
      rolledOut: latestReady,
      previousRolledOut: stable,
      goalPercent,
    };
  }
  return {
    targets: [
      { revisionName: latestReady, latestRevision: true, percent },
      { revisionName: stable, latestRevision: false, percent: 100 - percent, tag: 'prev' },
    ],
    latestReady,
    rolledOut: stable,
    previousRolledOut,
    goalPercent,
  };
}

/** Shrinks at once; grows to what the ready pods can carry, and never back because a pod left. */
function share(
  { ready, neededForAll, previous }: TrafficInput,
  revision: string,
  goal: number,
): number {
  const current =
    previous?.traffic?.find(({ revisionName }) => revisionName === revision)?.percent ?? 0;
  const carried = Math.floor((100 * (ready[revision] ?? 0)) / neededForAll);
  return Math.min(goal, Math.max(current, carried));
}
