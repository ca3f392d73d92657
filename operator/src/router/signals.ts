/** Translates Envoy's metrics into the signals of revisions. */
import { formatRevision, type RevisionRef } from '../api/revision.ts';
import {
  LATENCY_BOUNDS,
  OUTCOMES,
  type Outcome,
  type RevisionSignals,
} from '../api/revision-signals.ts';
import type { Message } from './protos.ts';
import { CLUSTER_LABEL, LATENCY, OUTCOME_LABEL, REQUESTS } from './signal-resources.ts';

interface Metric {
  readonly label: readonly { readonly name: string; readonly value: string }[];
  readonly counter?: { readonly value: number } | null;
  readonly histogram?: Histogram | null;
}

interface Histogram {
  readonly sample_count: number;
  readonly sample_sum: number;
  readonly bucket: readonly { readonly cumulative_count: number; readonly upper_bound: number }[];
}

interface MetricFamily {
  readonly name: string;
  metric: Metric[];
}

/** Returns the revision that a cluster sends to; undefined when it sends to none. */
export type RevisionOf = (cluster: string) => RevisionRef | undefined;

/**
 * Drops from a decoded StreamMetricsMessage what tells nothing about revisions, such as the counters of those that are
 * quiet now: most of many are.
 */
export function dropIdle(message: Message): void {
  const families = message.envoy_metrics as MetricFamily[];
  message.envoy_metrics = families.filter((family) => {
    if (family.name !== REQUESTS && family.name !== LATENCY) return false;
    family.metric = family.metric.filter(
      ({ counter, histogram }) => Number(counter?.value ?? histogram?.sample_count ?? 0) > 0,
    );
    return family.metric.length > 0;
  });
}

/**
 * Translates a StreamMetricsMessage whose counters and histograms are those since the one before. The two ports of a
 * revision add up; what belongs to no revision is left out.
 */
export function revisionSignals(message: Message, revision: RevisionOf): RevisionSignals[] {
  const revisions = new Map<string, MutableSignals>();
  for (const { metric } of message.envoy_metrics as MetricFamily[]) {
    for (const { label, counter, histogram } of metric) {
      const labels = Object.fromEntries(label.map(({ name, value }) => [name, value]));
      const ref = revision(labels[CLUSTER_LABEL] ?? '');
      if (ref === undefined) continue;
      const id = formatRevision(ref);
      const signals = revisions.get(id) ?? { ref, outcomes: {}, latency: {}, latencySeconds: 0 };
      revisions.set(id, signals);
      if (counter) addOutcome(signals, labels[OUTCOME_LABEL], counter.value);
      if (histogram) addLatencies(signals, histogram);
    }
  }
  return [...revisions.values()];
}

interface MutableSignals extends RevisionSignals {
  readonly outcomes: Partial<Record<Outcome, number>>;
  readonly latency: Record<number, number>;
  latencySeconds: number;
}

function addOutcome({ outcomes }: MutableSignals, name: string | undefined, count: number): void {
  const outcome = OUTCOMES.find((one) => one === name);
  if (outcome !== undefined) outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
}

function addLatencies(signals: MutableSignals, histogram: Histogram): void {
  const { latency } = signals;
  const { bucket, sample_count, sample_sum } = histogram;
  signals.latencySeconds += sample_sum / 1e6;
  let below = 0;
  const add = (index: number, cumulative: number) => {
    if (cumulative > below) latency[index] = (latency[index] ?? 0) + cumulative - below;
    below = Math.max(below, cumulative);
  };
  for (const { upper_bound, cumulative_count } of bucket) {
    if (cumulative_count > below) add(bucketIndex(upper_bound), cumulative_count);
  }
  add(LATENCY_BOUNDS.length, sample_count);
}

/** Bucket that a bound is of; one that is not in the list, of another release's router, counts for the next larger. */
function bucketIndex(bound: number): number {
  const index = LATENCY_BOUNDS.findIndex((own) => own >= bound);
  return index === -1 ? LATENCY_BOUNDS.length : index;
}
