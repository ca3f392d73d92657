/**
 * A cache of one kind that follows the API server and never gives up: list, watch, and after any failure
 * again, with a jittered back-off.
 */
import type { KubeObject } from '../api/kube.ts';
import { keyOf } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import type { Logger } from '../log.ts';
import type { KubeClient, WatchEvent } from './client.ts';
import { isGone, KubeError } from './errors.ts';
import { resource } from './resources.ts';

const MIN_BACKOFF = 800;
const MAX_BACKOFF = 30_000;

export interface InformerOptions {
  readonly client: KubeClient;
  readonly kind: string;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly log: Logger;
  /** Called after each change with the object as it is, or last was when `deleted`. */
  readonly onChange: (object: KubeObject, deleted: boolean) => void;
  /** Seconds of one watch; the server ends it then. */
  readonly timeoutSeconds?: number;
  /** Numbers in [0, 1) for jitter. */
  readonly random?: () => number;
}

export class Informer {
  readonly #options: InformerOptions;
  readonly #objects = new Map<string, KubeObject>();
  /** Keys by the service they belong to (namespace/name). */
  readonly #owned = new Map<string, Set<string>>();
  readonly #synced = Promise.withResolvers<void>();
  #resourceVersion: string | undefined;

  constructor(options: InformerOptions) {
    this.#options = options;
  }

  /** Resolves after the first complete list. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  get(key: string): KubeObject | undefined {
    return this.#objects.get(key);
  }

  list(namespace?: string): KubeObject[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter((o) => o.metadata.namespace === namespace);
  }

  listOwned(key: string): KubeObject[] {
    const keys = this.#owned.get(key) ?? [];
    return [...keys].flatMap((owned) => this.#objects.get(owned) ?? []);
  }

  /** Follows until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, kind, random = Math.random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#relist();
        await this.#watch(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof KubeError) this.#resourceVersion = undefined;
        if (isGone(error)) continue;
        const backoff = Math.min(MAX_BACKOFF, MIN_BACKOFF * 2 ** failures++) * (0.5 + random() / 2);
        log.warn('watch interrupted', { kind, error: (error as Error).message, backoff });
        await sleep(backoff, signal);
      }
    }
  }

  async #relist(): Promise<void> {
    const { client, kind, namespace, labelSelector } = this.#options;
    const { items, metadata } = await client.list<KubeObject>(kind, { namespace, labelSelector });
    const { apiVersion } = resource(kind);
    const seen = new Set<string>();
    for (const item of items) {
      // The items of a list carry neither kind nor version.
      const object = { ...item, apiVersion, kind };
      seen.add(keyOf(object));
      const known = this.#objects.get(keyOf(object));
      if (known?.metadata.resourceVersion !== object.metadata.resourceVersion) this.#put(object);
    }
    for (const [key, object] of this.#objects) {
      if (!seen.has(key)) this.#remove(object);
    }
    this.#resourceVersion = metadata.resourceVersion;
    this.#synced.resolve();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, kind, namespace, labelSelector, timeoutSeconds, random } = this.#options;
    const events = client.watch<KubeObject>(kind, {
      namespace,
      labelSelector,
      resourceVersion: this.#resourceVersion ?? '0',
      timeoutSeconds: timeoutSeconds ?? 300 + Math.floor(300 * (random ?? Math.random)()),
      signal,
    });
    for await (const event of events) this.#handle(event);
  }

  #handle({ type, object }: WatchEvent<KubeObject>): void {
    if (type === 'ERROR') {
      const { code = 500, message = 'watch failed' } = object as {
        code?: number;
        message?: string;
      };
      throw new KubeError(`watch ${this.#options.kind}`, { code, message });
    }
    this.#resourceVersion = object.metadata.resourceVersion;
    if (type === 'DELETED') this.#remove(object);
    else if (type !== 'BOOKMARK') this.#put(object);
  }

  #put(object: KubeObject): void {
    delete object.metadata.managedFields;
    const key = keyOf(object);
    this.#objects.set(key, object);
    const owner = ownerKey(object);
    if (owner !== undefined) {
      const keys = this.#owned.get(owner) ?? new Set();
      this.#owned.set(owner, keys.add(key));
    }
    this.#notify(object, false);
  }

  #remove(object: KubeObject): void {
    const key = keyOf(object);
    this.#objects.delete(key);
    const owner = ownerKey(object);
    const keys = owner === undefined ? undefined : this.#owned.get(owner);
    keys?.delete(key);
    if (owner !== undefined && keys?.size === 0) this.#owned.delete(owner);
    this.#notify(object, true);
  }

  /** A listener that throws is a defect of ours; it must not end the watch. */
  #notify(object: KubeObject, deleted: boolean): void {
    try {
      this.#options.onChange(object, deleted);
    } catch (error) {
      this.#options.log.error('listener failed', { error: (error as Error).stack });
    }
  }
}

/** The service that an object belongs to, by label. */
export function ownerKey({ metadata }: KubeObject): string | undefined {
  const name = metadata.labels?.[LABELS.inferenceService];
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
