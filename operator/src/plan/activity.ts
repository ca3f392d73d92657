/** Decides what a scaler that may leave a revision without pods is told: whether the revision is to have some. */
import type { MeasuredLoad } from './autoscale/scaler.ts';

/** Knowledge about the load of a revision. */
export interface LoadSignals {
  /** Load, which is undefined while a router that has to report does not: to know a part is not to know. */
  readonly load: MeasuredLoad | undefined;
  /** True when requests are under way, wait or came in the last seconds, as far as it is known. */
  readonly hasRequests: boolean;
  readonly hasPods: boolean;
  /** True when there was no request for so long that the last pod may go. */
  readonly isUnused: boolean;
}

/**
 * Says whether a revision is to have pods; undefined while that is not known. One that has pods may lose them only when
 * every router holds its requests: whoever asks next then waits for a pod.
 * @param isHeld true when every router has confirmed that it holds the revision's requests
 */
export function isActive(
  { load, hasRequests, hasPods, isUnused }: LoadSignals,
  isHeld: boolean,
): boolean | undefined {
  if (hasRequests) return true;
  if (load === undefined) return undefined;
  return hasPods && !(isUnused && isHeld);
}
