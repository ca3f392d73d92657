/**
 * Leader election by a Lease, as client-go's: 15 s, renewed every 2 s, given up after 10 s without success.
 * Another's lease is timed by our own clock since we saw it change, never by its renewTime.
 *
 * There is never more than one leader, whatever the network does: the leader counts from before the renewal was
 * sent, the others from after it was seen, and the leader gives up 5 s earlier.
 */
import type { KubeObject, OwnerReference } from '../api/kube.ts';
import type { Logger } from '../log.ts';
import type { KubeClient } from './client.ts';
import { isConflict, isNotFound } from './errors.ts';
import { pause } from './pause.ts';

const DURATIONS: LeaderDurations = { leaseSeconds: 15, renewDeadlineMs: 10_000, retryMs: 2000 };

/**
 * Durations of a leader election. There is one leader at most only if `renewDeadlineMs` is less than the
 * lease.
 */
export interface LeaderDurations {
  /** Whole seconds after which others may take a lease that they have not seen change. */
  readonly leaseSeconds: number;
  /** Milliseconds without a renewal after which the leader gives up; fewer than the lease lasts. */
  readonly renewDeadlineMs: number;
  /** Milliseconds between two attempts to take or renew the lease. */
  readonly retryMs: number;
}

interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

/** The Lease to compete for, and the name to do it under. */
export interface LeaderOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Name of the Lease. */
  readonly name: string;
  /** Name of this process, such as its pod's; two processes must not have one name. */
  readonly identity: string;
  readonly log: Logger;
  /** Name of the Deployment that owns the Lease, so that the Lease goes when it goes; undefined for none. */
  readonly deployment?: string;
  readonly durations?: LeaderDurations;
}

/**
 * Result of one attempt to take or renew the lease:
 *   held      this process has it
 *   taken     another process has it
 *   conflict  somebody wrote it since we last saw it
 *   failed    there was no answer, or a refusal
 */
type Attempt = 'held' | 'taken' | 'conflict' | 'failed';

/**
 * Competes with other processes for a Lease; the one that has it leads. Call `acquire`, `hold` and `release`
 * in turn.
 */
