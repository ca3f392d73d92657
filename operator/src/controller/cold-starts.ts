/**
 * Carries out the cold starts of the requests that this operator's routers hold, whoever leads: it has pods started,
 * asks them itself whether they are ready, and tells what each part of the start took.
 *
 * A pod's own answer makes it an endpoint for this operator's routers until its kubelet has spoken, which is up to
 * a probe's period later; in the status only the kubelet's word counts.
 */
import type { Lister } from '../api/cluster.ts';
import type { ObjectMeta, Observed, Pod } from '../api/kube.ts';
import { KSERVE_CONTAINER, LABELS } from '../api/names.ts';
import { formatRevision, type RevisionRef, revisionName, serviceKey } from '../api/revision.ts';
import type { WaitingCount } from '../api/router-fact.ts';
import type { Logger } from '../log.ts';
import { type ColdStartMarks, type ColdStartPhase, coldStartPhases } from '../plan/cold-start.ts';
import { podProbe } from '../plan/pod-probe.ts';
import { isPodReady } from '../plan/revision.ts';
import { isStandIn } from '../plan/stand-in.ts';
import type { Release } from '../router/releases.ts';
import { probeReadiness, type Readiness } from './readiness-probe.ts';

/** Most pods that are asked at a time; the kubelets tell of the others. */
const MOST_PROBED = 100;

/** Sources and listeners that cold starts work with. */
export interface ColdStartsOptions {
  readonly lister: Pick<Lister, 'listOwned'>;
  /** Starts pods of a revision that has none, for so many requests. */
  readonly wake: (ref: RevisionRef, waiting: number) => Promise<void>;
  /** Called with a service's key when a pod of it has become ready, or no longer is, by its own answer. */
  readonly onAnswered: (key: string) => void;
  /** Called with the seconds of each part of a cold start, when its first request has been let go. */
  readonly observe: (phases: ReadonlyMap<ColdStartPhase, number>) => void;
  readonly log: Logger;
  /** Returns the current time in milliseconds. */
  readonly now: () => number;
}

/** A pod of a revision that starts. */
interface StartingPod {
  /** True for a pod of a warm pool, which had its node and its process before anybody waited. */
  readonly standsIn: boolean;
  scheduledAt?: number;
  runningAt?: number;
  readyAt?: number;
  told?: Readiness['told'];
  /** True while the pod's own answer is the only word for its readiness. */
  isAnswered: boolean;
  /** Ends the questions to the pod; undefined while there are none. */
  probing?: AbortController;
}

/** A revision whose requests wait, or waited, for a pod that its kubelet has not yet called ready. */
interface ColdStart {
  readonly ref: RevisionRef;
  readonly pods: Map<string, StartingPod>;
  wokenAt?: number;
  isWaiting: boolean;
  isTold: boolean;
}

/** Starts pods for requests that wait, and knows which of them have said that they are ready. */
export class ColdStarts {
  readonly #options: ColdStartsOptions;
  /** Starts by the formatted revision. */
  readonly #starts = new Map<string, ColdStart>();
  #probed = 0;

  constructor(options: ColdStartsOptions) {
    this.#options = options;
  }

  /** Takes in all requests that wait; of a revision that is not named none waits any more. */
  onWaiting(counts: readonly WaitingCount[]): void {
    const waiting = new Set(counts.map(({ ref }) => formatRevision(ref)));
    for (const [id, start] of this.#starts) {
      if (!waiting.has(id)) this.#rest(start);
    }
    for (const { ref, count } of counts) void this.#start(ref, count);
  }

  /** Takes in what has become of a pod. */
  onPod(pod: Observed<Pod>, isDeleted: boolean): void {
    const start = this.#startOf(pod.metadata);
    if (start !== undefined) this.#observe(start, pod, isDeleted);
  }

