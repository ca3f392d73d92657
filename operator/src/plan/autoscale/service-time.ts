/**
 * Estimates the seconds that one request keeps a pod busy, from what routers count: how many came, and how many
 * are under way. Requests that wait for a pod are under way, too, and are told apart by what the pods can take.
 */

/** Memory of the estimate between two decisions; sums that fade. */
export interface ServiceTime {
  /** Time of the last observation in milliseconds; undefined before the first. */
  readonly at?: number;
  readonly arrived: number;
  readonly underWay: number;
  /** Seconds of requests in pods, and how many ended. */
  readonly busySeconds: number;
  readonly ended: number;
  /** Requests in pods at the last observation. */
  readonly busy: number;
}

/** Counts that are seen at one time. */
export interface ServiceObservation {
  readonly underWay: number;
  readonly arrived: number;
  /** Number of requests that the ready pods can serve at once. */
  readonly slots: number;
}

/** State of an estimate that has seen nothing. */
export const NO_SERVICE_TIME: ServiceTime = {
  arrived: 0,
  underWay: 0,
  busySeconds: 0,
  ended: 0,
  busy: 0,
};

/** Seconds in which what was seen loses two thirds of its weight, and how many service times it is at least. */
const MEMORY_SECONDS = 60;
const MEMORY_TIMES = 20;

/** Nothing is concluded from two observations that are further apart than these seconds. */
const MOST_SECONDS = 10;

/** Returns the estimate after one more observation. @param now milliseconds */
export function observeService(
  before: ServiceTime,
  { underWay, arrived, slots }: ServiceObservation,
  now: number,
): ServiceTime {
  const busy = Math.min(underWay, slots);
  const seen = { at: now, arrived, underWay, busy };
  if (before.at === undefined || now <= before.at) return { ...before, ...seen };
  const seconds = (now - before.at) / 1000;
  if (seconds > MOST_SECONDS) return { ...before, ...seen };
  const memory = Math.max(MEMORY_SECONDS, MEMORY_TIMES * (serviceSeconds(before) ?? 0));
  const kept = Math.exp(-seconds / memory);
  const ended = Math.max(0, arrived - before.arrived - (underWay - before.underWay));
  return {
    ...seen,
    busySeconds: before.busySeconds * kept + ((before.busy + busy) / 2) * seconds,
    ended: before.ended * kept + ended,
  };
}

/**
 * Returns the seconds of one request in a pod; undefined before a pod was seen to serve. Requests in pods count as
 * half done, so that the estimate does not run ahead while the first long ones are under way.
 */
export function serviceSeconds({ busySeconds, ended, busy }: ServiceTime): number | undefined {
  const done = ended + busy / 2;
  return done > 0 && busySeconds > 0 ? busySeconds / done : undefined;
}
