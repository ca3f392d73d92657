/**
 * The autoscaler turns load reports into desired replicas of each revision, every two seconds; plan/autoscale
 * decides. Only services that have load, or whose scale is still settling, cost anything in a tick.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Lister } from '../api/cluster.ts';
import { formatRevision, type RevisionRef, serviceKey } from '../api/revision.ts';
import type { LoadReport } from '../api/route-table.ts';
import { type AutoscalerState, decide, initialState } from '../plan/autoscale/kpa.ts';
import type { ComponentAutoscaling } from '../plan/autoscale/settings.ts';
import { Window } from '../plan/autoscale/window.ts';
import { components } from '../plan/component.ts';
import type { DesiredReplicas } from '../plan/input.ts';
import { revisions } from '../plan/revision.ts';

/** Milliseconds between two decisions about scale. Knative's tick-interval. */
export const TICK_MILLISECONDS = 2000;

/** Everything that the autoscaler remembers about one revision. */
interface Scaler {
  readonly ref: RevisionRef;
  readonly autoscaling: ComponentAutoscaling;
  readonly stable: Window;
  readonly panic: Window;
  /** Time in milliseconds up to which the windows are written; the revision had no load since. */
  recordedAt: number;
  /** Number of pods that are ready. */
  ready: number;
  /** True while the revision has traffic. */
  isReachable: boolean;
  state: AutoscalerState;
  /** Number of pods that were decided last; undefined before the first decision. */
  desired?: number;
}

/**
 * Decides how many pods each revision with pods is to have, from the load that routers report. Times are in
 * milliseconds.
 */
export class Autoscaler {
  readonly #lister: Lister;
  /** Scalers of the revisions that have pods, by service key and then by revision. */
  readonly #services = new Map<string, Map<string, Scaler>>();
  /** All scalers, by the formatted revision. */
  readonly #scalers = new Map<string, Scaler>();
  /** Keys of the services to decide about at the next tick. */
  readonly #awake = new Set<string>();
  /** Time in milliseconds of the last report of any router. */
  #reportedAt: number | undefined;

  constructor(lister: Lister) {
    this.#lister = lister;
  }

  /**
   * Reads the settings, revisions and pods of a service anew; to be called when one has changed. @param now
   * milliseconds
   */
  look(key: string, now: number): void {
    const isvc = this.#lister.get('InferenceService', key);
    const before = this.#services.get(key);
    const after = new Map<string, Scaler>();
    for (const component of isvc === undefined ? [] : components(isvc)) {
      const children = this.#lister.listOwned('Deployment', key);
      const traffic = component.isvc.status?.components?.[component.name]?.traffic ?? [];
      for (const revision of revisions(
        component.isvc,
        children,
        this.#lister.listOwned('Pod', key),
      )) {
        if (revision.replicas === 0) continue;
        const { ref, ready, name } = revision;
        const id = formatRevision(ref);
        const scaler = scalerFor(before?.get(id), {
          ref,
          ready,
          now,
          autoscaling: component.autoscaling,
        });
        scaler.ready = ready;
        scaler.isReachable = traffic.some(({ revisionName }) => revisionName === name);
        after.set(id, scaler);
      }
    }
    for (const id of before?.keys() ?? []) this.#scalers.delete(id);
    for (const [id, scaler] of after) this.#scalers.set(id, scaler);
    if (after.size === 0) this.#services.delete(key);
    else this.#services.set(key, after);
    this.#awake.add(key);
  }

  /** Adds a router's report; revisions that it does not name had no traffic. @param now milliseconds */
  record(report: LoadReport, now: number): void {
    this.#reportedAt = now;
    for (const load of report.clusters) {
      const scaler = this.#scalers.get(formatRevision(load.ref));
      if (scaler === undefined) continue;
      const { metric } = scaler.autoscaling;
      const value = metric === 'rps' ? load.requests / load.seconds : load.inFlight;
      if (value === 0) continue;
      recordQuiet(scaler, now);
      scaler.stable.record(now, value);
      scaler.panic.record(now, value);
      this.#awake.add(serviceKey(scaler.ref));
    }
  }

  /**
   * Decides for every service that is not at rest. Returns the keys of those whose desired scale changed.
   * @param now milliseconds
   */
  tick(now: number): string[] {
    const changed: string[] = [];
    for (const key of this.#awake) {
      let isAtRest = true;
      let isChanged = false;
      for (const scaler of this.#services.get(key)?.values() ?? []) {
        const before = scaler.desired;
        isAtRest = this.#decide(scaler, now) && isAtRest;
        isChanged ||= scaler.desired !== before;
      }
      if (isAtRest && !isChanged) this.#awake.delete(key);
      if (isChanged) changed.push(key);
    }
    return changed;
  }

  /**
   * Returns the replicas that revisions of the service `key` are to have; one not decided about is left out.
   */
  desired(key: string): DesiredReplicas[] {
    return [...(this.#services.get(key)?.values() ?? [])].flatMap(({ ref, desired }) =>
      desired === undefined ? [] : { ref, replicas: desired },
    );
  }

  /**
   * Decides for one revision, and returns true when it is at rest. Nothing changes before the first report.
   */
  #decide(scaler: Scaler, now: number): boolean {
    if (this.#reportedAt === undefined) return true;
    // The load after the last report is not known yet.
    recordQuiet(scaler, this.#reportedAt);
    if (scaler.stable.isEmpty(now)) return true;
    const sample = {
      stable: scaler.stable.average(now),
      panic: scaler.panic.average(now),
      readyPods: scaler.ready,
      reachable: scaler.isReachable,
    };
    const { desired, state } = decide(sample, scaler.autoscaling.settings, scaler.state, now);
    scaler.state = state;
    scaler.desired = desired;
    const isHeld =
      state.panicSince !== undefined || state.pastDesired.some((p) => p.pods !== desired);
    return sample.stable === 0 && !isHeld;
  }
}

/**
 * Counts the time since the last report that named the revision, up to `until` (milliseconds), as time
 * without load.
 */
function recordQuiet(scaler: Scaler, until: number): void {
  scaler.stable.recordQuiet(scaler.recordedAt, until);
  scaler.panic.recordQuiet(scaler.recordedAt, until);
  scaler.recordedAt = Math.max(scaler.recordedAt, until);
}

/** A revision with pods, as `look` sees it. */
interface Observation {
  readonly ref: RevisionRef;
  readonly autoscaling: ComponentAutoscaling;
  readonly ready: number;
  /** Time of the observation, in milliseconds. */
  readonly now: number;
}

/** Returns the scaler that a revision has already, or a new one when the revision or its settings are new. */
function scalerFor(
  existing: Scaler | undefined,
  { ref, autoscaling, ready, now }: Observation,
): Scaler {
  if (existing !== undefined && isDeepStrictEqual(existing.autoscaling, autoscaling)) {
    return existing;
  }
  return {
    ref,
    autoscaling,
    stable: new Window(autoscaling.settings.stableWindowSeconds),
    panic: new Window(autoscaling.panicWindowSeconds),
    recordedAt: now,
    ready,
    isReachable: false,
    state: initialState(ready, now),
  };
}
