/**
 * The ports through which controllers see a cluster: kube/ implements them for a real one, local/ for the
 * laptop's.
 */
import type { Kind, Kinds } from './kinds.ts';
import type { KubeObject, OwnerReference } from './kube.ts';

/**
 * Reads objects from caches, as they were last seen: no call costs a request, and each may be a little
 * behind.
 */
export interface Lister {
  /** Says whether the cluster knows a kind: one that is optional may not be installed. */
  serves(kind: Kind): boolean;
  /** Returns an object by its key, `namespace/name` or `name`; undefined when none is known. */
  get<K extends Kind>(kind: K, key: string): Kinds[K] | undefined;
  /** Lists all objects of a kind, or those of one namespace. */
  list<K extends Kind>(kind: K, namespace?: string): Kinds[K][];
  /**
   * Lists the objects whose labels name the InferenceService `key` (`namespace/name`), or the warm pool `key`
   * (`poolKey`), whoever owns them.
   */
  listOwned<K extends Kind>(kind: K, key: string): Kinds[K][];
}

/** Change of the replicas that a Deployment asks for. */
export interface ReplicasChange {
  readonly from: number;
  readonly to: number;
}

/** The content of a Kubernetes event, without the object that it is about. */
export interface ObjectEvent {
  readonly type: 'Normal' | 'Warning';
  /** Machine-readable word in CamelCase, such as `ConfigurationRefused`. */
  readonly reason: string;
  /** Sentence for a person; the cluster keeps 1024 characters of it. */
  readonly message: string;
}

/**
 * Makes the operator's writes to a cluster. A write of an InferenceService's child throws `Refusal` when the
 * cluster will not carry it out; any other failure is an Error, and may pass when it is tried again.
 */
export interface Writer {
  /** Creates an object. Returns false when its name is taken. @throws Refusal */
  create(object: KubeObject): Promise<boolean>;
  /**
   * Applies an object with the operator's field manager. With `metadata.uid` it changes that very object;
   * without, it creates the object only if the name is free. Returns false when that object is gone or the name
   * is taken. @throws Refusal
   */
  apply(object: KubeObject): Promise<boolean>;
  /** Reads an object from the cluster itself, whatever its labels; undefined when there is none. */
  read(kind: Kind, key: string): Promise<KubeObject | undefined>;
  /**
   * Makes `owner` the owner of an object that has none. @throws Refusal, and Error when the object has
   * changed
   */
  adopt(object: KubeObject, owner: OwnerReference): Promise<void>;
  /**
   * Applies the status of an object. Returns the resource version that it has then; undefined when it is
   * gone.
   */
  applyStatus(object: KubeObject & { status: object }): Promise<string | undefined>;
  /**
   * Changes the replicas of a Deployment through its scale subresource. Returns false when it has others than `from`,
   * or is gone: of several operators that try, one succeeds. @throws Refusal
   */
  scale(deployment: { namespace: string; name: string }, change: ReplicasChange): Promise<boolean>;
  /**
   * Deletes this very object (by uid) with what it owns; one that is gone already is no error. @throws
   * Refusal
   */
  delete(object: KubeObject): Promise<void>;
  /** Writes an event about an object. @throws Error when it could not be written */
  event(about: KubeObject, event: ObjectEvent): Promise<void>;
}

/** Change of a pod's labels; a label that is null is taken away. */
export interface Relabelling {
  readonly labels: Readonly<Record<string, string | null>>;
  /** Owner that the pod has from now on, in place of all others; undefined to leave them. */
  readonly owner?: OwnerReference;
}

/** Takes pods of warm pools, which only a real cluster has. */
export interface PodClaims {
  /**
   * Changes the labels of this very pod (by uid), provided that it has the resource version of `pod` where that has
   * one. Returns false when it has changed since, or is gone. @throws Refusal
   */
  relabel(pod: KubeObject, change: Relabelling): Promise<boolean>;
}

/** The cluster understood a write and will not carry it out: trying again changes nothing by itself. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}
