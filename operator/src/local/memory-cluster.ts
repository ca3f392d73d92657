/** Keeps a cluster in memory: to the controllers it is the API server and its garbage collector. */
import type { Lister, ObjectEvent, ReplicasChange, Writer } from '../api/cluster.ts';
import { KINDS, type Kind, type Kinds } from '../api/kinds.ts';
import { type KubeObject, keyOf, type OwnerReference } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import type { Change } from '../controller/controller.ts';

/** The answer for every ServiceAccount: on a laptop each of them is there, and has no secrets. */
export const ANY_ACCOUNT: KubeObject = {
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: 'any' },
};

type Listener = (change: Change) => void;
type Stored = KubeObject & { spec?: object; status?: object };

/**
 * A cluster's objects of all kinds, by kind and key. Watchers are called within the write, before it returns.
 */
export class MemoryCluster implements Lister, Writer {
  readonly #objects = new Map<Kind, Map<string, Stored>>();
  readonly #listeners: Listener[] = [];
  readonly #onEvent: (about: KubeObject, event: ObjectEvent) => void;
  #uid = 0;

  /** Makes an empty cluster. @param onEvent called with every event that is written about an object */
  constructor(onEvent: (about: KubeObject, event: ObjectEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Calls `listener` after every change, with the object as it is or last was. */
  watch(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** Says that no kind of scaler is there: nothing scales on a laptop but Wherry itself. */
  serves(kind: Kind): boolean {
    return KINDS[kind].isScaler !== true;
  }

  get<K extends Kind>(kind: K, key: string): Kinds[K] | undefined {
    if (kind === 'ServiceAccount') return ANY_ACCOUNT as Kinds[K];
    return this.#of(kind).get(key) as Kinds[K] | undefined;
  }

  list<K extends Kind>(kind: K, namespace?: string): Kinds[K][] {
    const all = [...this.#of(kind).values()] as Kinds[K][];
    return namespace === undefined ? all : all.filter((o) => o.metadata.namespace === namespace);
  }

  listOwned<K extends Kind>(kind: K, key: string): Kinds[K][] {
    const [namespace, name] = key.split('/');
    return this.list(kind, namespace).filter(
      ({ metadata }) => metadata.labels?.[LABELS.inferenceService] === name,
    );
  }

  async create(object: KubeObject): Promise<boolean> {
    if (this.#stored(object) !== undefined) return false;
    this.submit(object);
    return true;
  }

  async apply(object: KubeObject): Promise<boolean> {
    if (this.#stored(object)?.metadata.uid !== object.metadata.uid) return false;
    this.submit(object);
    return true;
  }

  async read(kind: Kind, key: string): Promise<KubeObject | undefined> {
    return this.#of(kind).get(key);
  }

  async adopt(object: KubeObject, owner: OwnerReference): Promise<void> {
    this.put({ ...object, metadata: { ...object.metadata, ownerReferences: [owner] } });
  }

  /** Makes or replaces an object, as `kubectl apply` does for the person at the terminal. */
  submit(object: KubeObject): void {
    const before = this.#stored(object);
    const after = structuredClone(JSON.parse(JSON.stringify(object))) as Stored;
    const sameSpec = JSON.stringify(before?.spec) === JSON.stringify(after.spec);
    const generation = (before?.metadata.generation ?? 0) + (sameSpec && before ? 0 : 1);
    const { creationTimestamp = new Date().toISOString(), uid = `uid-${++this.#uid}` } =
      before?.metadata ?? {};
    after.metadata = { ...after.metadata, uid, generation, creationTimestamp };
    if (before?.status !== undefined && after.status === undefined) after.status = before.status;
    this.put(after);
  }

  async applyStatus(object: KubeObject & { status: object }): Promise<undefined> {
    const before = this.#stored(object);
    if (before !== undefined) this.put({ ...before, status: object.status } as Stored);
  }

  async scale(
    { namespace, name }: { namespace: string; name: string },
    { from, to }: ReplicasChange,
  ): Promise<boolean> {
    const found = this.get('Deployment', `${namespace}/${name}`);
    if (found?.spec?.replicas !== from) return false;
    this.put({ ...found, spec: { ...found.spec, replicas: to } } as Stored);
    return true;
  }

  async delete(object: KubeObject): Promise<void> {
    const found = this.#stored(object);
    if (found === undefined) return;
    this.#of(found.kind as Kind).delete(keyOf(found));
    this.#notify(found, true);
    for (const kind of this.#objects.keys()) {
      for (const owned of this.list(kind)) {
        const isOwned = owned.metadata.ownerReferences?.some(
          ({ uid }) => uid === found.metadata.uid,
        );
        if (isOwned) await this.delete(owned);
      }
    }
  }

  async event(about: KubeObject, event: ObjectEvent): Promise<void> {
    this.#onEvent(about, event);
  }

  /** Stores an object as it is, status and generation included, and tells the watchers. */
  put(object: KubeObject): void {
    this.#of(object.kind as Kind).set(keyOf(object), object);
    this.#notify(object, false);
  }

  #stored(object: KubeObject): Stored | undefined {
    return this.#of(object.kind as Kind).get(keyOf(object));
  }

  #of(kind: Kind): Map<string, Stored> {
    const found = this.#objects.get(kind);
    if (found !== undefined) return found;
    const created = new Map<string, Stored>();
    this.#objects.set(kind, created);
    return created;
  }

  #notify(object: KubeObject, deleted: boolean): void {
    const change = { kind: object.kind, object, deleted } as Change;
    for (const listener of this.#listeners) listener(change);
  }
}
