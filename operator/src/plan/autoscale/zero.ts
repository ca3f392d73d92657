/** Decisions about zero: when the last pod may go, and how many pods a service without any wakes up with. */
import type { AutoscalerSettings } from './decision.ts';

/**
 * Returns the seconds that the last pod has still to stay: the stable window and the retention period pass without
 * a request first. 0 when it may go.
 * @param quietSeconds seconds since the last request ended, or since the revision is watched
 */
export function secondsToZero(
  {
    stableWindowSeconds,
    retentionSeconds,
  }: Pick<AutoscalerSettings, 'stableWindowSeconds' | 'retentionSeconds'>,
  quietSeconds: number,
): number {
  return Math.max(0, stableWindowSeconds + retentionSeconds - quietSeconds);
}

/**
 * Returns the pods that a revision without pods is to get for the requests that wait for it, within the limit of
 * its service.
 * @param waiting number of requests that wait
 */
export function wakeScale(
  { target, activationScale }: Pick<AutoscalerSettings, 'target' | 'activationScale'>,
  waiting: number,
  maxScale: number,
): number {
  if (waiting === 0) return 0;
  return Math.min(maxScale, Math.max(1, activationScale, Math.ceil(waiting / target)));
}
