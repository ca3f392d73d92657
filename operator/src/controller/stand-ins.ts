/**
 * Takes pods of a warm pool for revisions that have just been woken: a request is answered when the model is loaded,
 * and not only when a pod has started. The revision's own pods start meanwhile, so that nothing waits for a pool: what
 * fails here is logged, and the pod that was taken is deleted.
 */
import { request } from 'undici';
import type { Lister, PodClaims, Writer } from '../api/cluster.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import type { Deployment, Observed, OwnerReference, Pod, PodSpec } from '../api/kube.ts';
import { LABELS, poolKey } from '../api/names.ts';
import { hostPort } from '../api/pod-ips.ts';
import { formatRevision, type RevisionRef, revisionName } from '../api/revision.ts';
import { signAssignment } from '../certificates/assignment.ts';
import type { KeyCertPair } from '../certificates/issue.ts';
import type { Logger } from '../log.ts';
import { servingPort } from '../plan/pod.ts';
import { runtimePin } from '../plan/runtime-pin.ts';
import { CLAIM_SECONDS, isFree, serverArguments, whyUnfit } from '../plan/stand-in.ts';
import { poolName } from '../plan/warm-pool.ts';
import { ScaleEvents } from './scale-events.ts';

/** Path of the runtime at which a pod of a pool takes a revision. */
const ASSIGNMENT_PATH = '/v2/pool/assignment';
/** Milliseconds that a model may take to load: less than the time after which others give the claimed pod up. */
const LOAD_TIMEOUT_MS = (CLAIM_SECONDS - 30) * 1000;

/** The cluster that pods are taken in, and the certificate that their assignments are signed with. */
export interface StandInsOptions {
  readonly lister: Pick<Lister, 'get' | 'listOwned'>;
  readonly writer: Pick<Writer, 'read' | 'delete' | 'event'> & PodClaims;
  /** Returns the operator's own certificate; undefined while it has none. */
  readonly certificate: () => KeyCertPair | undefined;
  readonly log: Logger;
}

type WholeDeployment = Observed<Deployment> | undefined;

/** Whoever a pod of a pool is taken for. */
interface Woken {
  readonly ref: RevisionRef;
  readonly deployment: Observed<Deployment>;
  readonly certificate: KeyCertPair;
}

/** Lets pods of warm pools stand in for revisions. */
export class StandIns {
  readonly #options: StandInsOptions;
  readonly #events: ScaleEvents;

  constructor(options: StandInsOptions) {
    this.#options = options;
    this.#events = new ScaleEvents(options.writer);
  }

  /**
   * Takes a pod of the namespace for a revision and gives it the model, where a pool has one that fits. It never throws.
   */
  async take(isvc: InferenceServiceData, ref: RevisionRef): Promise<void> {
    const { log } = this.#options;
    const revision = formatRevision(ref);
    try {
      await this.#take(isvc, ref);
    } catch (error) {
      log.warn('no stand-in', { revision, error: (error as Error).message });
    }
  }

  async #take(isvc: InferenceServiceData, ref: RevisionRef): Promise<void> {
    const { lister, writer, certificate: own } = this.#options;
    const { namespace } = ref;
    const name = revisionName(ref);
    const pin = runtimePin(lister.get('Deployment', `${namespace}/${name}`));
    const certificate = own();
    if (pin === undefined || certificate === undefined) return;
    const pool = poolName(pin.kind, pin.name);
    const free = lister.listOwned('Pod', poolKey(namespace, pool)).filter(isFree);
    if (free.length === 0) return;
    // The caches keep neither's pod whole.
    const read = (name: string) => writer.read('Deployment', `${namespace}/${name}`);
    const [deployment, ofPool] = (await Promise.all([name, pool].map(read))) as WholeDeployment[];
    if (deployment === undefined || ofPool === undefined) return;
    const reason = whyUnfit(podSpec(deployment), podSpec(ofPool));
    if (reason !== undefined) {
      await this.#events.tell(
        isvc,
        'WarmPoolUnfit',
        `${name} starts without the warm pool: ${reason}`,
      );
      return;
    }
    const pod = await this.#claim(free);
    if (pod === undefined) return;
    await this.#use(pod, { ref, deployment, certificate });
    const message = `${name}: pod ${pod.metadata.name} of the warm pool stands in until a pod of the revision is ready`;
    await this.#events.tell(isvc, 'StandsIn', message);
  }

  /** Claims one of the pods: the write of one operator succeeds. Returns undefined when others have them all. */
  async #claim(pods: readonly Observed<Pod>[]): Promise<Observed<Pod> | undefined> {
    const { writer } = this.#options;
    const labels = { [LABELS.claimed]: String(Math.floor(Date.now() / 1000)) };
    for (const pod of pods) {
      if (await writer.relabel(pod, { labels })) return pod;
    }
    return undefined;
  }

  /** Gives a claimed pod its model and makes it the revision's; one that fails has no other use, and is deleted. */
  async #use(pod: Observed<Pod>, woken: Woken): Promise<void> {
    const { writer, log } = this.#options;
    const { ref, deployment } = woken;
    try {
      const started = performance.now();
      await assign(pod, woken);
      const loadMs = Math.round(performance.now() - started);
      // The claim is exclusive, and the pod's status may have changed since: only the uid counts.
      const { resourceVersion: _, ...metadata } = pod.metadata;
      const labels = { ...revisionLabels(deployment), [LABELS.pool]: null };
      if (!(await writer.relabel({ ...pod, metadata }, { labels, owner: podOwner(deployment) }))) {
        throw new Error(`pod ${metadata.name} is gone`);
      }
      log.info('stands in', { revision: formatRevision(ref), pod: metadata.name, loadMs });
    } catch (error) {
      // Whoever leads gives the claim up where this fails.
      await writer.delete(pod).catch(() => undefined);
      throw error;
    }
  }
}

/** Gives a pod the model of a revision, and resolves when it is loaded. @throws Error with the reason that it is not */
async function assign(pod: Observed<Pod>, { ref, deployment, certificate }: Woken): Promise<void> {
  const { status, spec, metadata } = pod;
  const address = hostPort(status?.podIP ?? '', servingPort(spec));
  const token = await signAssignment(certificate, {
    podUid: metadata.uid ?? '',
    revision: formatRevision(ref),
    args: serverArguments(podSpec(deployment)),
    now: new Date(),
  });
  const { statusCode, body } = await request(`http://${address}${ASSIGNMENT_PATH}`, {
    method: 'POST',
    body: token,
    headersTimeout: LOAD_TIMEOUT_MS,
  });
  const text = await body.text();
  if (statusCode === 200) return;
  throw new Error(`pod ${metadata.name}: ${statusCode} ${text.slice(0, 500)}`);
}

function podSpec({ spec }: Observed<Deployment>): PodSpec {
  return spec?.template.spec as PodSpec;
}

/** Labels of a revision's pods, less the one by which its Deployment would take the pod for one that it has made. */
function revisionLabels({ spec }: Observed<Deployment>): Record<string, string> {
  const { [LABELS.app]: _, ...labels } = spec?.template.metadata?.labels ?? {};
  return labels;
}

/** The reference by which a stand-in goes when its revision goes. */
function podOwner({ metadata: { name, uid = '' } }: Observed<Deployment>): OwnerReference {
  return { apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true };
}
