/** The real cluster implements the controllers' ports: informers read it, the client writes to it. */
import {
  type Lister,
  type ObjectEvent,
  type PodClaims,
  Refusal,
  type Relabelling,
  type ReplicasChange,
  type Writer,
} from '../api/cluster.ts';
import { KINDS, type Kind, type Kinds } from '../api/kinds.ts';
import type { KubeObject, Observed, OwnerReference, ScaledDeployment } from '../api/kube.ts';
import type { Change } from '../controller/controller.ts';
import type { Logger } from '../log.ts';
import type { KubeClient } from './client.ts';
import { isConflict, isNamespaceEnding, isNotFound, KubeError } from './errors.ts';
import { Informer } from './informer.ts';
import { microTime } from './leader.ts';
import { TRIM } from './trim.ts';

/** Resource version that no object has: an apply with it succeeds only where there is no object yet. */
const NO_OBJECT = '1';

/** Attempts to scale a Deployment that changes meanwhile. */
const SCALE_TRIES = 5;

/** Connection to a cluster, and the function that is told about its changes. */
export interface KubeClusterOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  /** Called after every change of a watched object, those found by the first list included. */
  readonly onChange: (change: Change) => void;
  /** Called when an optional kind is found, or is gone. */
  readonly onServed?: (kind: Kind) => void;
  /** Milliseconds between two looks for an absent optional kind; the informer's own by default. */
  readonly absentPollMs?: number;
}

/** Gives controllers a real cluster, with caches of all watched kinds. */
export class KubeCluster implements Lister, Writer, PodClaims {
  readonly #client: KubeClient;
  readonly #informers: ReadonlyMap<Kind, Informer>;
  #events = 0;

