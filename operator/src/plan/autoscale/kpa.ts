/**
 * Implements `decide`: Knative's KPA arithmetic as a pure function of samples, settings, state and time.
 * Source: knative/serving pkg/autoscaler/scaling/autoscaler.go; the test table is Knative's own.
 */

/** Settings of one component's scale, in KPA's terms. */
export interface AutoscalerSettings {
  /** Wanted concurrency, or requests a second, of one pod. */
  readonly target: number;
  /** Panic when the panic window wants this many times the ready pods. */
  readonly panicThreshold: number;
  /** Most pods after a decision, as a multiple of the ready ones. */
  readonly maxScaleUpRate: number;
  /** Fewest pods after a decision, as a divisor of the ready ones. */
  readonly maxScaleDownRate: number;
  readonly stableWindowSeconds: number;
  /** Smallest scale above zero; below 2 it has no effect. */
  readonly activationScale: number;
  /** Seconds for which a scale-down is held back; 0 for none. */
  readonly scaleDownDelaySeconds: number;
}

/** Memory of the autoscaler between two decisions about a revision. */
export interface AutoscalerState {
  /** Milliseconds of the last time the panic threshold was passed; undefined outside panic. */
  readonly panicSince?: number;
  /** Most pods wanted during this panic. */
  readonly maxPanicPods: number;
  /** Replicas desired within the scale-down delay, oldest first. */
  readonly pastDesired: readonly { readonly at: number; readonly pods: number }[];
}

/** Measurements that a decision about a revision is made from. */
export interface AutoscalerSample {
  /** Average of the metric over the stable and over the panic window. */
  readonly stable: number;
  readonly panic: number;
  readonly readyPods: number;
  /** False when the revision has no traffic: it may then shrink at any rate. */
  readonly reachable: boolean;
}

/** Outcome of one decision: the pods that are desired, and the state for the next one. */
export interface Decision {
  readonly desired: number;
  readonly state: AutoscalerState;
}

/**
 * Returns the state to begin with. Knative waits in panic after a restart, because it no longer knows the
 * load that made the pods.
 */
export function initialState(readyPods: number, now: number): AutoscalerState {
  return {
    maxPanicPods: readyPods,
    pastDesired: [],
    ...(readyPods > 1 ? { panicSince: now } : {}),
  };
}

/** Decides how many pods a revision is to have. @param now milliseconds */
export function decide(
  sample: AutoscalerSample,
  settings: AutoscalerSettings,
  state: AutoscalerState,
  now: number,
): Decision {
  const ready = Math.max(1, sample.readyPods);
  const up = Math.ceil(settings.maxScaleUpRate * ready);
  const down = sample.reachable ? Math.floor(ready / settings.maxScaleDownRate) : 0;
  const wantedPods = (metric: number) => Math.ceil(metric / settings.target);
  const limited = (pods: number) => Math.min(Math.max(pods, down), up);
  const activated = (pods: number, wanted: number) =>
    settings.activationScale > 1 && wanted > 0 ? Math.max(pods, settings.activationScale) : pods;

  const stableWanted = wantedPods(sample.stable);
  const panicWanted = wantedPods(sample.panic);
  const stable = activated(limited(stableWanted), stableWanted);
  const panic = activated(limited(panicWanted), panicWanted);

  const { panicSince, maxPanicPods } = panicState(
    { over: panicWanted / ready >= settings.panicThreshold, desired: Math.max(stable, panic) },
    settings,
    state,
    now,
  );
  const undelayed = panicSince === undefined ? stable : maxPanicPods;
  const past = recentDesired(state.pastDesired, undelayed, settings.scaleDownDelaySeconds, now);
  const held = sample.reachable ? past.map(({ pods }) => pods) : [];
  return {
    desired: Math.max(undelayed, ...held),
    state: { panicSince, maxPanicPods, pastDesired: past },
  };
}

/** Panic begins and is renewed while over the threshold, and ends one stable window after the last time. */
function panicState(
  { over, desired }: { over: boolean; desired: number },
  { stableWindowSeconds }: AutoscalerSettings,
  { panicSince, maxPanicPods }: AutoscalerState,
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
  past: AutoscalerState['pastDesired'],
  pods: number,
  delaySeconds: number,
  now: number,
): AutoscalerState['pastDesired'] {
  if (delaySeconds === 0) return [];
  const bucket = (at: number) => Math.floor(at / 2000);
  const size = Math.ceil(delaySeconds / 2);
  const kept = past.filter(({ at }) => bucket(now) - bucket(at) < size);
  return [...kept, { at: now, pods }];
}
