/** What the controllers need of a cluster. The real one is kube/, the laptop's is local/. */
import type { Kind, Kinds } from './kinds.ts';
import type { KubeObject, OwnerReference } from './kube.ts';

/** Objects as last seen; reading them costs no request. */
export interface Lister {
  get<K extends Kind>(kind: K, key: string): Kinds[K] | undefined;
  /** Lists all objects of a kind, or those of one namespace. */
  list<K extends Kind>(kind: K, namespace?: string): Kinds[K][];
  /** Lists what belongs to an InferenceService, by label; `key` is namespace/name. */
  listOwned<K extends Kind>(kind: K, key: string): Kinds[K][];
}

/** What an event tells about an object. */
export interface ObjectEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** Every write the operator makes. All throw `Refusal` when the cluster refuses. */
export interface Writer {
  /** Makes an object; returns false when its name is taken. */
  create(object: KubeObject): Promise<boolean>;
  /**
   * Applies an object with the operator's field manager. With `metadata.uid` it changes that very object;
   * without, it makes the object only if the name is free. Returns false when neither is so.
   */
  apply(object: KubeObject): Promise<boolean>;
  /** Reads an object from the cluster itself, whatever its labels; undefined when there is none. */
  read(kind: Kind, key: string): Promise<KubeObject | undefined>;
  /** Makes `owner` the owner of an object that has none. */
  adopt(object: KubeObject, owner: OwnerReference): Promise<void>;
  /** Returns the resource version that the object has now; undefined when it is gone. */
  applyStatus(object: KubeObject & { status: object }): Promise<string | undefined>;
  /** Writes the scale subresource of a Deployment. */
  scale(deployment: { namespace: string; name: string }, replicas: number): Promise<void>;
  delete(object: KubeObject): Promise<void>;
  event(about: KubeObject, event: ObjectEvent): Promise<void>;
}

/** The cluster understood a write and will not carry it out: trying again changes nothing by itself. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
