/** Measures and decides for one revision: windows of its load, and the memory of the mode that decides. */
import type { ClusterLoad } from '../../api/route-table.ts';
import type { AutoscalerSample, AutoscalerSettings, Decision, ScaleReason } from './decision.ts';
import {
  type DemandState,
  decideByDemand,
  initialDemandState,
  LATEST_SECONDS,
  lastingSeconds,
} from './demand.ts';
import { decideAsKpa, initialKpaState, type KpaState } from './kpa.ts';
import type { ComponentAutoscaling } from './settings.ts';
import { warmSeconds, withPause } from './warmth.ts';
import { Window } from './window.ts';
import { secondsToZero } from './zero.ts';

/** Pods of one revision, as observed. */
export interface ScaledPods {
  /** Number of pods that are ready; undefined when they could not be counted. */
  readonly ready?: number;
  /** Times in milliseconds at which the pods were made that are not ready yet. */
  readonly starting: readonly number[];
  /** Number of those pods that no node has room for. */
  readonly unschedulable: number;
  /** Seconds that a pod takes to become ready; undefined while that was not seen. */
  readonly startSeconds?: number;
  /** True while the revision has traffic. */
  readonly isReachable: boolean;
}

/** Load of one port of a revision in one period, as a router reports it. */
export type PeriodLoad = Pick<ClusterLoad, 'inFlight' | 'requests' | 'seconds'>;

/** Load of a revision: requests that are under way or wait, and requests that come in a second. */
export type MeasuredLoad = Readonly<Record<AutoscalerSettings['metric'], number>>;

/** Seconds in which the latest report of a load that lasts has come for sure: there is one every second. */
const LATEST_REPORT_SECONDS = 3;
/** A shorter time than this between two reports of load, in milliseconds, is no pause. */
const LEAST_PAUSE = 2000;
/**
 * Seconds that pods may take to become ready before the revision may go to zero for want of requests. Knative's
 * progress-deadline, with its half minute of grace.
 */
const ACTIVATION_SECONDS = 630;

/** Decides the scale of one revision from the load that is recorded. Times are in milliseconds. */
export class RevisionScaler {
  readonly autoscaling: ComponentAutoscaling;
  /** Number of pods that were decided last; undefined before the first decision. */
  desired: number | undefined;
  /** Reason for that number; undefined before the first decision. */
  reason: ScaleReason | undefined;
  readonly #underWay: Window;
  readonly #arrivals: Window;
  #pods: ScaledPods;
  #kpa: KpaState;
  #demand: DemandState;
  #arrived = 0;
  /** Time up to which the windows are written; the revision had no load since. */
  #recordedAt: number;
  #lastLoadAt: number;
  #pauses: readonly number[] = [];

  /** Begins to watch a revision with these pods. @param now milliseconds */
  constructor(autoscaling: ComponentAutoscaling, pods: ScaledPods, now: number) {
    const { stableWindowSeconds } = autoscaling.settings;
    this.autoscaling = autoscaling;
    this.#underWay = new Window(stableWindowSeconds);
    this.#arrivals = new Window(stableWindowSeconds);
    this.#pods = pods;
    this.#kpa = initialKpaState(pods.ready, now);
    this.#demand = initialDemandState(pods.ready, now);
    this.#recordedAt = now;
    this.#lastLoadAt = now;
  }

  /** Number of pods that are ready; undefined when they could not be counted. */
  get ready(): number | undefined {
    return this.#pods.ready;
  }

  /** Takes in what has become of the pods. */
  observe(pods: ScaledPods): void {
    this.#pods = { ...pods, startSeconds: pods.startSeconds ?? this.#pods.startSeconds };
  }

  /**
   * Begins anew after a time of which no router has told, as after a restart: what was measured before it says
   * nothing about now. @param now milliseconds, perhaps of a clock that was set
   */
  resume(now: number): void {
    const quiet = this.#recordedAt - this.#lastLoadAt;
    this.#underWay.clear();
    this.#arrivals.clear();
    this.#recordedAt = now;
    this.#lastLoadAt = now - quiet;
    this.#kpa = initialKpaState(this.#pods.ready, now);
    const { service } = this.#demand;
    this.#demand = {
      ...initialDemandState(this.#pods.ready, now),
      service: { ...service, at: now },
    };
  }

  /** Adds the load that a router reports; returns false when it is none. @param now milliseconds */
  record({ inFlight, requests, seconds }: PeriodLoad, now: number): boolean {
    if (inFlight === 0 && requests === 0) return false;
    this.recordQuiet(now);
    this.#underWay.record(now, inFlight);
    this.#arrivals.record(now, requests / seconds);
    this.#arrived += requests;
    this.#endPause(now);
    return true;
  }

