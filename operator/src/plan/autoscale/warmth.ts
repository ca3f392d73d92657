/**
 * Learns from the pauses between requests for how long a revision without one is to keep its last pod. Among the
 * times that would have cost no more pod seconds than the plain window, the one with the fewest cold starts is
 * taken, and the shortest of those.
 */

/** Number of the latest pauses that are remembered, and fewest that anything is concluded from. */
const REMEMBERED = 64;
const LEAST = 8;
/** Seconds that the last pod stays at least, as far as the window is not shorter. */
const LEAST_SECONDS = 10;
/** A pause like the longest that is to be survived may be longer by this factor, and by these seconds. */
const MARGIN = 1.1;
const MARGIN_SECONDS = 2;

/** Returns the pauses with one more, without the oldest of too many; both in seconds. */
export function withPause(pauses: readonly number[], seconds: number): readonly number[] {
  return [...pauses, seconds].slice(-REMEMBERED);
}

/** Times that decide how long to keep warm, in seconds. */
export interface WarmthOptions {
  readonly pauses: readonly number[];
  readonly windowSeconds: number;
  /** Time that a pod takes to become ready; it costs pod seconds, too, at every cold start. */
  readonly startSeconds: number;
}

/** Returns the seconds without a request after which the last pod is to go. */
export function warmSeconds({ pauses, windowSeconds, startSeconds }: WarmthOptions): number {
  if (pauses.length < LEAST) return windowSeconds;
  const least = Math.min(windowSeconds, LEAST_SECONDS);
  const most = windowSeconds + startSeconds;
  const outcome = (seconds: number) => {
    const cold = pauses.filter((pause) => pause > seconds).length;
    const kept = pauses.reduce((sum, pause) => sum + Math.min(pause, seconds), 0);
    return { seconds, cold, podSeconds: kept + cold * startSeconds };
  };
  const plain = outcome(windowSeconds);
  const best = pauses
    .map((pause) => Math.ceil(pause * MARGIN + MARGIN_SECONDS))
    .filter((seconds) => seconds > least && seconds <= most)
    .concat(least)
    .map(outcome)
    .filter(({ podSeconds, cold }) => podSeconds <= plain.podSeconds && cold <= plain.cold)
    .sort((a, b) => a.cold - b.cold || a.seconds - b.seconds)[0];
  return best?.seconds ?? windowSeconds;
}
