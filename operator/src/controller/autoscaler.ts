/**
 * The autoscaler turns load reports into desired replicas of each revision, every two seconds and at once in a burst;
 * plan/autoscale decides. Only services that have load, or whose scale is still settling, cost anything in a tick.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Lister } from '../api/cluster.ts';
import type { Observed, Pod } from '../api/kube.ts';
import { formatRevision, type RevisionRef, serviceKey } from '../api/revision.ts';
import type { LoadReport } from '../api/route-table.ts';
import type { LoadSignals } from '../plan/activity.ts';
import type { ScaleReason, ScaleRule } from '../plan/autoscale/decision.ts';
import { RevisionScaler, type ScaledPods } from '../plan/autoscale/scaler.ts';
import type { ComponentAutoscaling } from '../plan/autoscale/settings.ts';
import { components } from '../plan/component.ts';
import { isUnschedulable } from '../plan/failure.ts';
import type { DesiredReplicas } from '../plan/input.ts';
import { isPodReady, type Revision, revisions } from '../plan/revision.ts';
import { isStandIn } from '../plan/stand-in.ts';
import type { RevisionScaleFacts, ScaleFacts } from './scale-metrics.ts';

/** Milliseconds between two decisions about scale. Knative's tick-interval. */
export const TICK_MILLISECONDS = 2000;

/**
 * Milliseconds after which a router that has not reported is missed, and no more is known of the time between two
 * reports. Routers report every second.
 */
const SILENT_AFTER = 5000;

/** A revision that is watched. */
interface Watched {
  readonly ref: RevisionRef;
  readonly scaler: RevisionScaler;
  /** False while it has no pods: whoever wakes it sets its scale. */
  hasPods: boolean;
}

/**
 * Decides how many pods each revision with pods is to have, from the load that routers report. Times are in
 * milliseconds.
 */
export class Autoscaler implements ScaleFacts {
  /** Number of changes of what Wherry's own autoscaler desires, by the rule that had the last word. */
  readonly decisions = new Map<ScaleRule, number>();
  readonly #lister: Lister;
  /** Returns the names of the routers that have to report; those that have ever reported, where it is not known. */
  readonly #expected: () => readonly string[];
  /** Revisions that have pods or traffic, by service key and then by revision. */
  readonly #services = new Map<string, Map<string, Watched>>();
  /** All of them, by the formatted revision. */
  readonly #revisions = new Map<string, Watched>();
  /** Keys of the services to decide about at the next tick. */
  readonly #awake = new Set<string>();
  /** Time in milliseconds of the last report of each router. */
  readonly #reports = new Map<string, number>();
  /** Time in milliseconds of the last report of any router. */
  #reportedAt: number | undefined;

  /**
   * Makes an autoscaler that knows of no load. @param expected returns the names of the routers that have to report
   */
  constructor(lister: Lister, expected?: () => readonly string[]) {
    this.#lister = lister;
    this.#expected = expected ?? (() => [...this.#reports.keys()]);
  }

  /**
   * Reads the settings, revisions and pods of a service anew; to be called when one has changed. @param now
   * milliseconds
   */
  look(key: string, now: number): void {
    const isvc = this.#lister.get('InferenceService', key);
    const before = this.#services.get(key);
    const after = new Map<string, Watched>();
    for (const component of isvc === undefined ? [] : components(isvc)) {
      const children = this.#lister.listOwned('Deployment', key);
      const traffic = component.isvc.status?.components?.[component.name]?.traffic ?? [];
      const pods = this.#lister.listOwned('Pod', key);
      for (const revision of revisions(component.isvc, children, pods)) {
        const { ref, replicas, name } = revision;
        const isReachable = traffic.some(({ revisionName }) => revisionName === name);
        // One at zero is remembered: its pauses tell how long it is to stay warm.
        if (replicas === 0 && !isReachable) continue;
        const id = formatRevision(ref);
        const { autoscaling } = component;
        const scaled = { ...scaledPods(revision), isReachable };
        after.set(id, watched(before?.get(id), { ref, replicas, autoscaling, scaled, now }));
      }
    }
    for (const id of before?.keys() ?? []) this.#revisions.delete(id);
    for (const [id, revision] of after) this.#revisions.set(id, revision);
    if (after.size === 0) this.#services.delete(key);
    else this.#services.set(key, after);
    this.#awake.add(key);
  }