  /** Takes in that a request was let go; the first one of a cold start ends it. */
  onRelease({ ref, heldAt, acknowledgedAt, releasedAt }: Release): void {
    const start = this.#starts.get(formatRevision(ref));
    if (start === undefined || start.isTold) return;
    const { wokenAt, pods } = start;
    const [first] = [...pods.values()].sort(
      (a, b) => (a.readyAt ?? Number.POSITIVE_INFINITY) - (b.readyAt ?? Number.POSITIVE_INFINITY),
    );
    const { standsIn, scheduledAt, runningAt, readyAt, told } = first ?? {};
    const ofPod = { standsIn, scheduledAt, runningAt, readyAt, told };
    const marks: ColdStartMarks = { heldAt, wokenAt, ...ofPod, acknowledgedAt, releasedAt };
    const phases = coldStartPhases(marks);
    start.isTold = true;
    this.#options.observe(phases);
    const seconds = Object.fromEntries(phases);
    this.#options.log.info('cold start', { revision: formatRevision(ref), ...seconds });
  }

  /** Says whether a pod has answered that it is ready, and its kubelet has not said so yet. */
  hasAnswered({ metadata }: Observed<Pod>): boolean {
    return this.#startOf(metadata)?.pods.get(metadata.uid ?? '')?.isAnswered ?? false;
  }

  #startOf({ namespace, labels }: ObjectMeta): ColdStart | undefined {
    return this.#starts.get(`${namespace}/${labels?.[LABELS.revision]}`);
  }

  async #start(ref: RevisionRef, waiting: number): Promise<void> {
    const { lister, wake, now } = this.#options;
    const id = formatRevision(ref);
    const name = revisionName(ref);
    const pods = lister
      .listOwned('Pod', serviceKey(ref))
      .filter(({ metadata }) => metadata.labels?.[LABELS.revision] === name);
    const existing = this.#starts.get(id);
    // Requests that wait for a free slot only are no cold start.
    const isCold = !pods.some(isPodReady);
    const start: ColdStart = existing ?? { ref, pods: new Map(), isWaiting: true, isTold: false };
    if (isCold || existing !== undefined) {
      this.#starts.set(id, start);
      start.isWaiting = true;
      for (const pod of pods) this.#observe(start, pod, false);
    }
    await wake(ref, waiting);
    start.wokenAt ??= now();
  }

  #observe(start: ColdStart, pod: Observed<Pod>, isDeleted: boolean): void {
    const { now } = this.#options;
    const { uid = '' } = pod.metadata;
    const known = start.pods.get(uid) ?? { standsIn: isStandIn(pod), isAnswered: false };
    start.pods.set(uid, known);
    if (pod.spec?.nodeName !== undefined) known.scheduledAt ??= now();
    const server = pod.status?.containerStatuses?.find(({ name }) => name === KSERVE_CONTAINER);
    if (server?.state?.running !== undefined) known.runningAt ??= now();
    const isReady = isPodReady(pod);
    if (isReady) known.readyAt ??= now();
    const isEnding = isDeleted || pod.metadata.deletionTimestamp !== undefined;
    if (isReady || isEnding || server?.state?.terminated !== undefined) this.#stop(known);
    else this.#probe(start, known, pod);
    if (isEnding) start.pods.delete(uid);
    if (!start.isWaiting) this.#rest(start);
  }

  #probe({ ref, isWaiting }: ColdStart, known: StartingPod, pod: Observed<Pod>): void {
    if (!isWaiting || known.probing !== undefined || this.#probed >= MOST_PROBED) return;
    const probe = podProbe(pod);
    if (probe === undefined) return;
    const { now, onAnswered } = this.#options;
    known.probing = new AbortController();
    this.#probed++;
    void probeReadiness(probe, known.probing.signal, ({ isReady, told }) => {
      known.readyAt = isReady ? now() : undefined;
      known.told = told;
      known.isAnswered = isReady;
      onAnswered(serviceKey(ref));
    }).finally(() => this.#probed--);
  }

  #stop(known: StartingPod): void {
    known.probing?.abort();
    known.probing = undefined;
    known.isAnswered = false;
  }

  /** Asks no pod any more for which nobody waits, but for those whose answer still counts; without any it is over. */
  #rest(start: ColdStart): void {
    start.isWaiting = false;
    const pods = [...start.pods.values()];
    for (const known of pods) if (!known.isAnswered) this.#stop(known);
    if (!pods.some(({ isAnswered }) => isAnswered)) this.#starts.delete(formatRevision(start.ref));
  }
}
