/** A cluster in memory: what the API server and its garbage collector are to the controllers. */
import type { Deployment, KubeObject, Observed } from '../api/kube.ts';
import { keyOf } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import type { Kind, Lister, Writer } from '../controller/cluster.ts';
import type { PlanEvent } from '../plan/input.ts';

/** On a laptop every ServiceAccount is there, and has nothing. */
export const ANY_ACCOUNT: KubeObject = {
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: 'any' },
};

type Listener = (kind: Kind, object: KubeObject) => void;

export class MemoryCluster implements Lister, Writer {
  readonly #objects = new Map<Kind, Map<string, KubeObject>>();
  readonly #listeners: Listener[] = [];
  readonly #onEvent: (about: KubeObject, event: PlanEvent) => void;
  #uid = 0;

  constructor(onEvent: (about: KubeObject, event: PlanEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Calls `listener` after every change, with the object as it is or last was. */
  watch(listener: Listener): void {
    this.#listeners.push(listener);
  }

  get<T>(kind: Kind, key: string): Observed<T> | undefined {
    if (kind === 'ServiceAccount') return ANY_ACCOUNT as Observed<T>;
    return this.#of(kind).get(key) as Observed<T> | undefined;
  }

  list<T>(kind: Kind, namespace?: string): Observed<T>[] {
    const all = [...this.#of(kind).values()] as Observed<T>[];
    return namespace === undefined ? all : all.filter((o) => o.metadata.namespace === namespace);
  }

  listOwned<T>(kind: Kind, key: string): Observed<T>[] {
    const [namespace, name] = key.split('/');
    return this.list<T>(kind, namespace).filter(
      ({ metadata }) => metadata.labels?.[LABELS.inferenceService] === name,
    );
  }

  async create(object: KubeObject): Promise<boolean> {
    if (this.#of(object.kind as Kind).has(keyOf(object))) return false;
    await this.apply(object);
    return true;
  }

  async apply(object: KubeObject): Promise<void> {
    const before = this.get<object>(object.kind as Kind, keyOf(object)) as
      | (KubeObject & { spec?: object; status?: object })
      | undefined;
    const after = structuredClone(JSON.parse(JSON.stringify(object))) as typeof before & object;
    const sameSpec = JSON.stringify(before?.spec) === JSON.stringify(after.spec);
    const generation = (before?.metadata.generation ?? 0) + (sameSpec && before ? 0 : 1);
    const { creationTimestamp = new Date().toISOString(), uid = `uid-${++this.#uid}` } =
      before?.metadata ?? {};
    after.metadata = { ...after.metadata, uid, generation, creationTimestamp };
    if (before?.status !== undefined && after.status === undefined) after.status = before.status;
    this.put(after);
  }

  async applyStatus(object: KubeObject & { status: object }): Promise<undefined> {
    const before = this.get<object>(object.kind as Kind, keyOf(object));
    if (before !== undefined) this.put({ ...before, status: object.status } as KubeObject);
  }

  async scale({ namespace, name }: { namespace: string; name: string }, replicas: number) {
    const before = this.get<Deployment>('Deployment', `${namespace}/${name}`);
    if (before === undefined) throw new Error(`Deployment ${namespace}/${name} is not found`);
    this.put({ ...before, spec: { ...before.spec, replicas } } as KubeObject);
  }

  async delete(object: KubeObject): Promise<void> {
    const found = this.#of(object.kind as Kind).get(keyOf(object));
    if (found === undefined) return;
    this.#of(found.kind as Kind).delete(keyOf(found));
    this.#notify(found);
    for (const kind of this.#objects.keys()) {
      for (const owned of this.list<object>(kind)) {
        const isOwned = owned.metadata.ownerReferences?.some(
          ({ uid }) => uid === found.metadata.uid,
        );
        if (isOwned) await this.delete(owned);
      }
    }
  }

  async event(about: KubeObject, event: PlanEvent): Promise<void> {
    this.#onEvent(about, event);
  }

  /** Stores an object as it is. */
  put(object: KubeObject): void {
    this.#of(object.kind as Kind).set(keyOf(object), object);
    this.#notify(object);
  }

  #of(kind: Kind): Map<string, KubeObject> {
    const found = this.#objects.get(kind);
    if (found !== undefined) return found;
    const created = new Map<string, KubeObject>();
    this.#objects.set(kind, created);
    return created;
  }

  #notify(object: KubeObject): void {
    for (const listener of this.#listeners) listener(object.kind as Kind, object);
  }
}
