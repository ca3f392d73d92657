/** Values that both ways of deciding about a scale share: settings, sample, decision and its reason. */

/** Settings of one component's scale, in KPA's terms. */
export interface AutoscalerSettings {
  readonly metric: 'concurrency' | 'rps';
  /** Wanted concurrency, or requests a second, of one pod. */
  readonly target: number;
  /** Most that a pod is to bear, of which `target` is the wanted share. */
  readonly capacity: number;
  /** Panic when the panic window wants this many times the ready pods. */
  readonly panicThreshold: number;
  /** Most pods after a decision, as a multiple of the ready ones. */
  readonly maxScaleUpRate: number;
  /** Fewest pods after a decision, as a divisor of the ready ones. */
  readonly maxScaleDownRate: number;
  readonly stableWindowSeconds: number;
  readonly panicWindowSeconds: number;
  /** Smallest scale above zero; below 2 it has no effect. */
  readonly activationScale: number;
  /** Seconds for which a scale-down is held back; 0 for none. */
  readonly scaleDownDelaySeconds: number;
  /** Seconds that the last pod stays after the decision to have none. */
  readonly retentionSeconds: number;
}

/** Average load in the two windows, in the metric that is scaled by. */
export interface WindowedLoad {
  readonly stable: number;
  readonly panic: number;
}

/** Measurements that a decision about a revision is made from. */
export interface AutoscalerSample {
  /** Load as reported; undefined while no report tells it, and then the scale stays as it is. */
  readonly load?: WindowedLoad;
  /** Number of pods that are ready; undefined when they could not be counted. */
  readonly readyPods?: number;
  /** False when the revision has no traffic: it may then shrink at any rate. */
  readonly reachable: boolean;
  /** Flow that the demand mode knows beyond this; the KPA has no use for it. */
  readonly flow?: Flow;
}

/** Flow of a revision's requests, and the pods that start for them. */
export interface Flow {
  /** Number of requests that are under way or wait now. */
  readonly underWay: number;
  /** Number of requests that have come since the revision is watched. */
  readonly arrived: number;
  /** Requests a second that came, on average in the two windows and in the last two seconds. */
  readonly arrivals: WindowedLoad & { readonly latest: number };
  /** Times in milliseconds at which the pods were made that are not ready yet. */
  readonly starting: readonly number[];
  /** Number of those pods that no node has room for. */
  readonly unschedulable: number;
  /** Seconds that a pod takes to become ready; undefined while that was not seen. */
  readonly startSeconds?: number;
  /** Seconds since the last request ended, and seconds that such a pause is worth waiting with a pod. */
  readonly quietSeconds: number;
  readonly warmSeconds: number;
}

/** Reason for a decision: the measured load, and the rule that had the last word. */
export interface ScaleReason {
  readonly rule: ScaleRule;
  /** Load that was measured, in the metric that is scaled by. */
  readonly load: number;
  /** Load that one pod is to bear. */
  readonly perPod: number;
}

/** Names of the rules that decide about a scale. */
export type ScaleRule =
  | 'load'
  | 'burst'
  | 'backlog'
  | 'afterBurst'
  | 'delay'
  | 'rate'
  | 'activation'
  | 'noRoom'
  | 'warm'
  | 'idle'
  | 'unknown';

/** Outcome of one decision: the pods that are desired, the state for the next one, and why. */
export interface Decision<State> {
  /** Number of pods; undefined when too little is known to change what is. */
  readonly desired?: number;
  readonly state: State;
  readonly reason: ScaleReason;
}

/** Words that each rule adds to an explanation. */
const BECAUSE: Readonly<Record<ScaleRule, string>> = {
  load: '',
  burst: ', a burst',
  backlog: ', and a backlog',
  afterBurst: ', held after a burst',
  delay: ', held by scale-down-delay',
  rate: ', as far as one step may go',
  activation: ', activation-scale',
  noRoom: ', and no node has room for more',
  warm: ', kept warm',
  idle: ', idle',
  unknown: ', not all load is known',
};

/** Returns the explanation of a decision for people, such as `37 under way, 10 a pod`. */
export function explain(
  { load, perPod, rule }: ScaleReason,
  metric: AutoscalerSettings['metric'],
): string {
  const unit = metric === 'rps' ? 'requests a second' : 'under way';
  return `${rounded(load)} ${unit}, ${rounded(perPod)} a pod${BECAUSE[rule]}`;
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(value < 100 ? 2 : 3)));
}
