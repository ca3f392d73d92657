/**
 * Reconciliation of everything and scaling of all services, which only one operator does at a time. The laptop runs
 * it, too.
 */
import type { Lister, Writer } from '../api/cluster.ts';
import { CHILD_KINDS, type Kind } from '../api/kinds.ts';
import { keyOf } from '../api/kube.ts';
import { parseRevision, type RevisionRef, serviceKey } from '../api/revision.ts';
import type { SignalReport } from '../api/revision-signals.ts';
import type { LoadReport } from '../api/route-table.ts';
import type { WaitingCount } from '../api/router-fact.ts';
import type { Logger } from '../log.ts';
import type { LoadSignals } from '../plan/activity.ts';
import type { DesiredReplicas } from '../plan/input.ts';
import { SignalTotals } from '../plan/signals/signal-totals.ts';
import { SignalWindows } from '../plan/signals/signal-windows.ts';
import { Autoscaler, TICK_MILLISECONDS } from './autoscaler.ts';
import type { Change, Controller } from './controller.ts';
import { ControllerRun } from './controller-run.ts';
import type { ScaleFacts } from './scale-metrics.ts';
import { servingRuntimeControllers } from './servingruntime.ts';
import { type WarmPoolControllersOptions, warmPoolControllers } from './warm-pool.ts';

/** Milliseconds for which signals of revisions are kept, and of the periods in which they are added up. */
const SIGNAL_WINDOWS = { length: 600_000, resolution: 10_000 };

/** Parts that reconciliation is made from. */
export interface ReconciliationOptions {
  readonly lister: Lister;
  readonly writer: Pick<Writer, 'event' | 'apply' | 'delete'>;
  /** Circumstances of the warm pools of runtimes. */
  readonly warmPools: Pick<WarmPoolControllersOptions, 'config' | 'authorities' | 'refusal'>;
  /**
   * Makes the controller of services; `desired` returns the replicas that the autoscaler desires for a service.
   */
  readonly controller: (desired: (key: string) => readonly DesiredReplicas[]) => Controller;
  /** Number of services that are reconciled at once. */
  readonly workers: number;
  readonly log: Logger;
  /** Returns the names of the routers that have to report load; those that do where it is left out. */
  readonly routers?: () => readonly string[];
  /** Called with the keys of services whose `loadSignals` may be others now; not for each change of a load. */
  readonly onActivity?: (keys: readonly string[]) => void;
  /** Called after every reconcile with the time that it took, for metrics. */
  readonly observe?: (seconds: number, failed: boolean) => void;
}

/** Reconciles everything that a change, a load report or time concerns, until it is stopped. */
export class Reconciliation {
  /** Signals of all revisions in the last ten minutes. */
  readonly signals = new SignalWindows(SIGNAL_WINDOWS);
  /** Sums of all signals since this operator leads, for metrics. */
  readonly signalTotals = new SignalTotals();
  readonly #autoscaler: Autoscaler;
  readonly #onActivity: (keys: readonly string[]) => void;
  /** Keys of services for which requests have waited since the last decision. */
  readonly #waiting = new Set<string>();
  readonly #services: ControllerRun;
  readonly #runtimes: readonly ControllerRun[];
  readonly #tick: NodeJS.Timeout;

  /** Starts at once, with every object that the lister knows. */
  constructor(options: ReconciliationOptions) {
    const { lister, writer, log, observe } = options;
    this.#autoscaler = new Autoscaler(lister, options.routers);
    this.#onActivity = options.onActivity ?? (() => undefined);
    const controller = options.controller((key) => this.#autoscaler.desired(key));
    const shared = { lister, log, observe };
    this.#services = new ControllerRun({ ...shared, controller, workers: options.workers });
    this.#runtimes = [
      ...servingRuntimeControllers({ lister, writer }),
      ...warmPoolControllers({ lister, writer, ...options.warmPools }),
    ].map((controller) => new ControllerRun({ ...shared, controller, workers: 1 }));
    for (const key of this.#services.keys()) this.#autoscaler.look(key, Date.now());
    this.#tick = setInterval(() => this.#decide(), TICK_MILLISECONDS);
  }

  /** Number of objects that wait to be reconciled. */
  get waiting(): number {
    return [this.#services, ...this.#runtimes].reduce((sum, run) => sum + run.waiting, 0);
  }

  /** Scales of all revisions, for metrics. */
  get scales(): ScaleFacts {
    return this.#autoscaler;
  }

  /** Enqueues the objects that a change of an object concerns. */
  onChange(change: Change): void {
    const { kind } = change;
    if (change.deleted) this.#forgetSignals(change);
    for (const run of this.#runtimes) run.onChange(change);
    const keys = this.#services.onChange(change);
    if (!SCALED.has(kind)) return;
    for (const key of keys) this.#autoscaler.look(key, Date.now());
    this.#onActivity(keys);
  }

  /** Reconciles every service when a kind of children has come to the cluster, or is gone from it. */
  onServed(kind: Kind): void {
    if (CHILD_KINDS.includes(kind)) this.enqueueAll();
  }

  /** Gives a router's load report to the autoscaler. */
  onLoad(report: LoadReport): void {
    this.enqueue(this.#autoscaler.record(report, Date.now()));
  }

  /** Keeps the signals of revisions that a router has reported. */
  onSignals(report: SignalReport): void {
    this.signals.record(report, Date.now());
    this.signalTotals.record(report);
  }

  /** Gives the autoscaler the requests that wait for pods at one control plane, told every second. */
  onWaiting(counts: readonly WaitingCount[]): void {
    const clusters = counts.map(({ ref, count }) => {
      return { ref, seconds: 1, inFlight: count, requests: 0 };
    });
    if (clusters.length > 0) this.onLoad({ router: '', clusters });
    // Not told at once: KEDA would ask for one pod while the waker asks for as many as are needed.
    for (const { ref } of counts) this.#waiting.add(serviceKey(ref));
  }

  /** Returns what is known of a revision's load; undefined where it has neither pods nor traffic. */
  loadSignals(ref: RevisionRef): LoadSignals | undefined {
    return this.#autoscaler.loadSignals(ref, Date.now());
  }

  /** Reconciles the services of these keys soon. */
  enqueue(keys: readonly string[]): void {
    this.#services.enqueue(keys);
  }

  /** Reconciles every runtime soon. */
  enqueueRuntimes(): void {
    for (const run of this.#runtimes) run.enqueue(run.keys());
  }

  /** Reconciles every service soon. */
  enqueueAll(): void {
    this.enqueue(this.#services.keys());
  }

  #forgetSignals({ kind, object }: Change): void {
    if (kind === 'InferenceService') {
      this.signals.forget(keyOf(object));
      this.signalTotals.forgetService(keyOf(object));
    }
    const { namespace = '', name } = object.metadata;
    const ref = kind === 'Deployment' ? parseRevision(namespace, name) : undefined;
    if (ref !== undefined) this.signalTotals.forget(ref);
  }

  /** Begins no more reconciles, and resolves when the last one has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#tick);
    await Promise.all([this.#services, ...this.#runtimes].map((run) => run.stop()));
  }

  #decide(): void {
    const changed = this.#autoscaler.tick(Date.now());
    this.enqueue(changed);
    this.#onActivity([...changed, ...this.#waiting]);
    this.#waiting.clear();
  }
}

/** Kinds whose changes may change what the autoscaler decides. */
const SCALED: ReadonlySet<Kind> = new Set(['InferenceService', 'Deployment', 'Pod']);
