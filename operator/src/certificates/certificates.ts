/**
 * Keeps the certificates of the control plane: two Secrets in the operator's own namespace, which every
 * replica makes, repairs and renews, and this replica's own certificate, which never leaves its memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject, Observed, OwnerReference, Secret } from '../api/kube.ts';
import { FIELD_MANAGER, LABELS } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict, isInvalid, isNotFound } from '../kube/errors.ts';
import type { Logger } from '../log.ts';
import { trustBundle } from './authorities.ts';
import { type ServiceAddress, serverNames } from './identity.ts';
import { type Authorities, drawIssuance, type TlsCredentials } from './issue.ts';
import { decideLeaf } from './leaf.ts';
import {
  AUTHORITY_SECRET,
  decideAuthorities,
  decideRouter,
  ROUTER_SECRET,
  type SecretData,
  type SecretDecision,
  TRUST_CHANGED,
} from './secrets.ts';

/** Time between two looks at the Secrets: a deleted or broken one is made anew within it. */
const CHECK_INTERVAL_MS = 60_000;
/** Time from a check that failed, such as for want of the API server, to the next one. */
const RETRY_INTERVAL_MS = 2000;
/**
 * The most attempts to write one Secret in a check: each further one means that another replica wrote in
 * between.
 */
const MAX_WRITES = 10;

/** The cluster and the names that the certificates belong to, and who takes this replica's credentials. */
export interface CertificatesOptions {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace' | 'delete'>;
  /** The name of the operator's Deployment, which owns the Secrets: they go when it goes. */
  readonly deployment: string;
  /** The control plane's Service; the Secrets are in its namespace. */
  readonly address: ServiceAddress;
  readonly now: () => Date;
  /** Takes the first credentials, and others when the certificate or the authorities change; called again if it fails. */
  readonly onCredentials: (credentials: TlsCredentials) => Promise<void> | void;
  readonly log: Logger;
}

/**
 * The keeper of both Secrets and of this replica's credentials, which checks them once a minute while it
 * runs. Any number of replicas may do so at once: a write holds only if nobody else wrote since the read.
 */
export class Certificates {
  readonly #options: CertificatesOptions;
  readonly #ready = Promise.withResolvers<void>();
  #owner: KubeObject | undefined;
  #credentials: TlsCredentials | undefined;

  /** Makes a keeper that does nothing before `run` or `check`. */
  constructor(options: CertificatesOptions) {
    this.#options = options;
  }

  /** Resolves when the Secrets are there and `onCredentials` has taken the first credentials. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Checks again and again until `signal` aborts. Failures are logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pause = await this.check().then(
        () => CHECK_INTERVAL_MS,
        (error: Error) => {
          this.#options.log.warn('certificates not checked', { error: error.message });
          return RETRY_INTERVAL_MS;
        },
      );
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Brings both Secrets and this replica's credentials in order once. @throws KubeError, and what `onCredentials` throws. */
  async check(): Promise<void> {
    const now = this.#options.now();
    this.#owner ??= await this.#get('Deployment', this.#options.deployment);
    const authorities = await this.#keep(AUTHORITY_SECRET, (stored) =>
      decideAuthorities(stored, drawIssuance(now)),
    );
    await this.#keep(ROUTER_SECRET, (stored) =>
      decideRouter(stored, authorities, drawIssuance(now)),
    );
    await this.#keepCredentials(authorities, now);
    this.#ready.resolve();
  }

  async #keepCredentials(authorities: Authorities, now: Date): Promise<void> {
    const { address, onCredentials, log } = this.#options;
    const current = this.#credentials;
    const leaf = { role: 'operator', dnsNames: serverNames(address), authorities } as const;
    const { pair, reason } = await decideLeaf(current, leaf, drawIssuance(now));
    const ca = trustBundle(authorities);
    if (reason === undefined && ca === current?.ca) return;
    const credentials = { cert: pair.cert, key: pair.key, ca };
    await onCredentials(credentials);
    this.#credentials = credentials;
    log.info('control plane has new credentials', { reason: reason ?? TRUST_CHANGED });
  }

  /** Reads a Secret, decides and writes, until what is stored is in order: another replica may write meanwhile. */
  async #keep<T>(
    name: string,
    decide: (stored: SecretData) => Promise<SecretDecision<T>>,
  ): Promise<T> {
    for (let writes = 0; writes < MAX_WRITES; writes++) {
      const stored = await this.#get<Secret>('Secret', name);
      const { value, data, reason } = await decide(decoded(stored));
      const why =
        stored === undefined ? 'the Secret does not exist' : (reason ?? this.#orphaned(stored));
      if (why === undefined) return value;
      if (await this.#write(name, stored, data)) {
        this.#options.log.info('secret written', { secret: name, reason: why });
        return value;
      }
    }
    throw new Error(`secret ${name} changed during each of ${MAX_WRITES} writes`);
  }

  /** Returns false when the Secret has changed since it was read. */
  async #write(
    name: string,
    stored: Observed<Secret> | undefined,
    data: SecretData,
  ): Promise<boolean> {
    const { client, address } = this.#options;
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      type: stored?.type ?? 'Opaque',
      metadata: {
        ...stored?.metadata,
        name,
        namespace: address.namespace,
        labels: { ...stored?.metadata.labels, ...this.#labels() },
        ownerReferences: this.#owners(stored),
      },
      data: encoded(data),
    };
    try {
      await (stored === undefined ? client.create(secret) : client.replace(secret));
      return true;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false;
      // Its type is another one or it is immutable: only a new object can hold what it is to hold.
      if (stored === undefined || !isInvalid(error)) throw error;
      await client.delete(stored);
      return false;
    }
  }

  async #get<T>(kind: string, name: string): Promise<Observed<T> | undefined> {
    const { client, address } = this.#options;
    try {
      return await client.get<Observed<T>>({ kind, namespace: address.namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /**
   * Returns why a Secret needs this installation as its owner: that of one that is gone would go at any
   * moment.
   */
  #orphaned({ metadata }: KubeObject): string | undefined {
    const uid = this.#owner?.metadata.uid;
    const isOwned = metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false;
    return uid === undefined || isOwned ? undefined : 'the Secret is of another installation';
  }

  #owners(stored: KubeObject | undefined): OwnerReference[] | undefined {
    if (this.#owner === undefined) return stored?.metadata.ownerReferences;
    const { apiVersion, kind, metadata } = this.#owner;
    return [{ apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '' }];
  }

  #labels(): Record<string, string> {
    return { 'app.kubernetes.io/part-of': 'wherry', [LABELS.managedBy]: FIELD_MANAGER };
  }
}

/** Decodes a Secret's data. What is not base64 becomes any text: the decision sees that it cannot be read. */
function decoded(secret: Observed<Secret> | undefined): SecretData {
  const entries = Object.entries(secret?.data ?? {});
  return Object.fromEntries(
    entries.map(([file, text]) => [file, Buffer.from(String(text), 'base64').toString()]),
  );
}

function encoded(data: SecretData): Record<string, string> {
  const entries = Object.entries(data);
  return Object.fromEntries(
    entries.map(([file, text]) => [file, Buffer.from(text).toString('base64')]),
  );
}
