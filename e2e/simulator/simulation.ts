/**
 * Simulates one service: its requests, the pods that take them, and the autoscaler that decides about those. Time
 * is the simulation's own, and the same input gives the same outcome.
 */
import { RevisionScaler } from '../../operator/src/plan/autoscale/scaler.ts';
import type { ComponentAutoscaling } from '../../operator/src/plan/autoscale/settings.ts';
import { wakeScale } from '../../operator/src/plan/autoscale/zero.ts';
import { exponential, type Random } from './arrivals.ts';

/** One service under one load. */
export interface Simulated {
  readonly autoscaling: ComponentAutoscaling;
  /** Times of the arrivals in seconds, ascending. */
  readonly arrivals: readonly number[];
  /** Seconds that are simulated. */
  readonly seconds: number;
  /** Mean seconds of a request in a pod; the times are distributed exponentially. */
  readonly serviceSeconds: number;
  /** Seconds from the order of a pod to its first request. */
  readonly startSeconds: number;
  /** Number of requests that a pod takes at once. */
  readonly concurrency: number;
  readonly minPods: number;
  readonly maxPods: number;
  readonly random: Random;
}

/** Outcome of a simulation. */
export interface Outcome {
  /** Seconds that pods were there, starting ones too, summed up over all pods. */
  readonly podSeconds: number;
  /** Seconds from arrival to answer of each request, in the order of the answers. */
  readonly latencies: readonly number[];
  /** Number of pods at each decision. */
  readonly pods: readonly { readonly at: number; readonly pods: number }[];
}

const REPORT_SECONDS = 1;
const DECISION_SECONDS = 2;

interface Pod {
  readonly madeAt: number;
  readonly readyAt: number;
  /** Times at which the requests in it end. */
  ends: { readonly at: number; readonly arrivedAt: number }[];
  isEnding: boolean;
}

/** Simulates a service for its time. */
export function simulate(options: Simulated): Outcome {
  const service = new Service(options);
  for (let second = 0; second < options.seconds; second += REPORT_SECONDS) {
    const isBurst = service.advance(second + REPORT_SECONDS);
    if (isBurst || (second + REPORT_SECONDS) % DECISION_SECONDS === 0) service.decide();
  }
  return service.outcome();
}

/** Number of pods that the load of the first minute needs: the service has run before. */
function podsOf({ arrivals, serviceSeconds, autoscaling }: Simulated): number {
  const perSecond = arrivals.filter((at) => at < 60).length / 60;
  return Math.ceil((perSecond * serviceSeconds) / autoscaling.settings.target);
}

class Service {
  readonly #options: Simulated;
  readonly #scaler: RevisionScaler;
  #now = 0;
  #pods: Pod[] = [];
  readonly #waiting: number[] = [];
  #waitingFrom = 0;
  #nextArrival = 0;
  #arrived = 0;
  #podSeconds = 0;
  readonly #latencies: number[] = [];
  readonly #history: { at: number; pods: number }[] = [];

  constructor(options: Simulated) {
    this.#options = options;
    this.#order(Math.max(1, options.minPods, podsOf(options)), 0);
    this.#scaler = new RevisionScaler(options.autoscaling, this.#observed(), 0);
  }

  /** Lets everything happen until `end`, and tells the autoscaler of it. Returns whether that is a burst. */
  advance(end: number): boolean {
    for (let event = this.#nextEvent(); event <= end; event = this.#nextEvent()) {
      this.#now = event;
      this.#complete();
      this.#arrive();
      this.#dispatch();
    }
    this.#now = end;
    const requests = this.#arrived;
    this.#arrived = 0;
    const busy = this.#pods.reduce((sum, { ends }) => sum + ends.length, 0);
    const inFlight = busy + this.#waiting.length - this.#waitingFrom;
    this.#scaler.record({ inFlight, requests, seconds: REPORT_SECONDS }, end * 1000);
    this.#scaler.recordQuiet(end * 1000);
    return this.#scaler.isBursting(end * 1000);
  }

