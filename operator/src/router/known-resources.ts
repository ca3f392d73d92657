/** Records one router's resources of one kind, by name and by the service that they belong to. */
import type { Entry, Resource } from './configuration.ts';

/** The key of the resources that a router has from an earlier connection and no entry names. */
export const ORPHANS = '(orphans)';

/** A resource that the router has, or may have. */
export interface Known {
  /** The version that the router has confirmed; undefined while it has confirmed none. */
  acked?: string;
  /** The version that the router has refused, alone in its response. */
  refused?: Refused;
  /** True from the moment that the removal of the resource is sent. */
  removing?: boolean;
}

/** A resource's version, or its removal, that a router refused. */
export interface Refused {
  /** The refused version; undefined when the router refused the removal. */
  readonly version?: string;
  /** The router's reason in Envoy's words. */
  readonly reason: string;
}

/** One resource of a response: it is new, changed or removed. */
export interface Change {
  /** The key of the service that the resource belongs to, or `SHARED`, or `ORPHANS`. */
  readonly key: string;
  readonly name: string;
  /** The resource to send; undefined for a removal. */
  readonly resource?: Resource;
  /** The service's entry for a resource that is new or changed; undefined for a removal. */
  readonly entry?: Entry;
}

/** A response that was sent and not answered yet. */
export interface Pending {
  readonly nonce: string;
  /** The resources of the response by name, without those that must be sent again whatever the answer is. */
  readonly changes: Map<string, Change>;
  /** True when the response was sent with one resource: a refusal can mean no other. */
  readonly isSingle: boolean;
}

/** The resources of one kind that one router has, and the response that it has not answered. */
export class KnownResources {
  /** True once the router has asked for this kind. */
  subscribed = false;
  /** True once the router has had a response, in this connection or in an earlier one. */
  isAnswered = false;
  /** Keys of the services of which something may have to be sent. */
  readonly dirty = new Set<string>();
  /** The response that the router has not answered. */
  pending: Pending | undefined;
  /** Parts of refused responses, to be sent one after the other until the guilty resource is alone. */
  readonly suspects: Change[][] = [];
  readonly #known = new Map<string, Known>();
  readonly #keys = new Map<string, string>();
  readonly #names = new Map<string, Set<string>>();

  /** Returns what is known about a resource; undefined when nothing is. */
  get(name: string): Known | undefined {
    return this.#known.get(name);
  }

  /**
   * Returns the key of the service that a resource was noted for; undefined when the router does not have it.
   */
  keyOf(name: string): string | undefined {
    return this.#keys.get(name);
  }

  /** Returns the names of a service's resources that the router has, or may have. */
  names(key: string): readonly string[] {
    return [...(this.#names.get(key) ?? [])];
  }

  /**
   * Notes that the router may have the resource `name` of the service `key`. Returns what is known about it.
   */
  note(name: string, key: string): Known {
    const before = this.#keys.get(name);
    if (before !== key) {
      if (before !== undefined) this.#unlist(name, before);
      this.#keys.set(name, key);
      const names = this.#names.get(key) ?? new Set();
      this.#names.set(key, names.add(name));
    }
    const known = this.#known.get(name) ?? {};
    this.#known.set(name, known);
    return known;
  }

  /** Notes that the router does not have the resource, or must get it again. */
  forget(name: string): void {
    const key = this.#keys.get(name);
    if (key === undefined) return;
    this.#known.delete(name);
    this.#keys.delete(name);
    this.#unlist(name, key);
  }

  /** True when nothing is to be sent and nothing is under way, or the router has asked for nothing. */
  get idle(): boolean {
    if (!this.subscribed) return true;
    return this.dirty.size === 0 && this.pending === undefined && this.suspects.length === 0;
  }

  /** Removes up to `count` of the dirty keys, the oldest first, and returns them. */
  takeDirty(count: number): string[] {
    const keys: string[] = [];
    for (const key of this.dirty) {
      if (keys.length === count) break;
      keys.push(key);
      this.dirty.delete(key);
    }
    return keys;
  }

  #unlist(name: string, key: string): void {
    const names = this.#names.get(key);
    names?.delete(name);
    if (names?.size === 0) this.#names.delete(key);
  }
}
