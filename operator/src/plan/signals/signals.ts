/** Adds signals of revisions up, and reads rates and percentiles from the sum. */
import {
  LATENCY_BOUNDS,
  type LatencyCounts,
  OUTCOMES,
  type Outcome,
  type OutcomeCounts,
  type Signals,
} from '../../api/revision-signals.ts';

/** Outcomes that are the revision's fault. */
const FAILURES: readonly Outcome[] = ['server_error', 'timeout', 'reset', 'no_pod'];
/** Outcomes that say nothing about the revision: it had no say in them. */
const UNJUDGED: readonly Outcome[] = ['refused', 'cancelled'];

/** Requests that say something about a revision, and how many of them failed. */
export interface Successes {
  readonly requests: number;
  readonly failures: number;
  /** Share of the requests that did not fail, from 0 to 1; undefined without a request. */
  readonly rate: number | undefined;
}

/** Signals of a revision that had no request. */
export const NO_SIGNALS: Signals = { outcomes: {}, latency: {}, latencySeconds: 0 };

/** Returns the sum of several signals, such as those of two routers or two periods. */
export function sumSignals(parts: Iterable<Signals>): Signals {
  const outcomes: Partial<Record<Outcome, number>> = {};
  const latency: Record<number, number> = {};
  let latencySeconds = 0;
  for (const part of parts) {
    latencySeconds += part.latencySeconds;
    for (const outcome of OUTCOMES) {
      const count = part.outcomes[outcome];
      if (count) outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
    }
    for (const [index, count] of Object.entries(part.latency)) {
      latency[Number(index)] = (latency[Number(index)] ?? 0) + count;
    }
  }
  return { outcomes, latency, latencySeconds };
}

/**
 * Counts the requests that did not fail. An answer that blames the caller is no failure; held requests that were refused
 * and requests whose client has gone do not count at all.
 */
export function successes(outcomes: OutcomeCounts): Successes {
  const sum = (of: readonly Outcome[]) =>
    of.reduce((total, outcome) => total + (outcomes[outcome] ?? 0), 0);
  const requests = sum(OUTCOMES) - sum(UNJUDGED);
  const failures = sum(FAILURES);
  return { requests, failures, rate: requests === 0 ? undefined : 1 - failures / requests };
}

/**
 * Returns a percentile of latencies in milliseconds, on a straight line between the bounds of its bucket; undefined
 * without a latency. One above the last bound is told as the last bound, 1000 s.
 * @param percent from 0 to 100
 */
export function latencyPercentile(latency: LatencyCounts, percent: number): number | undefined {
  // Keys that are numbers come in ascending order.
  const buckets = Object.entries(latency).map(([index, count]) => ({
    index: Number(index),
    count,
  }));
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const rank = (percent / 100) * total;
  let below = 0;
  for (const { index, count } of buckets) {
    if (count > 0 && below + count >= rank) {
      const lower = LATENCY_BOUNDS[index - 1] ?? 0;
      const upper = LATENCY_BOUNDS[index] ?? lower;
      return (lower + (upper - lower) * ((rank - below) / count)) / 1000;
    }
    below += count;
  }
  return undefined;
}
