/** Load reports → a wish of replicas per revision, every two seconds; decisions are plan/autoscale.ts's. */
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { type Deployment, keyOf, type Pod } from '../api/kube.ts';
import { clusterName, type LoadReport } from '../api/route-table.ts';
import { type AutoscalerState, decide, initialState } from '../plan/autoscale.ts';
import { autoscalingOf, type ComponentAutoscaling } from '../plan/autoscaling-settings.ts';
import { revisions } from '../plan/revision.ts';
import { Window } from '../plan/window.ts';
import type { Lister } from './cluster.ts';

/** Knative's tick. */
export const TICK_MILLISECONDS = 2000;

interface Scaler {
  readonly autoscaling: ComponentAutoscaling;
  readonly stable: Window;
  readonly panic: Window;
  state: AutoscalerState;
  wish?: number;
}

export class Autoscaler {
  readonly #lister: Lister;
  /** By cluster name of the revision (namespace/revision). */
  readonly #scalers = new Map<string, Scaler>();

  constructor(lister: Lister) {
    this.#lister = lister;
  }

  /** Adds a router's report; revisions without traffic count as 0. @param now milliseconds */
  record(report: LoadReport, now: number): void {
    for (const [revision, scaler] of this.#scalers) {
      const loads = [revision, `${revision}/grpc`].map((name) => report.clusters[name]);
      const sum = (of: 'inFlight' | 'requests') =>
        loads.reduce((total, load) => total + (load?.[of] ?? 0), 0);
      const value =
        scaler.autoscaling.metric === 'rps' ? sum('requests') / report.seconds : sum('inFlight');
      scaler.stable.record(now, value);
      scaler.panic.record(now, value);
    }
  }

  /** Decides for every revision that has pods. Returns the keys of the services whose wish changed. */
  tick(now: number): string[] {
    const seen = new Set<string>();
    const changed: string[] = [];
    for (const isvc of this.#lister.list<InferenceServiceData>('InferenceService')) {
      const key = keyOf(isvc);
      const all = revisions(isvc, {
        deployments: this.#lister.listOwned<Deployment>('Deployment', key),
        pods: this.#lister.listOwned<Pod>('Pod', key),
      });
      for (const { name, ready } of all.filter((revision) => revision.replicas > 0)) {
        const cluster = clusterName(isvc.metadata.namespace ?? '', name);
        seen.add(cluster);
        const scaler = this.#scaler(cluster, autoscalingOf(isvc), ready, now);
        const traffic = isvc.status?.components?.predictor?.traffic ?? [];
        const reachable = traffic.some(({ revisionName }) => revisionName === name);
        const before = scaler.wish;
        this.#decide(scaler, { ready, reachable }, now);
        if (scaler.wish !== before) changed.push(key);
      }
    }
    for (const cluster of this.#scalers.keys()) {
      if (!seen.has(cluster)) this.#scalers.delete(cluster);
    }
    return changed;
  }

  /** The wishes for the revisions of the service `key`, by revision name. */
  demand(key: string): Record<string, number> {
    const [namespace = '', name = ''] = key.split('/');
    const prefix = clusterName(namespace, `${name}-predictor-`);
    const wishes: Record<string, number> = {};
    for (const [cluster, { wish }] of this.#scalers) {
      const rest = cluster.slice(prefix.length);
      if (wish !== undefined && cluster.startsWith(prefix) && /^\d+$/.test(rest)) {
        wishes[cluster.slice(namespace.length + 1)] = wish;
      }
    }
    return wishes;
  }

  #scaler(cluster: string, autoscaling: ComponentAutoscaling, ready: number, now: number): Scaler {
    const existing = this.#scalers.get(cluster);
    if (
      existing !== undefined &&
      JSON.stringify(existing.autoscaling) === JSON.stringify(autoscaling)
    ) {
      return existing;
    }
    const scaler: Scaler = {
      autoscaling,
      stable: new Window(autoscaling.settings.stableWindowSeconds),
      panic: new Window(autoscaling.panicWindowSeconds),
      state: initialState(ready, now),
    };
    this.#scalers.set(cluster, scaler);
    return scaler;
  }

  /** Without a report nothing is known and nothing changes. */
  #decide(
    scaler: Scaler,
    { ready, reachable }: { ready: number; reachable: boolean },
    now: number,
  ): void {
    if (scaler.stable.isEmpty(now)) return;
    const sample = {
      stable: scaler.stable.average(now),
      panic: scaler.panic.average(now),
      readyPods: ready,
      reachable,
    };
    const { desired, state } = decide(sample, scaler.autoscaling.settings, scaler.state, now);
    scaler.state = state;
    scaler.wish = desired;
  }
}
