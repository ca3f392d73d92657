/**
 * Decides by demand: arrival rate × service time (Little's law) instead of an average of what is under way, in
 * which requests that wait for a pod count like a lasting load. Pods that start are not asked for again, and after
 * a burst the scale comes down by steps.
 */
import type {
  AutoscalerSample,
  AutoscalerSettings,
  Decision,
  Flow,
  ScaleReason,
  ScaleRule,
  WindowedLoad,
} from './decision.ts';
import type { PastDesired } from './kpa.ts';
import {
  NO_SERVICE_TIME,
  observeService,
  type ServiceTime,
  serviceSeconds,
} from './service-time.ts';

/** Memory of the demand mode between two decisions about a revision. */
export interface DemandState {
  readonly service: ServiceTime;
  /** Pods that were needed lately, oldest first. */
  readonly needed: PastDesired;
  /** Number of pods desired last, and time in milliseconds at which it was last lowered. */
  readonly desired: number;
  readonly loweredAt: number;
}

/** Seconds for which a need is remembered, at least. */
const HOLD_SECONDS = 10;
/** Seconds between two steps down, each of which at most halves the pods. */
const STEP_SECONDS = 10;
/**
 * Seconds in which a backlog is to be gone once pods for it are ready, share of their start-up time that these are at
 * least, and most that a backlog may ask for, as a multiple of the demand.
 */
const DRAIN_SECONDS = 1;
const DRAIN_SHARE = 0.05;
const MOST_DRAIN = 8;
/** Standard deviations of chance that a load is taken to vary by, and seconds from which a start is slow. */
const USUAL_DEVIATIONS = 2;
const SLOW_START_SECONDS = 5;
/** The longer window is this many start-up times, between these seconds and the stable window. */
const WINDOW_STARTS = 3;
const WINDOW_SECONDS = 30;

/** Seconds in which the onset of a burst is seen. */
export const LATEST_SECONDS = 2;

/** Returns the state to begin with: what is there is held for a while, as the load that made it is not known. */
export function initialDemandState(readyPods: number | undefined, now: number): DemandState {
  const pods = readyPods ?? 0;
  return {
    service: NO_SERVICE_TIME,
    needed: [{ at: now, pods }],
    desired: pods,
    loweredAt: now,
  };
}

/**
 * Returns the length of the window in which the lasting load is averaged: pods that start fast are let go of soon,
 * and others after Knative's stable window.
 */
export function lastingSeconds(
  { stableWindowSeconds }: AutoscalerSettings,
  startSeconds: number | undefined,
): number {
  const starts = WINDOW_STARTS * (startSeconds ?? stableWindowSeconds);
  return Math.round(Math.min(stableWindowSeconds, Math.max(WINDOW_SECONDS, starts)));
}

/** Decides by demand how many pods a revision is to have. @param now milliseconds */
export function decideByDemand(
  sample: AutoscalerSample,
  settings: AutoscalerSettings,
  state: DemandState,
  now: number,
): Decision<DemandState> {
  const { load, readyPods, flow } = sample;
  const perPod = settings.target;
  if (load === undefined || readyPods === undefined || flow === undefined) {
    return { state, reason: { rule: 'unknown', load: load?.stable ?? 0, perPod } };
  }
  const slots = readyPods * settings.capacity;
  const service = observeService(state.service, { ...flow, slots }, now);
  const need = needed({ load, flow, slots, settings, service, now });
  const holdSeconds = Math.max(
    HOLD_SECONDS,
    Math.min(flow.startSeconds ?? 0, settings.stableWindowSeconds),
    settings.scaleDownDelaySeconds,
  );
  const past = [
    ...state.needed.filter(({ at }) => at <= now && now - at < holdSeconds * 1000),
    { at: now, pods: need.rule === 'load' && settings.scaleDownDelaySeconds === 0 ? 0 : need.pods },
  ];
  const wanted = sample.reachable
    ? descended({ state, settings, need, past, now, flow, slots })
    : need;
  const { pods, rule } = bounded(wanted, readyPods, flow);
  const isLower = pods < state.desired;
  return {
    desired: pods,
    state: {
      service,
      needed: past,
      desired: pods,
      loweredAt: isLower ? now : state.loweredAt,
    },
    reason: { rule, load: need.load, perPod },
  };
}

/** Number of pods, the rule that it comes from, and the load that it is for. */
interface Need {
  readonly pods: number;
  readonly rule: ScaleRule;
  readonly load: ScaleReason['load'];
}

interface NeedOptions {
  readonly load: WindowedLoad;
  readonly flow: Flow;
  readonly slots: number;
  readonly settings: AutoscalerSettings;
  readonly service: ServiceTime;
  readonly now: number;
}

