/**
 * The hosts and the services that have them: the older of two that claim one keeps it. It is an index, so
 * that a change of one
 * service costs what that service claims.
 */
import { isDeepStrictEqual } from 'node:util';
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { keyOf, type ObjectMeta } from '../api/kube.ts';
import { hosts } from './hosts.ts';

interface Claim {
  readonly key: string;
  /** ISO 8601 time of the service's creation. */
  readonly created: string;
  /** External hosts first, then those inside the cluster. */
  readonly hosts: readonly string[];
  readonly external: readonly string[];
  /** The metadata that the hosts were made from. */
  readonly metadata: ObjectMeta;
}

/** Index of the hosts that all services claim. */
export class HostClaims {
  readonly #config: OperatorConfig;
  readonly #claims = new Map<string, Claim>();
  /** The services that claim a host, the owner first. */
  readonly #claimants = new Map<string, Claim[]>();

  constructor(config: OperatorConfig) {
    this.#config = config;
  }

  /**
   * Takes up what a service claims now; `isvc` is undefined when it is gone.
   * Returns the keys of the other services that have lost or won a host by that.
   */
  update(key: string, isvc: InferenceServiceData | undefined): string[] {
    const before = this.#claims.get(key);
    if (before !== undefined && isvc !== undefined && sameHosts(before.metadata, isvc.metadata)) {
      return [];
    }
    const after = isvc === undefined ? undefined : claimOf(isvc, this.#config);
    const touched = new Set([...(before?.hosts ?? []), ...(after?.hosts ?? [])]);
    const owners = [...touched].map((host) => this.#owner(host));
    for (const host of before?.hosts ?? []) this.#withdraw(host, key);
    if (after === undefined) this.#claims.delete(key);
    else this.#claims.set(key, after);
    for (const host of after?.hosts ?? []) this.#enter(host, after as Claim);
    const changed = [...touched].flatMap((host, i) => {
      const [was, is] = [owners[i], this.#owner(host)];
      return was === is ? [] : [was, is];
    });
    return [...new Set(changed)].filter(
      (other) => other !== undefined && other !== key,
    ) as string[];
  }

  /** The hosts that a service has, of those that it claims. */
  hostsOf(key: string): string[] {
    const claimed = this.#claims.get(key)?.hosts ?? [];
    return claimed.filter((host) => this.#owner(host) === key);
  }

  /** The key of the older service that has an external host of this one; undefined when all are its own. */
  ownerOf(key: string): string | undefined {
    const claimed = this.#claims.get(key)?.external ?? [];
    return claimed.map((host) => this.#owner(host)).find((owner) => owner !== key);
  }

  #owner(host: string): string | undefined {
    return this.#claimants.get(host)?.[0]?.key;
  }

  #enter(host: string, claim: Claim): void {
    const claimants = [...(this.#claimants.get(host) ?? []), claim].sort(olderFirst);
    this.#claimants.set(host, claimants);
  }

  #withdraw(host: string, key: string): void {
    const left = (this.#claimants.get(host) ?? []).filter((claim) => claim.key !== key);
    if (left.length === 0) this.#claimants.delete(host);
    else this.#claimants.set(host, left);
  }
}

function claimOf(isvc: InferenceServiceData, config: OperatorConfig): Claim {
  const { external, internal } = hosts(isvc, config);
  const outside = Object.values(external ?? {});
  return {
    key: keyOf(isvc),
    created: isvc.metadata.creationTimestamp ?? '',
    hosts: [...new Set([...outside, ...internal])],
    external: outside,
    metadata: isvc.metadata,
  };
}

/** Says whether nothing has changed of what tells the hosts of a service; its status changes often. */
function sameHosts(a: ObjectMeta, b: ObjectMeta): boolean {
  return (
    a.creationTimestamp === b.creationTimestamp &&
    isDeepStrictEqual(a.labels, b.labels) &&
    isDeepStrictEqual(a.annotations, b.annotations)
  );
}

/** Orders claims by age, and by key when two are of one age. */
function olderFirst(a: Claim, b: Claim): number {
  return a.created.localeCompare(b.created) || (a.key < b.key ? -1 : 1);
}
