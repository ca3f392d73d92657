/**
 * The shares that revisions get: the one place where percents are computed. KServe's and Knative's meaning
 * of canaryTrafficPercent; a share grows only as far as the revision's ready pods can carry it.
 *
 * An edit of the model without canaryTrafficPercent, with 2 pods (r = ready pods):
 *
 *   time          0       1          2          3          4
 *   00001   100 % r2    100 r2      50 r2      0 r2       – r0      stable, then the previous one
 *   00002             0 r0       50 r1    100 r2     100 r2      target → latestReady → stable
 *                     created    loaded    promoted   the old one drains
 *
 * With canaryTrafficPercent: 10 it stops at 10 and 90; at 0 it stays loaded and dark. Nothing here remembers:
 * what came before is read from the status, which is so the only memory of a rollout.
 *
 *   target      what the spec asks for      latestReady   newest revision whose model has loaded
 *   stable      last revision with 100 %    previous      the stable one before it
 */
import type { ComponentStatus, TrafficTarget } from '../api/inferenceservice.ts';

/** A revision that is to get a share of the traffic. */
export interface Member {
  readonly name: string;
  /** Percent that it is meant to have in the end. */
  readonly goal: number;
  /** Percent that it has now. */
  readonly current: number;
  /** Percent that its ready pods can carry. */
  readonly carried: number;
}

/**
 * The next shares: each member shrinks at once to its goal, grows to what its ready pods can carry, and never
 * falls back because a pod left. What the members do not take is the stable revision's.
 */
export function step(members: readonly Member[], stable: string): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  let left = 100;
  for (const { name, goal, current, carried } of members) {
    const share = Math.min(left, goal, Math.max(current, carried));
    shares.set(name, share);
    left -= share;
  }
  return shares.set(stable, left);
}

/** Everything that the shares follow from. */
export interface TrafficInput {
  /** Revision that the spec asks for; it may not exist yet. */
  readonly target: string;
  /** Percent of `spec.predictor.canaryTrafficPercent`; undefined when the canary is to be promoted. */
  readonly canaryPercent: number | undefined;
  /** Ready pods of every revision that exists. */
  readonly ready: Readonly<Record<string, number>>;
  /** Pods that would carry all of the traffic, at least 1. */
  readonly neededForAll: number;
  /** The component's status as written last. */
  readonly before: ComponentStatus | undefined;
}

/** Shares of the revisions, and what each of them is. */
export interface Traffic {
  /** Shares that sum to 100. */
  readonly targets: readonly TrafficTarget[];
  readonly latestReady?: string;
  readonly stable?: string;
  readonly previous?: string;
  /** Share that `latestReady` is meant to have in the end. */
  readonly goalPercent: number;
}

/** Returns the next shares of all revisions. */
export function traffic(input: TrafficInput): Traffic {
  const { target, ready, before } = input;
  const existing = (name: string | undefined) =>
    name !== undefined && name in ready ? name : undefined;
  const stable = existing(before?.latestRolledoutRevision);
  const previous = existing(before?.previousRolledoutRevision);
  const isLoaded = (ready[target] ?? 0) > 0;
  // A revert to what is rolled out already needs no wait, and must not fall back to the canary.
  const latestReady =
    isLoaded || target === stable ? target : existing(before?.latestReadyRevision);

  if (latestReady === undefined) return { ...allTo(stable ?? target), stable, previous };
  if (stable === undefined || stable === latestReady) {
    return { ...allTo(latestReady), latestReady, stable: latestReady, previous };
  }
  const goalPercent = input.canaryPercent ?? 100;
  const percent = step([canary(input, latestReady, goalPercent)], stable).get(latestReady) ?? 0;
  if (percent === 100) {
    return {
      ...allTo(latestReady),
      latestReady,
      stable: latestReady,
      previous: stable,
      goalPercent,
    };
  }
  return {
    targets: [
      { revisionName: latestReady, latestRevision: true, percent },
      { revisionName: stable, latestRevision: false, percent: 100 - percent, tag: 'prev' },
    ],
    latestReady,
    stable,
    previous,
    goalPercent,
  };
}

function allTo(revisionName: string): Pick<Traffic, 'targets' | 'goalPercent'> {
  return { targets: [{ revisionName, latestRevision: true, percent: 100 }], goalPercent: 100 };
}

function canary({ ready, neededForAll, before }: TrafficInput, name: string, goal: number): Member {
  return {
    name,
    goal,
    current: before?.traffic?.find(({ revisionName }) => revisionName === name)?.percent ?? 0,
    carried: Math.floor((100 * (ready[name] ?? 0)) / neededForAll),
  };
}