/** The largest of what the lasting load, a burst above what pods can bear, and a backlog need. */
function needed(options: NeedOptions): Need {
  const { load, flow, slots, settings, service } = options;
  const { capacity } = settings;
  const seconds = serviceSeconds(service);
  const isRate = settings.metric === 'rps';
  const busy = isRate ? 0 : Math.min(load.panic, slots);
  // As long as nothing was served, all that is under way is demand.
  const demandOf = (perSecond: number, average: number) =>
    isRate || seconds === undefined ? average : Math.max(busy, perSecond * seconds);
  const lately = latelyArriving(flow, settings);
  const short = demandOf(lately, Math.max(load.panic, isRate ? lately : 0));
  const lasting = Math.min(load.stable, demandOf(flow.arrivals.stable, load.stable));
  const drain = isRate || seconds === undefined ? 0 : drainSlots(options, seconds);
  const needs: Need[] = [
    { pods: lastingPods(lasting, flow, settings), rule: 'load', load: lasting },
    { pods: Math.ceil(short / capacity), rule: 'burst', load: short },
    {
      pods: Math.ceil((short + Math.min(drain, MOST_DRAIN * short)) / capacity),
      rule: 'backlog',
      load: short + drain,
    },
  ];
  const most = needs.reduce((a, b) => (b.pods > a.pods ? b : a));
  return most.pods > 0 && most.pods < settings.activationScale
    ? { ...most, pods: settings.activationScale, rule: 'activation' }
    : most;
}

/**
 * Returns the pods for a lasting load. A lone pod has no other's room for the moments at which more than usual come,
 * which nothing can be started for where pods start slowly: it gets a second one beside it.
 */
function lastingPods(
  lasting: number,
  { startSeconds = 0 }: Flow,
  { metric, target, capacity }: AutoscalerSettings,
): number {
  const pods = Math.ceil(lasting / target);
  if (metric === 'rps') return pods;
  const usualMost = lasting + USUAL_DEVIATIONS * Math.sqrt(lasting);
  return pods === 1 && startSeconds >= SLOW_START_SECONDS && usualMost > capacity ? 2 : pods;
}

/**
 * Returns the requests a second that come now, as far as chance does not explain them: a few that happen to come
 * together are no burst.
 */
function latelyArriving({ arrivals }: Flow, { panicWindowSeconds }: AutoscalerSettings): number {
  const surely = (rate: number, seconds: number) =>
    rate - USUAL_DEVIATIONS * Math.sqrt(rate / seconds);
  return Math.max(
    0,
    surely(arrivals.panic, panicWindowSeconds),
    surely(arrivals.latest, LATEST_SECONDS),
  );
}

/**
 * Returns the slots that would clear in time what will wait when a pod that is asked for now is ready: the pods
 * that start already have done their part by then.
 */
function drainSlots({ flow, slots, settings, now }: NeedOptions, seconds: number): number {
  const { capacity } = settings;
  const start = flow.startSeconds ?? 0;
  const grown = (latelyArriving(flow, settings) - slots / seconds) * start;
  const cleared = flow.starting.reduce((sum, madeAt) => {
    const left = Math.max(0, start - (now - madeAt) / 1000);
    return sum + ((start - left) * capacity) / seconds;
  }, 0);
  const waiting = Math.max(0, flow.underWay - slots + grown - cleared);
  const drainSeconds = Math.max(DRAIN_SECONDS, start * DRAIN_SHARE);
  return (waiting * seconds) / drainSeconds;
}

/** Comes down from what was needed lately, at most by half in a step. */
function descended({
  state,
  need,
  past,
  settings,
  now,
  flow,
  slots,
}: {
  readonly flow: Flow;
  readonly slots: number;
  readonly state: DemandState;
  readonly settings: AutoscalerSettings;
  readonly need: Need;
  readonly past: PastDesired;
  readonly now: number;
}): Need {
  const peak = Math.max(...past.map(({ pods }) => pods));
  const isWaited = settings.metric === 'concurrency' && flow.underWay > slots;
  const isStep =
    !isWaited && (now < state.loweredAt || now - state.loweredAt >= STEP_SECONDS * 1000);
  const least = isStep ? Math.floor(state.desired / 2) : state.desired;
  const pods = Math.max(peak, least, need.pods);
  if (pods === need.pods) return need;
  const isDelayed = settings.scaleDownDelaySeconds > 0 && peak > least;
  return { ...need, pods, rule: isDelayed ? 'delay' : 'afterBurst' };
}

/** Lets the last pod go after its pause, and asks for no more pods where some find no node. */
function bounded(need: Need, readyPods: number, flow: Flow): Need {
  if (flow.quietSeconds >= flow.warmSeconds && need.pods <= 1) {
    return { ...need, pods: 0, rule: 'idle' };
  }
  const ordered = readyPods + flow.starting.length;
  return flow.unschedulable > 0 && need.pods > ordered
    ? { ...need, pods: ordered, rule: 'noRoom' }
    : need;
}