  constructor({ client, log, onChange, onServed, absentPollMs }: KubeClusterOptions) {
    this.#client = client;
    this.#informers = new Map(
      (Object.keys(KINDS) as Kind[]).map((kind) => [
        kind,
        new Informer({
          client,
          kind,
          labelSelector: KINDS[kind].watch || undefined,
          optional: KINDS[kind].optional,
          trim: TRIM[kind],
          onServed: () => onServed?.(kind),
          absentPollMs,
          log,
          onChange: (object, deleted) => onChange({ kind, object, deleted } as Change),
        }),
      ]),
    );
  }

  /** Starts to follow every watched kind until `signal` aborts; resolves when all have their first list. */
  async start(signal: AbortSignal): Promise<void> {
    for (const informer of this.#informers.values()) void informer.run(signal);
    await Promise.all([...this.#informers.values()].map(({ synced }) => synced));
  }

  serves(kind: Kind): boolean {
    return this.#informers.get(kind)?.served ?? false;
  }

  get<K extends Kind>(kind: K, key: string): Kinds[K] | undefined {
    return this.#informers.get(kind)?.get(key) as Kinds[K] | undefined;
  }

  list<K extends Kind>(kind: K, namespace?: string): Kinds[K][] {
    return (this.#informers.get(kind)?.list(namespace) ?? []) as Kinds[K][];
  }

  listOwned<K extends Kind>(kind: K, key: string): Kinds[K][] {
    return (this.#informers.get(kind)?.listOwned(key) ?? []) as Kinds[K][];
  }

  create(object: KubeObject): Promise<boolean> {
    return this.#learned(this.#client.create<KubeObject>(object));
  }

  apply(object: KubeObject): Promise<boolean> {
    const { metadata } = object;
    const guard = metadata.uid === undefined ? { resourceVersion: NO_OBJECT } : {};
    return this.#learned(this.#client.apply({ ...object, metadata: { ...metadata, ...guard } }));
  }

  async read(kind: Kind, key: string): Promise<KubeObject | undefined> {
    const [name = '', namespace] = key.split('/').reverse();
    return this.#client.get<KubeObject>({ kind, namespace, name }).catch(ignoreNotFound);
  }

  async adopt(object: KubeObject, owner: OwnerReference): Promise<void> {
    const { kind } = object;
    const { uid, resourceVersion, namespace, name } = object.metadata;
    const metadata = { uid, resourceVersion, ownerReferences: [owner] };
    await refusable(this.#client.patch({ kind, namespace, name }, { metadata }));
  }

  async applyStatus(object: KubeObject & { status: object }): Promise<string | undefined> {
    const stored = await this.#client.apply<KubeObject>(object, 'status').catch(ignoreNotFound);
    return stored?.metadata.resourceVersion;
  }

  async scale(
    deployment: { namespace: string; name: string },
    { from, to }: ReplicasChange,
  ): Promise<boolean> {
    const key = `${deployment.namespace}/${deployment.name}`;
    let known: Observed<ScaledDeployment> | undefined = this.get('Deployment', key);
    for (let tries = 0; tries < SCALE_TRIES && known?.spec?.replicas === from; tries++) {
      const { resourceVersion } = known.metadata;
      const target = { kind: 'Deployment', ...deployment };
      const write = this.#client.scale(target, to, { resourceVersion });
      if (await unlessConflict(write)) return true;
      // Something of it has changed that is not in the caches yet, be it only its status.
      known = (await this.read('Deployment', key)) as typeof known;
    }
    return false;
  }

  async relabel(pod: KubeObject, { labels, owner }: Relabelling): Promise<boolean> {
    const { namespace, name, uid, resourceVersion } = pod.metadata;
    const metadata = { uid, resourceVersion, labels, ...(owner && { ownerReferences: [owner] }) };
    const write = this.#client.patch({ kind: 'Pod', namespace, name }, { metadata });
    return unlessConflict(write).catch((error) => {
      if (!isNotFound(error)) throw error;
      return false;
    });
  }

  async delete(object: KubeObject): Promise<void> {
    await refusable(this.#client.delete(object)).catch(ignoreNotFound);
  }

  async event(about: KubeObject, { type, reason, message }: ObjectEvent): Promise<void> {
    const { apiVersion, kind, metadata } = about;
    const { name, namespace, uid } = metadata;
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: {
        name: `${name}.${Date.now().toString(16)}${(this.#events++).toString(16)}`,
        // Where the API server keeps events about objects without a namespace.
        namespace: namespace ?? 'default',
      },
      eventTime: microTime(),
      reportingController: 'wherry.dev/operator',
      reportingInstance: 'operator',
      action: 'Reconcile',
      type,
      reason,
      note: message.slice(0, 1024),
      regarding: { apiVersion, kind, name, namespace, uid },
    };
    await this.#client.create(event);
  }

  /** Carries out a write as `unlessConflict` does, and lets the cache of the kind know what it has made. */
  #learned(write: Promise<KubeObject>): Promise<boolean> {
    return unlessConflict(
      write.then((object) => this.#informers.get(object.kind as Kind)?.learn(object)),
    );
  }
}

/** Takes a 404 for success, because nothing is left to write to an object that was deleted meanwhile. */
function ignoreNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}

/**
 * Returns whether a write was carried out; false for a conflict, or when everything in the namespace is about to go.
 * @throws Refusal
 */
async function unlessConflict(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (isConflict(error) || isNamespaceEnding(error)) return false;
    throw asRefusal(error);
  }
}

/** Throws a Refusal in place of an answer that would be the same again until somebody changes something. */
async function refusable<T>(write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    throw asRefusal(error);
  }
}

function asRefusal(error: unknown): unknown {
  return error instanceof KubeError && isRefusal(error) ? new Refusal(error.serverMessage) : error;
}

/**
 * Says whether trying again would change nothing. A 500 is among these: the API server answers so when a
 * webhook fails.
 */
function isRefusal({ code }: KubeError): boolean {
  return [400, 403, 405, 413, 415, 422, 500].includes(code);
}
