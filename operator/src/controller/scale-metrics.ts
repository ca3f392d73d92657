/**
 * Metrics of the scale of each revision, which only a leader has. They are read from what the autoscaler knows at each
 * scrape, so that a revision that is gone has no series. Thousands of revisions are so many series that prom-client
 * would stop everything else for their time: they are written here, in parts.
 */
import { setImmediate } from 'node:timers/promises';
import { type RevisionRef, revisionName } from '../api/revision.ts';
import type { AutoscalerSettings, ScaleReason, ScaleRule } from '../plan/autoscale/decision.ts';

/** Scale of one revision, and what it was decided from. */
export interface RevisionScaleFacts {
  readonly ref: RevisionRef;
  /** Number of its pods that are ready; undefined when they could not be counted. */
  readonly ready?: number;
  readonly metric: AutoscalerSettings['metric'];
  /** Replicas that were decided last, before the limits of the service; undefined before the first decision. */
  readonly desired?: number;
  readonly reason?: ScaleReason;
}

/** Reads what the metrics tell. */
export interface ScaleFacts {
  /** Returns the revisions that are scaled now. */
  scales(): Iterable<RevisionScaleFacts>;
  /** Number of changes of the desired replicas since the start, by the rule that had the last word. */
  readonly decisions: ReadonlyMap<ScaleRule, number>;
}

/** Number of lines that are written before what else is due goes on. */
const LINES = 500;

interface RevisionGauge {
  readonly name: string;
  readonly help: string;
  /** True where the unit is that of the metric that is scaled by. */
  readonly isOfMetric?: boolean;
  readonly value: (scale: RevisionScaleFacts) => number | undefined;
}

const GAUGES: readonly RevisionGauge[] = [
  {
    name: 'wherry_revision_desired_replicas',
    help: 'Pods that the autoscaler wants for a revision, before minReplicas and maxReplicas',
    value: ({ desired }) => desired,
  },
  {
    name: 'wherry_revision_ready_replicas',
    help: 'Pods of a revision that are ready',
    value: ({ ready }) => ready,
  },
  {
    name: 'wherry_revision_load',
    help: 'Load of a revision that its scale was decided from: requests under way, or those that come in a second',
    isOfMetric: true,
    value: ({ reason }) => reason?.load,
  },
  {
    name: 'wherry_revision_pod_target',
    help: 'Load that one pod of a revision is to bear',
    isOfMetric: true,
    value: ({ reason }) => reason?.perPod,
  },
];

/** Writes the gauges of all revisions in the text format of Prometheus, in parts of some hundred lines. */
export async function* revisionMetrics(facts: ScaleFacts): AsyncGenerator<string> {
  for (const gauge of GAUGES) {
    let lines = [`# HELP ${gauge.name} ${gauge.help}`, `# TYPE ${gauge.name} gauge`];
    for (const scale of facts.scales()) {
      const value = gauge.value(scale);
      if (value !== undefined) lines.push(`${gauge.name}{${labels(scale, gauge)}} ${value}`);
      if (lines.length < LINES) continue;
      yield `${lines.join('\n')}\n`;
      lines = [];
      await setImmediate();
    }
    yield `${lines.join('\n')}\n`;
  }
}

/** Returns the labels of a sample; names in Kubernetes have no character that would have to be escaped. */
function labels({ ref, metric }: RevisionScaleFacts, { isOfMetric }: RevisionGauge): string {
  const { namespace, service } = ref;
  const revision = `namespace="${namespace}",service="${service}",revision="${revisionName(ref)}"`;
  return isOfMetric ? `${revision},metric="${metric}"` : revision;
}
