/**
 * An informer is a cache of one kind that follows the API server and never gives up: it lists, watches, and begins
 * again after any failure, with a jittered back-off.
 *
 *                 list ──────────► watch ──► its time is up, or the line was cut: watch from the last version
 *                  ▲ ▲               │
 *   kind is absent │ └───────────────┘ the version is too old (410), or the server failed
 *   (optional):    │
 *   look later ────┘
 */
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../api/kube.ts';
import { keyOf } from '../api/kube.ts';
import { LABELS, poolKey } from '../api/names.ts';
import type { Logger } from '../log.ts';
import type { KubeClient, WatchEvent } from './client.ts';
import { type FailureStatus, isGone, isNotFound, isUnavailable, KubeError } from './errors.ts';
import { pause } from './pause.ts';
import { resource } from './resources.ts';

const MIN_BACKOFF_MS = 800;
const MAX_BACKOFF_MS = 30_000;
/** Milliseconds between two looks for an absent optional kind, before jitter. */
const ABSENT_POLL_MS = 30_000;
/**
 * Seconds that a watch lasts at least; it may last twice as long, so that not all of them begin anew at once.
 */
const WATCH_SECONDS = 300;

/** Selection of the objects to cache, and the functions that are told about them. */
export interface InformerOptions {
  readonly client: KubeClient;
  readonly kind: string;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly log: Logger;
  /** Called after each change with the object as it is now, or as it last was when `deleted`. */
  readonly onChange: (object: KubeObject, deleted: boolean) => void;
  /** Returns the part of an object that is kept; `managedFields` are always dropped before. */
  readonly trim?: (object: KubeObject) => KubeObject;
  /**
   * True when the cluster may not know the kind, because its CRD is not installed: then there are no objects, and
   * the informer looks again every `absentPollMs`.
   */
  readonly optional?: boolean;
  /** Called when `served` changes. */
  readonly onServed?: (served: boolean) => void;
  /** Seconds after which the server ends a watch; 300 to 600 at random by default. */
  readonly timeoutSeconds?: number;
  /** Milliseconds between two looks for an absent optional kind, before jitter; 30 s by default. */
  readonly absentPollMs?: number;
  /** Returns numbers in [0, 1) for jitter. */
  readonly random?: () => number;
}

/** Caches the objects of one kind, and tells about every change of them. */
export class Informer {
  readonly #options: InformerOptions;
  readonly #random: () => number;
  readonly #objects = new Map<string, KubeObject>();
  /** Keys of the objects that belong to a service or a warm pool, by that one's key. */
  readonly #owned = new Map<string, Set<string>>();
  readonly #synced = Promise.withResolvers<void>();
  #resourceVersion: string | undefined;
  #served = false;
  /** Number of failures since the last sign of life. */
  #failures = 0;

