/** The time that a pod may take to end, so that no request is cut off before its route's timeout. */
import type { ComponentSpec } from '../api/inferenceservice.ts';

/** KServe's HTTPRoute timeout when the spec has none. */
export const DEFAULT_TIMEOUT_SECONDS = 60;
/** Seconds between a pod's removal from the router and its SIGTERM; covers kube-proxy and other routers. */
export const PRE_STOP_SECONDS = 5;
/** Seconds of a request without a limit, after which its pod ends nevertheless. */
const UNLIMITED_SECONDS = 3600;
/** Seconds that a server has to end after its last request. */
const END_SECONDS = 5;

/** Returns the grace period of a component's pods in seconds; the user's own counts. */
export function graceSeconds({
  terminationGracePeriodSeconds,
  timeout = DEFAULT_TIMEOUT_SECONDS,
}: ComponentSpec): number {
  const longest = timeout === 0 ? UNLIMITED_SECONDS : timeout;
  const needed = Math.max(DEFAULT_TIMEOUT_SECONDS, longest) + PRE_STOP_SECONDS + END_SECONDS;
  return terminationGracePeriodSeconds ?? needed;
}

/**
 * Returns the grace period that a component's timeout makes longer than that of other pods; undefined when it makes
 * none. A pod that runs cannot be given a longer one, so that this is a part of its revision.
 */
export function longGraceSeconds(spec: ComponentSpec): number | undefined {
  if (spec.terminationGracePeriodSeconds !== undefined) return undefined;
  const seconds = graceSeconds(spec);
  return seconds > graceSeconds({}) ? seconds : undefined;
}