export class LeaderElection {
  readonly #options: LeaderOptions;
  readonly #durations: LeaderDurations;
  /** Lease as we last wrote it, while nothing says that it has changed. */
  #lease: Lease | undefined;
  /** Owner of the Lease; undefined until it has been read. */
  #owners: OwnerReference[] | undefined;
  /**
   * Resource version of the lease as we last saw it, and when, in milliseconds of our clock, we first saw
   * that version.
   */
  #observed = { version: '', at: 0 };
  /** Time, in milliseconds of our clock, just before our last successful renewal was sent. */
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#durations = options.durations ?? DURATIONS;
  }

  /** Tries to take the lease until this process leads or `signal` aborts, and then resolves. */
  async acquire(signal: AbortSignal): Promise<void> {
    const { retryMs, renewDeadlineMs } = this.#durations;
    while (!signal.aborted) {
      if ((await this.#attempt(renewDeadlineMs, signal)) === 'held') {
        this.#options.log.info('leading', { identity: this.#options.identity });
        return;
      }
      await pause(retryMs, signal);
    }
  }

  /**
   * Renews the lease for as long as it can. Resolves when another process has it, when it could not be renewed in
   * time, or when `signal` aborts: except in the last case this process leads no more.
   */
  async hold(signal: AbortSignal): Promise<void> {
    const { retryMs } = this.#durations;
    while (!signal.aborted && this.#remainingMs() > 0) {
      await pause(Math.min(retryMs, this.#remainingMs()), signal);
      let attempt = await this.#attempt(this.#remainingMs(), signal);
      // Whoever wrote it may lead already: the next look must not wait.
      if (attempt === 'conflict') attempt = await this.#attempt(this.#remainingMs(), signal);
      if (attempt === 'taken') return;
    }
  }

  /**
   * Gives the lease back, so that another process can lead at once. A failure is logged: it costs the next
   * leader a wait.
   */
  async release(): Promise<void> {
    const { identity, client, namespace, name, log } = this.#options;
    const signal = AbortSignal.timeout(this.#durations.renewDeadlineMs);
    try {
      // Read anew: a renewal that was cut off may or may not have been written.
      const lease = await client.get<Lease>({ kind: 'Lease', namespace, name }, { signal });
      if (lease.spec?.holderIdentity !== identity) return;
      const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
      await client.replace({ ...lease, spec } as Lease, { signal });
    } catch (error) {
      log.warn('lease not released', { error: (error as Error).message });
    }
  }

  /** Returns the whole milliseconds until the leader has to give up. */
  #remainingMs(): number {
    const deadline = this.#renewedAt + this.#durations.renewDeadlineMs;
    return Math.max(0, Math.floor(deadline - performance.now()));
  }

  /** Tries once to take or renew the lease, for `timeoutMs` at most. */
  async #attempt(timeoutMs: number, aborted: AbortSignal): Promise<Attempt> {
    const { client, log } = this.#options;
    // Half of the deadline, as in client-go: an answer that got lost leaves time for another attempt.
    const halfMs = Math.floor(this.#durations.renewDeadlineMs / 2);
    const limit = AbortSignal.timeout(Math.min(timeoutMs, halfMs));
    const signal = AbortSignal.any([aborted, limit]);
    try {
      // A renewal needs no read: the version of our last write tells whether somebody else wrote.
      const current = this.#lease ?? (await this.#read(signal));
      this.#owners ??= await this.#readOwners(signal);
      this.#observe(current);
      if (!this.#mayTake(current)) return 'taken';
      const startedAt = performance.now();
      const claim = this.#claim(current);
      this.#lease = await (current === undefined
        ? client.create<Lease>(claim, { signal })
        : client.replace<Lease>(claim, { signal }));
      this.#renewedAt = startedAt;
      return 'held';
    } catch (error) {
      this.#lease = undefined;
      if (isConflict(error)) return 'conflict';
      if (!aborted.aborted) log.warn('lease not renewed', { error: (error as Error).message });
      return 'failed';
    }
  }

  #read(signal: AbortSignal): Promise<Lease | undefined> {
    return this.#readObject<Lease>('Lease', this.#options.name, signal);
  }

  async #readOwners(signal: AbortSignal): Promise<OwnerReference[]> {
    const { deployment } = this.#options;
    if (deployment === undefined) return [];
    const owner = await this.#readObject<KubeObject>('Deployment', deployment, signal);
    if (owner === undefined) return [];
    const { apiVersion, kind, metadata } = owner;
    return [{ apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '' }];
  }

  async #readObject<T>(kind: string, name: string, signal: AbortSignal): Promise<T | undefined> {
    const { client, namespace } = this.#options;
    try {
      return await client.get<T>({ kind, namespace, name }, { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #observe(lease: Lease | undefined): void {
    const version = lease?.metadata.resourceVersion ?? '';
    if (version !== this.#observed.version) this.#observed = { version, at: performance.now() };
  }

  #mayTake(lease: Lease | undefined): boolean {
    const { holderIdentity = '', leaseDurationSeconds = this.#durations.leaseSeconds } =
      lease?.spec ?? {};
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
      metadata: {
        name,
        namespace,
        resourceVersion: current?.metadata.resourceVersion,
        ownerReferences: this.#owners,
      },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: this.#durations.leaseSeconds,
        acquireTime: same ? current.spec?.acquireTime : now,
        renewTime: now,
        leaseTransitions: (current?.spec?.leaseTransitions ?? 0) + (same || !current ? 0 : 1),
      },
    };
  }
}

/** Returns a time in Kubernetes' MicroTime format: ISO 8601 with six digits of a second. */
export function microTime(date = new Date()): string {
  return date.toISOString().replace('Z', '000Z');
}