  decide(): void {
    const { minPods, maxPods } = this.#options;
    this.#scaler.observe(this.#observed());
    const before = this.#kept().length;
    if (before > 0) {
      this.#scaler.decide(this.#now * 1000, false);
      const desired = this.#scaler.desired ?? before;
      this.#scale(Math.min(maxPods, Math.max(minPods, desired)));
    }
    this.#history.push({ at: this.#now, pods: this.#kept().length });
  }

  outcome(): Outcome {
    for (const pod of this.#pods) this.#podSeconds += this.#now - pod.madeAt;
    return { podSeconds: this.#podSeconds, latencies: this.#latencies, pods: this.#history };
  }

  #nextEvent(): number {
    const times = [this.#options.arrivals[this.#nextArrival] ?? Number.POSITIVE_INFINITY];
    for (const { readyAt, ends, isEnding } of this.#pods) {
      for (const { at } of ends) times.push(at);
      if (readyAt > this.#now && !isEnding) times.push(readyAt);
    }
    return Math.min(...times);
  }

  #complete(): void {
    for (const pod of this.#pods) {
      for (const { at, arrivedAt } of pod.ends) {
        if (at <= this.#now) this.#latencies.push(this.#now - arrivedAt);
      }
      pod.ends = pod.ends.filter(({ at }) => at > this.#now);
    }
    this.#endPods((pod) => pod.isEnding && pod.ends.length === 0);
  }

  #arrive(): void {
    const { arrivals } = this.#options;
    while ((arrivals[this.#nextArrival] ?? Number.POSITIVE_INFINITY) <= this.#now) {
      this.#waiting.push(arrivals[this.#nextArrival++] as number);
      this.#arrived++;
    }
    if (this.#kept().length > 0 || this.#waiting.length === this.#waitingFrom) return;
    // Whoever holds the requests wakes the service at once.
    const { autoscaling, maxPods } = this.#options;
    this.#order(wakeScale(autoscaling.settings, this.#waiting.length - this.#waitingFrom, maxPods));
    this.#scaler.restart(this.#now * 1000);
  }

  #dispatch(): void {
    const { concurrency, serviceSeconds, random } = this.#options;
    while (this.#waitingFrom < this.#waiting.length) {
      const free = this.#kept()
        .filter(({ readyAt, ends }) => readyAt <= this.#now && ends.length < concurrency)
        .sort((a, b) => a.ends.length - b.ends.length)[0];
      if (free === undefined) return;
      const arrivedAt = this.#waiting[this.#waitingFrom++] as number;
      free.ends.push({ at: this.#now + exponential(random, serviceSeconds), arrivedAt });
    }
  }

  #kept(): Pod[] {
    return this.#pods.filter(({ isEnding }) => !isEnding);
  }

  #order(pods: number, startSeconds = this.#options.startSeconds): void {
    const readyAt = this.#now + startSeconds;
    for (let i = 0; i < pods; i++) {
      this.#pods.push({ madeAt: this.#now, readyAt, ends: [], isEnding: false });
    }
  }

  /** Orders pods, or ends some: first those that are not ready, then those with the fewest requests. */
  #scale(desired: number): void {
    const kept = this.#kept();
    this.#order(Math.max(0, desired - kept.length));
    kept
      .sort((a, b) => b.readyAt - a.readyAt || a.ends.length - b.ends.length)
      .sort((a, b) => Number(a.readyAt <= this.#now) - Number(b.readyAt <= this.#now))
      .slice(0, Math.max(0, kept.length - desired))
      .forEach((pod) => {
        pod.isEnding = true;
      });
    this.#endPods((pod) => pod.isEnding && pod.ends.length === 0);
  }

  #endPods(isEnded: (pod: Pod) => boolean): void {
    for (const pod of this.#pods.filter(isEnded)) this.#podSeconds += this.#now - pod.madeAt;
    this.#pods = this.#pods.filter((pod) => !isEnded(pod));
  }

  #observed() {
    const kept = this.#kept();
    const ready = kept.filter(({ readyAt }) => readyAt <= this.#now);
    return {
      ready: ready.length,
      starting: kept.filter((pod) => !ready.includes(pod)).map(({ madeAt }) => madeAt * 1000),
      unschedulable: 0,
      isReachable: true,
      ...(ready.length === 0 ? {} : { startSeconds: this.#options.startSeconds }),
    };
  }
}