  constructor(options: InformerOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  /** Resolves after the first complete list, or when an optional kind is found absent. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /**
   * Says whether the cluster knows the kind: true once it was listed, and false again when an optional kind
   * is gone.
   */
  get served(): boolean {
    return this.#served;
  }

  /** Returns the object with the key, `namespace/name` or `name`; undefined when there is none. */
  get(key: string): KubeObject | undefined {
    return this.#objects.get(key);
  }

  /** Lists all objects, or the objects of one namespace. */
  list(namespace?: string): KubeObject[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter((o) => o.metadata.namespace === namespace);
  }

  /** Lists the objects whose labels name the InferenceService `key`, `namespace/name`, or the warm pool `key`. */
  listOwned(key: string): KubeObject[] {
    const keys = this.#owned.get(key) ?? [];
    return [...keys].flatMap((owned) => this.#objects.get(owned) ?? []);
  }

  /**
   * Takes in an object as the API server has answered a write of ours, before the watch tells of it: what is decided
   * next sees it. An answer that the watch is past already is left out, because the object may be gone since.
   */
  learn(object: KubeObject): void {
    const { resourceVersion } = object.metadata;
    if (isNewer(resourceVersion, this.#resourceVersion)) this.#put(this.#trim(object));
  }

  /** Follows the kind until `signal` aborts; it never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#relist(signal);
        await this.#watch(signal);
      } catch (error) {
        if (!signal.aborted) await pause(this.#recover(error as Error), signal);
      }
    }
  }

  /**
   * Lists the kind, and tells each page as it comes and deletions at the end: a second copy is never held.
   */
  async #relist(signal: AbortSignal): Promise<void> {
    const { client, kind, namespace, labelSelector } = this.#options;
    const seen = new Set<string>();
    const pages = client.listPages<KubeObject>(kind, { namespace, labelSelector, signal });
    for await (const { items, metadata } of pages) {
      for (const item of items) {
        const object = this.#trim(item);
        seen.add(keyOf(object));
        this.#put(object);
      }
      if (!metadata.continue) this.#resourceVersion = metadata.resourceVersion;
    }
    for (const [key, object] of this.#objects) {
      if (!seen.has(key)) this.#remove(object);
    }
    this.#setServed(true);
    this.#synced.resolve();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, kind, namespace, labelSelector, timeoutSeconds } = this.#options;
    const events = client.watch<KubeObject>(kind, {
      namespace,
      labelSelector,
      resourceVersion: this.#resourceVersion ?? '0',
      timeoutSeconds: timeoutSeconds ?? Math.ceil(WATCH_SECONDS * (1 + this.#random())),
      signal,
    });
    for await (const event of events) this.#handle(event);
    // The server ended the watch in order, so that it was a healthy one, however quiet.
    this.#failures = 0;
  }

  #handle({ type, object }: WatchEvent<KubeObject>): void {
    if (type === 'ERROR')
      throw new KubeError(`watch ${this.#options.kind}`, object as FailureStatus);
    this.#failures = 0;
    this.#resourceVersion = object.metadata.resourceVersion;
    if (type === 'BOOKMARK') return;
    // An answer to a write of ours may have told of what came later.
    const known = this.#objects.get(keyOf(object))?.metadata;
    if (isNewer(known?.resourceVersion, object.metadata.resourceVersion)) return;
    if (type === 'DELETED') this.#remove(this.#trim(object));
    else this.#put(this.#trim(object));
  }

  /**
   * Takes in what a failure says, and returns the milliseconds to wait. A cut line and a busy server say
   * nothing about the version, so that the watch goes on from it; every other refusal asks for a list.
   */
  #recover(error: Error): number {
    const { log, kind, optional, absentPollMs = ABSENT_POLL_MS } = this.#options;
    const jitter = 0.5 + this.#random() / 2;
    if (error instanceof KubeError && !isUnavailable(error)) this.#resourceVersion = undefined;
    if (optional && isNotFound(error)) {
      this.#setAbsent();
      return absentPollMs * jitter;
    }
    const failures = this.#failures++;
    // Old versions are forgotten every few minutes: that is no fault, unless a fresh list is too old as well.
    if (isGone(error) && failures === 0) return 0;
    const backoffMs = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** failures) * jitter;
    log.warn('watch interrupted', { kind, error: error.message, backoffMs });
    return backoffMs;
  }

  #setAbsent(): void {
    for (const object of this.#objects.values()) this.#remove(object);
    this.#setServed(false);
    this.#synced.resolve();
  }

  #setServed(served: boolean): void {
    if (this.#served === served) return;
    this.#served = served;
    const { kind, onServed } = this.#options;
    this.#guard(() => onServed?.(served));
    if (this.#options.optional) this.#options.log.info('optional kind', { kind, served });
  }

  /**
   * Returns what is kept of an object. Its kind and version are added, because the items of a list have
   * neither.
   */
  #trim(object: KubeObject): KubeObject {
    const { kind, trim } = this.#options;
    const { managedFields: _, ...metadata } = object.metadata;
    const whole = { ...object, apiVersion: resource(kind).apiVersion, kind, metadata };
    return trim === undefined ? whole : trim(whole);
  }

  #put(object: KubeObject): void {
    const key = keyOf(object);
    const known = this.#objects.get(key);
    if (known !== undefined) {
      const { uid, resourceVersion } = known.metadata;
      const isSame = uid === object.metadata.uid;
      if (isSame && resourceVersion === object.metadata.resourceVersion) return;
      // A new object of the name, or a new service for it: for those who knew the old one, it is gone.
      if (!isSame || ownerKey(known) !== ownerKey(object)) this.#remove(known);
      else if (this.#options.trim !== undefined && isKeptAlike(known, object)) {
        this.#objects.set(key, object);
        return;
      }
    }
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
    const known = this.#objects.get(key);
    if (known === undefined) return;
    this.#objects.delete(key);
    const owner = ownerKey(known);
    const keys = owner === undefined ? undefined : this.#owned.get(owner);
    keys?.delete(key);
    if (owner !== undefined && keys?.size === 0) this.#owned.delete(owner);
    this.#notify(object, true);
  }

  #notify(object: KubeObject, deleted: boolean): void {
    this.#guard(() => this.#options.onChange(object, deleted));
  }

  /** Calls a listener. One that throws is a defect of ours, which must not end the watch. */
  #guard(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#options.log.error('listener failed', { error: (error as Error).stack });
    }
  }
}

/** Says whether two versions of a trimmed object differ in nothing that is kept of them. */
function isKeptAlike(a: KubeObject, b: KubeObject): boolean {
  const { resourceVersion } = b.metadata;
  return isDeepStrictEqual({ ...a, metadata: { ...a.metadata, resourceVersion } }, b);
}

/**
 * Returns the key, `namespace/name`, of the service that an object's labels name, or that of the warm pool, as `poolKey`
 * writes it; undefined when they name none.
 */
export function ownerKey({ metadata }: KubeObject): string | undefined {
  const { namespace = '', labels = {} } = metadata;
  const { [LABELS.inferenceService]: service, [LABELS.pool]: pool } = labels;
  if (service !== undefined) return `${namespace}/${service}`;
  return pool === undefined ? undefined : poolKey(namespace, pool);
}

/**
 * Says whether a resource version is of a later write than another; false when one is not known. Versions are whole
 * numbers without leading zeros (KEP-5504), which may be too large for a double.
 */
function isNewer(version: string | undefined, than: string | undefined): boolean {
  if (version === undefined || than === undefined) return false;
  return version.length === than.length ? version > than : version.length > than.length;
}
