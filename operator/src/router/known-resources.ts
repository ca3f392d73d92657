/** What is known about one router's resources of one kind, by name and by the service they belong to. */
import type { Entry, Resource } from './configuration.ts';

/** The key under which resources stand that the router has and no entry names. */
export const ORPHANS = '(orphans)';

/** A resource that the router has, or may have. */
export interface Known {
  /** Version that the router has confirmed; undefined before its first answer. */
  acked?: string;
  /** What the router has refused, alone in its response. */
  refused?: Refused;
  /** True from the moment that its removal is sent. */
  removing?: boolean;
}

/** A version that a router refused; undefined when it refused the removal. */
export interface Refused {
  readonly version?: string;
  /** Envoy's words. */
  readonly reason: string;
}

/** One resource of a response. */
export interface Change {
  readonly key: string;
  readonly name: string;
  /** Undefined for a removal. */
  readonly resource?: Resource;
  /** The entry that a virtual host or a cluster is of; undefined for a removal. */
  readonly entry?: Entry;
}

/** A response that is under way. */
export interface Pending {
  readonly nonce: string;
  /** By resource name; one that has to be sent again whatever the answer is taken out. */
  readonly changes: Map<string, Change>;
  /** True when it was sent with one resource: a refusal can mean no other. */
  readonly isSingle: boolean;
}

/** The resources of one kind that one router has, and the responses that are under way. */
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

  get(name: string): Known | undefined {
    return this.#known.get(name);
  }

  /** The service that a name was noted for. */
  keyOf(name: string): string | undefined {
    return this.#keys.get(name);
  }

  /** The names of a service's resources. */
  names(key: string): readonly string[] {
    return [...(this.#names.get(key) ?? [])];
  }

  /** Notes that the router may have `name`, as a resource of `key`. */
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

  /** Up to `count` dirty keys, which are dirty no more. */
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