  /** Says whether the panic window alone wants more pods than were decided, and a burst's multiple of the ready ones. */
  isBursting(now: number): boolean {
    const { metric, target, panicThreshold, panicWindowSeconds } = this.autoscaling.settings;
    const window = metric === 'rps' ? this.#arrivals : this.#underWay;
    const wanted = Math.ceil(window.average(now, panicWindowSeconds) / target);
    const ready = Math.max(1, this.#pods.ready ?? 0);
    return wanted > (this.desired ?? 0) && wanted / ready >= panicThreshold;
  }

  /** Counts the time since the last report of load, up to `until` (milliseconds), as time without load. */
  recordQuiet(until: number): void {
    this.#underWay.recordQuiet(this.#recordedAt, until);
    this.#arrivals.recordQuiet(this.#recordedAt, until);
    this.#recordedAt = Math.max(this.#recordedAt, until);
  }

  /** Returns the load of the shorter window, averaged, in both metrics. @param now milliseconds */
  load(now: number): MeasuredLoad {
    const { panicWindowSeconds } = this.autoscaling.settings;
    return {
      concurrency: this.#underWay.average(now, panicWindowSeconds),
      rps: this.#arrivals.average(now, panicWindowSeconds),
    };
  }

  /** Says whether a request was under way, waited or came in the last seconds. @param now milliseconds */
  hasRequests(now: number): boolean {
    const windows = [this.#underWay, this.#arrivals];
    return windows.some((window) => window.average(now, LATEST_REPORT_SECONDS) > 0);
  }

  /**
   * Begins anew with pods that somebody else has asked for, such as who wakes the service: they are for requests
   * that no report tells of yet. What was learned from pauses stays. @param now milliseconds
   */
  restart(now: number): void {
    this.#kpa = initialKpaState(0, now);
    this.#demand = { ...this.#demand, needed: [], loweredAt: now };
    this.#endPause(now);
    this.desired = undefined;
    this.reason = undefined;
  }

  /**
   * Decides how many pods there are to be, and returns true when nothing will change without new load.
   * @param now milliseconds
   * @param isFrozen true while some load may not be reported: the scale does not go down then
   */
  decide(now: number, isFrozen: boolean): boolean {
    if (this.#underWay.isEmpty(now)) return true;
    const quietSeconds = Math.max(0, now - this.#lastLoadAt) / 1000;
    const { desired, reason } = this.#lastPodKept(this.#decision(now, quietSeconds), quietSeconds);
    const isLess = desired === undefined || desired < (this.desired ?? Number.POSITIVE_INFINITY);
    if (desired === undefined || (isFrozen && isLess)) return false;
    this.desired = desired;
    this.reason = reason;
    return desired === 0 && this.#underWay.average(now) === 0 && !this.#isHeld();
  }

  #endPause(now: number): void {
    const pause = now - this.#lastLoadAt;
    if (pause > LEAST_PAUSE) this.#pauses = withPause(this.#pauses, pause / 1000);
    this.#lastLoadAt = Math.max(this.#lastLoadAt, now);
  }

  #decision(now: number, quietSeconds: number): Decision<unknown> {
    const { mode, settings } = this.autoscaling;
    const sample = this.#sample(now, quietSeconds);
    if (mode === 'kpa') {
      const decision = decideAsKpa(sample, settings, this.#kpa, now);
      this.#kpa = decision.state;
      return decision;
    }
    const decision = decideByDemand(sample, settings, this.#demand, now);
    this.#demand = decision.state;
    return decision;
  }

  #sample(now: number, quietSeconds: number): AutoscalerSample {
    const { settings, mode } = this.autoscaling;
    const { ready, isReachable, ...starting } = this.#pods;
    const long =
      mode === 'kpa'
        ? settings.stableWindowSeconds
        : lastingSeconds(settings, starting.startSeconds);
    const averages = (window: Window) => ({
      stable: window.average(now, long),
      panic: window.average(now, settings.panicWindowSeconds),
    });
    const arrivals = averages(this.#arrivals);
    const underWay = averages(this.#underWay);
    return {
      load: settings.metric === 'rps' ? arrivals : underWay,
      readyPods: ready,
      reachable: isReachable,
      flow: {
        ...starting,
        underWay: this.#underWay.average(now, 1),
        arrived: this.#arrived,
        arrivals: { ...arrivals, latest: this.#arrivals.average(now, LATEST_SECONDS) },
        quietSeconds,
        warmSeconds: this.#warmSeconds(),
      },
    };
  }

  /** The seconds without a request after which the last pod may go. */
  #warmSeconds(): number {
    const { mode, settings } = this.autoscaling;
    const { ready, starting, startSeconds = 0 } = this.#pods;
    const windowSeconds = secondsToZero(settings, 0);
    const learned =
      mode === 'kpa'
        ? windowSeconds
        : Math.max(
            settings.retentionSeconds,
            warmSeconds({ pauses: this.#pauses, windowSeconds, startSeconds }),
          );
    return ready === 0 && starting.length > 0 ? Math.max(learned, ACTIVATION_SECONDS) : learned;
  }

  #lastPodKept(decision: Decision<unknown>, quietSeconds: number): Decision<unknown> {
    const isWarm = quietSeconds < this.#warmSeconds();
    if (decision.desired !== 0 || !isWarm || !this.#pods.isReachable) return decision;
    return { ...decision, desired: 1, reason: { ...decision.reason, rule: 'warm' } };
  }

  /** True while the scale is higher than the load asks for. */
  #isHeld(): boolean {
    return this.autoscaling.mode === 'kpa'
      ? this.#kpa.panicSince !== undefined || this.#kpa.pastDesired.some(({ pods }) => pods > 0)
      : this.#demand.needed.some(({ pods }) => pods > 0);
  }
}
