/**
 * Tracks the services' virtual hosts in one router: which are applied or on their way, and who has which
 * host.
 */
import type { Entry } from './configuration.ts';
import { ORPHANS } from './known-resources.ts';

/** The virtual hosts of one service in the router. */
interface ServiceState {
  /** The entry whose virtual host the router has confirmed. */
  readonly applied?: Entry;
  /** The entry whose virtual host was sent and is not answered. */
  readonly pending?: Entry;
}

/** A host and the key of the service that has it. */
export interface Holder {
  readonly host: string;
  readonly key: string;
}

/** The hosts that other services may have after a confirmation. */
export interface Released {
  /** Hosts that are free now. */
  readonly hosts: readonly string[];
  /** True when a virtual host of an earlier connection is gone, whose hosts nobody remembers. */
  readonly isUnknown: boolean;
}

/** The virtual hosts that one router has or was sent, by service key. */
export class RoutesInRouter {
  readonly #services = new Map<string, ServiceState>();
  /** Services whose virtual host is from an earlier connection and not the one that the entry has. */
  readonly #unknown = new Set<string>();
  readonly #holders = new Map<string, string>();
  readonly #awaiting = new Set<string>();

  /** Returns the keys of the services of which the router has, or may have, a virtual host. */
  keys(): string[] {
    return [...this.#services.keys(), ...this.#unknown];
  }

  /**
   * Returns the entries of a service that are applied and on their way, and whether there is an unknown one.
   */
  get(key: string): ServiceState & { readonly isUnknown: boolean } {
    return { ...this.#services.get(key), isUnknown: this.#unknown.has(key) };
  }

  /** Notes that the router has a virtual host from an earlier connection: that of `entry`, or an unknown one. */
  resume(key: string, entry: Entry | undefined): void {
    if (entry === undefined) this.#unknown.add(key);
    else this.#apply(key, entry);
  }

  /** Notes that the virtual host of `entry` was sent. */
  sent(key: string, entry: Entry): void {
    this.#services.set(key, { ...this.#services.get(key), pending: entry });
  }

  /** Notes that the router refused what was sent: it keeps the virtual host that it has. */
  refused(key: string): void {
    const { applied } = this.#services.get(key) ?? {};
    if (applied === undefined) this.#services.delete(key);
    else this.#services.set(key, { applied });
  }

  /**
   * Notes that the router has confirmed the virtual host of `entry`, or its removal. Returns what is free
   * now.
   */
  confirmed(key: string, entry: Entry | undefined): Released {
    const { applied } = this.#services.get(key) ?? {};
    if (entry === undefined) this.#services.delete(key);
    else this.#apply(key, entry);
    const hosts = (applied?.hosts ?? []).filter((host) => !entry?.hosts.includes(host));
    for (const host of hosts) {
      if (this.#holders.get(host) === key) this.#holders.delete(host);
    }
    // Nobody knows here whether this orphan was the last: `orphansGone` says so.
    const isUnknown = this.#unknown.has(key);
    if (key !== ORPHANS) this.#unknown.delete(key);
    return { hosts, isUnknown };
  }

  /** Notes that the virtual host which the router has confirmed is that of `entry`, too. */
  replaceApplied(key: string, entry: Entry): void {
    this.#services.set(key, { ...this.#services.get(key), applied: entry });
  }

  /** Notes that the router has no virtual host any more of which no service is the owner. */
  orphansGone(): void {
    this.#unknown.delete(ORPHANS);
  }

  /** True while the router has a virtual host from an earlier connection that is not replaced yet. */
  get hasUnknown(): boolean {
    return this.#unknown.size > 0;
  }

  /** True when a virtual host that the router may have sends to the cluster `name` of the service `key`. */
  mayName(key: string, name: string): boolean {
    // Nobody remembers which clusters the virtual hosts of an earlier connection name.
    if (key === ORPHANS) return this.hasUnknown;
    if (this.#unknown.has(key)) return true;
    const { applied, pending } = this.#services.get(key) ?? {};
    return [applied, pending].some((entry) => entry?.routedClusters.includes(name));
  }

  /** Returns the services other than `key` that have one of `hosts` in the router. */
  holders(key: string, hosts: readonly string[]): Holder[] {
    return hosts.flatMap((host) => {
      const holder = this.#holders.get(host);
      return holder === undefined || holder === key ? [] : [{ host, key: holder }];
    });
  }

  /** Notes that a service has to wait until another one gives up a host. */
  noteAwaiting(key: string): void {
    this.#awaiting.add(key);
  }

  /** Returns the services that wait for a host, and counts them as waiting no more. */
  takeAwaiting(): string[] {
    const keys = [...this.#awaiting];
    this.#awaiting.clear();
    return keys;
  }

  #apply(key: string, entry: Entry): void {
    this.#services.set(key, { applied: entry });
    for (const host of entry.hosts) this.#holders.set(host, key);
  }
}
