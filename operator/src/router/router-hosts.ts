/** Which service has which host in one router: a host that moves must be free before its next owner comes. */

/** The service that has a host. */
export interface Holder {
  readonly host: string;
  readonly key: string;
}

export class RouterHosts {
  readonly #holders = new Map<string, string>();
  readonly #hosts = new Map<string, readonly string[]>();
  readonly #awaiting = new Set<string>();

  /** The other services that have one of `hosts`. */
  holders(key: string, hosts: readonly string[]): Holder[] {
    return hosts.flatMap((host) => {
      const holder = this.#holders.get(host);
      return holder === undefined || holder === key ? [] : [{ host, key: holder }];
    });
  }

  /** Notes that the router gives `hosts` to the service `key`. Returns the hosts that are free now. */
  replace(key: string, hosts: readonly string[]): string[] {
    const before = this.#hosts.get(key) ?? [];
    if (hosts.length === 0) this.#hosts.delete(key);
    else this.#hosts.set(key, hosts);
    for (const host of hosts) this.#holders.set(host, key);
    const released = before.filter((host) => !hosts.includes(host));
    for (const host of released) {
      if (this.#holders.get(host) === key) this.#holders.delete(host);
    }
    return released;
  }

  /** Notes that a service waits for a host. */
  noteAwaiting(key: string): void {
    this.#awaiting.add(key);
  }

  /** The services that wait, which wait no more. */
  takeAwaiting(): string[] {
    const keys = [...this.#awaiting];
    this.#awaiting.clear();
    return keys;
  }
}
