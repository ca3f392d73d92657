/**
 * Load reports → desired replicas per revision, every two seconds; decisions are plan/autoscale.ts's. Only
 * services that have load, or whose scale is still settling, cost anything in a tick.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Lister } from '../api/cluster.ts';
import { formatRevision, type RevisionRef, serviceKey } from '../api/revision.ts';
import type { LoadReport } from '../api/route-table.ts';
import { type AutoscalerState, decide, initialState } from '../plan/autoscale.ts';
import type { ComponentAutoscaling } from '../plan/autoscaling-settings.ts';
import { components } from '../plan/component.ts';
import type { DesiredReplicas } from '../plan/input.ts';
import { revisions } from '../plan/revision.ts';
import { Window } from '../plan/window.ts';

/** Knative's tick. */
export const TICK_MILLISECONDS = 2000;

interface Scaler {
  readonly ref: RevisionRef;
  readonly autoscaling: ComponentAutoscaling;
  readonly stable: Window;
  readonly panic: Window;
  /** Milliseconds up to which the windows are written; from then on it was quiet. */
  recordedAt: number;
  ready: number;
  /** True while the revision has traffic. */
  isReachable: boolean;
  state: AutoscalerState;
  desired?: number;
}

export class Autoscaler {
  readonly #lister: Lister;
  /** Scalers of the revisions that have pods, by service key and then by revision. */
  readonly #services = new Map<string, Map<string, Scaler>>();
  /** Scalers by revision. */
  readonly #scalers = new Map<string, Scaler>();
  /** Services to decide about at the next tick. */
  readonly #awake = new Set<string>();
  /** Milliseconds of the last report of any router. */
  #reportedAt: number | undefined;

  constructor(lister: Lister) {
    this.#lister = lister;
  }

  /** Takes up what is new of a service: its settings, its revisions and their pods. @param now milliseconds */
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

  /** Decides for every service that is not at rest. Returns the keys of those whose desired scale changed. */
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

  /** The replicas that the revisions of the service `key` are to have. */
  desired(key: string): DesiredReplicas[] {
    return [...(this.#services.get(key)?.values() ?? [])].flatMap(({ ref, desired }) =>
      desired === undefined ? [] : { ref, replicas: desired },
    );
  }

  /** Without a report nothing is known and nothing changes. Returns true when the scaler is at rest. */
  #decide(scaler: Scaler, now: number): boolean {
    if (this.#reportedAt === undefined) return true;
    // What comes after the last report is not known yet.
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

/** Writes the quiet time since the last report that named the revision: it counts as no load. */
function recordQuiet(scaler: Scaler, until: number): void {
  scaler.stable.recordQuiet(scaler.recordedAt, until);
  scaler.panic.recordQuiet(scaler.recordedAt, until);
  scaler.recordedAt = Math.max(scaler.recordedAt, until);
}

interface Observation {
  readonly ref: RevisionRef;
  readonly autoscaling: ComponentAutoscaling;
  readonly ready: number;
  /** Milliseconds. */
  readonly now: number;
}

/** The scaler that a revision has already, or a new one when it is new or its settings are. */
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
