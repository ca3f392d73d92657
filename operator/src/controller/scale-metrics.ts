/**
 * Metrics of the autoscaler, which only a leader has. They are read from what it knows at each scrape, so that a
 * revision that is gone has no series.
 */
import { setImmediate } from 'node:timers/promises';
import { Counter, Gauge, type Registry } from 'prom-client';
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

interface GaugeOfRevisions {
  readonly name: string;
  readonly help: string;
  /** Name of a label beyond those of the revision. */
  readonly label?: 'metric';
  readonly value: (scale: RevisionScaleFacts) => number | undefined;
}

const GAUGES: readonly GaugeOfRevisions[] = [
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
    label: 'metric',
    value: ({ reason }) => reason?.load,
  },
  {
    name: 'wherry_revision_pod_target',
    help: 'Load that one pod of a revision is to bear',
    label: 'metric',
    value: ({ reason }) => reason?.perPod,
  },
];

/** Adds the metrics of an autoscaler to a registry; to be called once. */
export function addScaleMetrics(registry: Registry, facts: ScaleFacts): void {
  // Thousands of revisions are many series: what else is due goes on between two gauges.
  let turn = Promise.resolve();
  for (const { name, help, label, value } of GAUGES) {
    new Gauge({
      ...{ name, help, registers: [registry] },
      labelNames: ['namespace', 'service', 'revision', ...(label === undefined ? [] : [label])],
      async collect() {
        turn = turn.then(() => setImmediate());
        await turn;
        this.reset();
        for (const scale of facts.scales()) {
          const { ref, metric } = scale;
          const { namespace, service } = ref;
          const labels = { namespace, service, revision: revisionName(ref) };
          const measured = value(scale);
          if (measured === undefined) continue;
          this.set(label === undefined ? labels : { ...labels, metric }, measured);
        }
      },
    });
  }
  new Counter({
    name: 'wherry_scale_decisions_total',
    help: 'Changes of the desired pods of a revision, by the rule that had the last word',
    labelNames: ['rule'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [rule, count] of facts.decisions) this.inc({ rule }, count);
    },
  });
}