  /**
   * Adds a router's report; revisions that it does not name had no traffic. Decides at once where it tells of a burst,
   * for which the next tick may be too late, and returns the keys of the services whose desired scale changed.
   * @param now milliseconds
   */
  record(report: LoadReport, now: number): string[] {
    const isResumed = Math.abs(now - (this.#reportedAt ?? now)) > SILENT_AFTER;
    if (isResumed) for (const { scaler } of this.#revisions.values()) scaler.resume(now);
    this.#reportedAt = now;
    this.#reports.set(report.router, now);
    const bursting = new Set<string>();
    for (const load of report.clusters) {
      const { scaler, hasPods } = this.#revisions.get(formatRevision(load.ref)) ?? {};
      if (!scaler?.record(load, now)) continue;
      const key = serviceKey(load.ref);
      this.#awake.add(key);
      if (hasPods && scaler.isBursting(now)) bursting.add(key);
    }
    return this.#decide(bursting, now);
  }

  /**
   * Decides for every service that is not at rest. Returns the keys of those whose desired scale changed.
   * @param now milliseconds
   */
  tick(now: number): string[] {
    return this.#decide(this.#awake, now);
  }

  #decide(keys: ReadonlySet<string>, now: number): string[] {
    // Nothing changes before the first report.
    if (this.#reportedAt === undefined || keys.size === 0) return [];
    const isFrozen = this.#isReportMissing(now);
    const changed: string[] = [];
    for (const key of keys) {
      let isAtRest = true;
      let isChanged = false;
      for (const { scaler, hasPods } of this.#services.get(key)?.values() ?? []) {
        if (!hasPods) continue;
        const before = scaler.desired;
        // The load after the last report is not known yet.
        scaler.recordQuiet(this.#reportedAt);
        isAtRest = scaler.decide(now, isFrozen) && isAtRest;
        if (scaler.desired === before) continue;
        isChanged = true;
        // What it begins with is no change.
        if (before !== undefined && decides(scaler)) this.#count(scaler.reason);
      }
      if (isAtRest && !isChanged) this.#awake.delete(key);
      if (isChanged) changed.push(key);
    }
    return changed;
  }

  /**
   * Returns the replicas that revisions of the service `key` are to have, and why; one not decided about is left
   * out.
   */
  desired(key: string): DesiredReplicas[] {
    return [...(this.#services.get(key)?.values() ?? [])].flatMap(({ ref, scaler, hasPods }) => {
      const { desired: replicas, reason } = scaler;
      if (replicas === undefined || reason === undefined || !hasPods) return [];
      return { ref, replicas, reason };
    });
  }

  *scales(): Iterable<RevisionScaleFacts> {
    for (const { ref, scaler } of this.#revisions.values()) {
      const { autoscaling, desired, reason, ready } = scaler;
      const { metric } = autoscaling.settings;
      yield { ref, ready, metric, ...(decides(scaler) && { desired, reason }) };
    }
  }

  #count(reason: ScaleReason | undefined): void {
    if (reason === undefined) return;
    this.decisions.set(reason.rule, (this.decisions.get(reason.rule) ?? 0) + 1);
  }

  /**
   * Returns what is known of a revision's load; undefined where it has neither pods nor traffic. @param now milliseconds
   */
  loadSignals(ref: RevisionRef, now: number): LoadSignals | undefined {
    const revision = this.#revisions.get(formatRevision(ref));
    if (revision === undefined) return undefined;
    const { scaler, hasPods } = revision;
    const reportedAt = this.#reportedAt ?? Number.NEGATIVE_INFINITY;
    const isKnown = now - reportedAt <= SILENT_AFTER && !this.#isReportMissing(now);
    if (isKnown) scaler.recordQuiet(reportedAt);
    return {
      load: isKnown ? scaler.load(now) : undefined,
      hasRequests: scaler.hasRequests(now),
      hasPods,
      isUnused: scaler.desired === 0,
    };
  }

  /** Says whether a router that sends traffic has not told of it lately: its load is not known. */
  #isReportMissing(now: number): boolean {
    return this.#expected().some(
      (router) => now - (this.#reports.get(router) ?? Number.NEGATIVE_INFINITY) > SILENT_AFTER,
    );
  }
}

/** Says whether Wherry's own autoscaler sets the scale of a revision. */
function decides({ autoscaling }: RevisionScaler): boolean {
  return autoscaling.class === 'wherry';
}

/** Revision as `look` has seen it. */
interface Observation {
  readonly ref: RevisionRef;
  readonly replicas: number;
  readonly autoscaling: ComponentAutoscaling;
  readonly scaled: ScaledPods;
  /** Time of the observation, in milliseconds. */
  readonly now: number;
}

/** Goes on with what is known of a revision, and begins anew where it or its settings are new. */
function watched(
  existing: Watched | undefined,
  { ref, replicas, autoscaling, scaled, now }: Observation,
): Watched {
  const hasPods = replicas > 0;
  if (existing === undefined || !isDeepStrictEqual(existing.scaler.autoscaling, autoscaling)) {
    return { ref, scaler: new RevisionScaler(autoscaling, scaled, now), hasPods };
  }
  existing.scaler.observe(scaled);
  if (hasPods && !existing.hasPods) existing.scaler.restart(now);
  existing.hasPods = hasPods;
  return existing;
}

function scaledPods({ pods, ready }: Revision): Omit<ScaledPods, 'isReachable'> {
  // A stand-in is older than the revision's wish for pods.
  const own = pods.filter((pod) => !isStandIn(pod));
  const waiting = own.filter((pod) => !isPodReady(pod));
  const starts = own.map(startSeconds).filter((seconds) => seconds !== undefined);
  return {
    ready,
    starting: waiting.map(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') || 0),
    unschedulable: waiting.filter(isUnschedulable).length,
    // A pod that was not ready for a while meanwhile seems to have taken longer.
    ...(starts.length === 0 ? {} : { startSeconds: Math.min(...starts) }),
  };
}

/** Seconds that a pod took to become ready; undefined while it is not, or where the times are not known. */
function startSeconds({ metadata, status }: Observed<Pod>): number | undefined {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') return undefined;
  const from = Date.parse(metadata.creationTimestamp ?? '');
  const seconds = (Date.parse(ready.lastTransitionTime ?? '') - from) / 1000;
  return seconds >= 0 ? seconds : undefined;
}
