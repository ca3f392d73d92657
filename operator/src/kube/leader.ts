/**
 * Leader election by a Lease, as client-go's: 15 s, renewed every 2 s, given up after 10 s without success.
 * Another's lease is timed by our own clock since we saw it change, never by its renewTime.
 */
import type { KubeObject } from '../api/kube.ts';
import type { Logger } from '../log.ts';
import type { KubeClient } from './client.ts';
import { isConflict, isNotFound } from './errors.ts';

const LEASE_SECONDS = 15;
const RENEW_DEADLINE = 10_000;
const RETRY = 2000;

interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface LeaderOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Name of this process, such as its pod's. */
  readonly identity: string;
  readonly log: Logger;
}

export class LeaderElection {
  readonly #options: LeaderOptions;
  #lease: Lease | undefined;
  #observed = { version: '', at: 0 };

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  /** Resolves once this process leads; undefined when `signal` aborts first. */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#try()) {
        this.#options.log.info('leading', { identity: this.#options.identity });
        return;
      }
      await sleep(RETRY);
    }
  }

  /** Keeps the lease; resolves when it could not be renewed in time, or `signal` aborts. */
  async hold(signal: AbortSignal): Promise<void> {
    let renewed = performance.now();
    while (!signal.aborted && performance.now() - renewed < RENEW_DEADLINE) {
      await sleep(RETRY);
      if (!signal.aborted && (await this.#try())) renewed = performance.now();
    }
  }

  /** Lets another take over at once. */
  async release(): Promise<void> {
    const { identity, client } = this.#options;
    if (this.#lease?.spec?.holderIdentity !== identity) return;
    const spec = { ...this.#lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
    await client.replace({ ...this.#lease, spec } as Lease);
  }

  /** One attempt to take or renew the lease. */
  async #try(): Promise<boolean> {
    const { client, namespace, name, log } = this.#options;
    try {
      // Renewal needs no read: the version of our last write tells whether somebody else wrote.
      const current = this.#holds()
        ? this.#lease
        : await client.get<Lease>('Lease', namespace, name);
      this.#observe(current);
      if (!this.#mayTake(current)) return false;
      this.#lease = await client.replace<Lease>(this.#claim(current));
      return true;
    } catch (error) {
      this.#lease = undefined;
      if (isNotFound(error)) return this.#create();
      if (!isConflict(error)) log.warn('lease not renewed', { error: (error as Error).message });
      return false;
    }
  }

  async #create(): Promise<boolean> {
    try {
      this.#lease = await this.#options.client.create<Lease>(this.#claim(undefined));
      return true;
    } catch (error) {
      if (!isConflict(error)) throw error;
      return false;
    }
  }

  #holds(): boolean {
    return this.#lease?.spec?.holderIdentity === this.#options.identity;
  }

  #observe(lease: Lease | undefined): void {
    const version = lease?.metadata.resourceVersion ?? '';
    if (version !== this.#observed.version) this.#observed = { version, at: performance.now() };
  }

  #mayTake(lease: Lease | undefined): boolean {
    const { holderIdentity = '', leaseDurationSeconds = LEASE_SECONDS } = lease?.spec ?? {};
    if (holderIdentity === '' || holderIdentity === this.#options.identity) return true;
    return performance.now() - this.#observed.at > leaseDurationSeconds * 1000;
  }

  #claim(current: Lease | undefined): Lease {
    const { namespace, name, identity } = this.#options;
    const same = current?.spec?.holderIdentity === identity;
    const now = microTime();
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace, resourceVersion: current?.metadata.resourceVersion },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: LEASE_SECONDS,
        acquireTime: same ? current.spec?.acquireTime : now,
        renewTime: now,
        leaseTransitions: (current?.spec?.leaseTransitions ?? 0) + (same || !current ? 0 : 1),
      },
    };
  }
}

/** MicroTime wants six digits. */
export function microTime(date = new Date()): string {
  return date.toISOString().replace('Z', '000Z');
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
