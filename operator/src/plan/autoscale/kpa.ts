/**
 * Decides as Knative's KPA: its arithmetic as a pure function of sample, settings, state and time.
 * Source: knative/serving pkg/autoscaler/scaling/autoscaler.go; the test table is Knative's own. Its excess burst
 * capacity is left out: it says when the activator has to be in the path of requests, and there is none here.
 */
import type { AutoscalerSample, AutoscalerSettings, Decision, ScaleRule } from './decision.ts';

/** Memory of the KPA between two decisions about a revision. */
export interface KpaState {
  /** Milliseconds of the last time the panic threshold was passed; undefined outside panic. */
  readonly panicSince?: number;
  /** Most pods wanted during this panic. */
  readonly maxPanicPods: number;
  /** Replicas desired within the scale-down delay, oldest first. */
  readonly pastDesired: PastDesired;
}

/** Numbers of pods that were desired, with the time in milliseconds, oldest first. */
export type PastDesired = readonly { readonly at: number; readonly pods: number }[];

/**
 * Returns the state to begin with. Knative waits in panic after a restart, because it no longer knows the
 * load that made the pods.
 * @param readyPods undefined when they could not be counted
 */
export function initialKpaState(readyPods: number | undefined, now: number): KpaState {
  return {
    maxPanicPods: readyPods ?? 0,
    pastDesired: [],
    ...((readyPods ?? 0) > 1 ? { panicSince: now } : {}),
  };
}

/** Decides as Knative how many pods a revision is to have. @param now milliseconds */
export function decideAsKpa(
  sample: AutoscalerSample,
  settings: AutoscalerSettings,
  state: KpaState,
  now: number,
): Decision<KpaState> {
  const { load, readyPods } = sample;
  const perPod = settings.target;
  if (load === undefined || readyPods === undefined) {
    return { state, reason: { rule: 'unknown', load: load?.stable ?? 0, perPod } };
  }
  const ready = Math.max(1, readyPods);
  const stable = wantedPods(load.stable, ready, sample, settings);
  const panic = wantedPods(load.panic, ready, sample, settings);
  const over = panic.unlimited / ready >= settings.panicThreshold;
  const { panicSince, maxPanicPods } = panicState(
    { over, desired: Math.max(stable.pods, panic.pods) },
    settings,
    state,
    now,
  );
  const isPanic = panicSince !== undefined;
  const undelayed = isPanic ? maxPanicPods : stable.pods;
  const past = recentDesired(state.pastDesired, undelayed, settings.scaleDownDelaySeconds, now);
  const held = sample.reachable ? past.map(({ pods }) => pods) : [];
  const desired = Math.max(undelayed, ...held);
  const panicRule = panic.pods === undelayed ? 'burst' : 'afterBurst';
  const isBurst = isPanic && stable.pods < undelayed;
  return {
    desired,
    state: { panicSince, maxPanicPods, pastDesired: past },
    reason: {
      rule: desired > undelayed ? 'delay' : isBurst ? panicRule : stable.rule,
      load: isBurst && panicRule === 'burst' ? load.panic : load.stable,
      perPod,
    },
  };
}

/** Pods that one window wants, within the rates of change and the activation scale. */
interface WantedPods {
  readonly pods: number;
  /** Pods that it would want without the limits. */
  readonly unlimited: number;
  readonly rule: ScaleRule;
}

function wantedPods(
  load: number,
  ready: number,
  { reachable }: AutoscalerSample,
  { target, maxScaleUpRate, maxScaleDownRate, activationScale }: AutoscalerSettings,
): WantedPods {
  const up = Math.ceil(maxScaleUpRate * ready);
  const down = reachable ? Math.floor(ready / maxScaleDownRate) : 0;
  const unlimited = Math.ceil(load / target);
  const limited = Math.min(Math.max(unlimited, down), up);
  if (activationScale > 1 && unlimited > 0 && limited < activationScale) {
    return { pods: activationScale, unlimited, rule: 'activation' };
  }
  return { pods: limited, unlimited, rule: limited === unlimited ? 'load' : 'rate' };
}

/** Panic begins and is renewed while over the threshold, and ends one stable window after the last time. */
function panicState(
  { over, desired }: { over: boolean; desired: number },
  { stableWindowSeconds }: AutoscalerSettings,
  { panicSince, maxPanicPods }: KpaState,
  now: number,
): { panicSince?: number; maxPanicPods: number } {
  const expired = panicSince !== undefined && panicSince + stableWindowSeconds * 1000 < now;
  if (over) return { panicSince: now, maxPanicPods: Math.max(maxPanicPods, desired) };
  if (panicSince === undefined || expired) return { maxPanicPods: 0 };
  return { panicSince, maxPanicPods: Math.max(maxPanicPods, desired) };
}

/**
 * Returns the past decisions that still count and this one. A past decision expires by the two-second bucket
 * that it falls in, as in Knative.
 */
function recentDesired(
  past: PastDesired,
  pods: number,
  delaySeconds: number,
  now: number,
): PastDesired {
  if (delaySeconds === 0) return [];
  const bucket = (at: number) => Math.floor(at / 2000);
  const size = Math.ceil(delaySeconds / 2);
  const kept = past.filter(({ at }) => bucket(now) - bucket(at) < size);
  return [...kept, { at: now, pods }];
}
