/**
 * Starts pods for requests that wait. Every operator does so for the requests that it holds itself, whoever leads:
 * no other process is on the way of a request that finds no pod.
 */
import type { Lister, Writer } from '../api/cluster.ts';
import { type RevisionRef, revisionName, serviceKey } from '../api/revision.ts';
import type { Logger } from '../log.ts';
import { wakeReplicas } from '../plan/wake.ts';
import { ScaleEvents } from './scale-events.ts';
import type { StandIns } from './stand-ins.ts';

/** The cluster that pods are started in. */
export interface WakerOptions {
  readonly lister: Lister;
  readonly writer: Pick<Writer, 'scale' | 'event'>;
  /** Pods of warm pools that may stand in meanwhile; undefined where there are none. */
  readonly standIns?: Pick<StandIns, 'take'>;
  readonly log: Logger;
}

/** Starts pods of revisions that have none. */
export class Waker {
  readonly #options: WakerOptions;
  readonly #events: ScaleEvents;

  constructor(options: WakerOptions) {
    this.#options = options;
    this.#events = new ScaleEvents(options.writer);
  }

  /**
   * Starts pods of a revision that has none, as many as `waiting` requests need, and resolves when they are asked for. A
   * failure is logged: who holds the requests calls again while they wait.
   */
  async wake(ref: RevisionRef, waiting: number): Promise<void> {
    const { lister, writer, standIns, log } = this.#options;
    const { namespace } = ref;
    const name = revisionName(ref);
    const isvc = lister.get('InferenceService', serviceKey(ref));
    const deployment = lister.get('Deployment', `${namespace}/${name}`);
    if (isvc === undefined || deployment?.spec?.replicas !== 0) return;
    const replicas = wakeReplicas(isvc, ref, waiting);
    if (replicas === 0) return;
    try {
      if (!(await writer.scale({ namespace, name }, { from: 0, to: replicas }))) return;
      void standIns?.take(isvc, ref);
      log.info('woken', { deployment: name, to: replicas, waiting });
    } catch (error) {
      log.warn('not woken', { deployment: name, error: (error as Error).message });
      return;
    }
    const message = `${name}: 0 → ${replicas}, for ${waiting} waiting ${waiting === 1 ? 'request' : 'requests'}`;
    // The requests do not wait for it.
    this.#events.tell(isvc, 'Woken', message).catch((error: Error) => {
      log.warn('event not written', { deployment: name, error: error.message });
    });
  }
}
