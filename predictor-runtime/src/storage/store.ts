/** The interface of stores, which are places that hold models: it lists files, and reads them from any byte on. */
import type { Readable } from 'node:stream';
import type { Env } from '../platform/environment.ts';

/** A file of a model in a store. */
export interface StoredFile {
  /** Path relative to the model. */
  readonly path: string;
  /** Name of the file in the store, where it is not the path. */
  readonly key?: string;
  /** Size in bytes; undefined when the store does not tell it. */
  readonly size?: number;
  /** Text that changes with the content; undefined when the store does not tell it. */
  readonly tag?: string;
  readonly checksum?: Checksum;
  /** False when the file can only be read from its beginning. */
  readonly ranges: boolean;
}

/** A checksum of a file's content. */
export interface Checksum {
  readonly algorithm: 'sha256' | 'md5';
  /** Checksum in hexadecimal digits. */
  readonly digest: string;
}

/** A part of a file, in bytes: it begins at `start` and ends before `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A place that holds one model. */
export interface Store {
  /** Lists every file of the model. @throws StoreError. */
  list(): Promise<StoredFile[]>;
  /**
   * Reads a file, or a part of it.
   * @throws StoreError, also when the store tells that the file has changed since it was listed.
   */
  read(file: StoredFile, range?: Range): Promise<Readable>;
  /** Frees what the store holds. */
  close?(): void;
}

/** Opens the store that a URI names, without a request yet. @throws Error when the URI or its settings are wrong. */
export type StoreOpener = (uri: string, env: Env) => Store | Promise<Store>;

/** A refusal or failure of a store. */
export class StoreError extends Error {
  /** True when trying again may help. */
  readonly transient: boolean;

  constructor(
    message: string,
    { transient = false, cause }: { transient?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.name = 'StoreError';
    this.transient = transient;
  }
}

/**
 * Returns the path, relative to the model, of an object that is the one of that prefix, or lies below it. Undefined for
 * others, and for the markers of folders.
 */
export function relativePath(key: string, prefix: string): string | undefined {
  if (key.endsWith('/')) return undefined;
  if (prefix === '') return key;
  if (key === prefix) return key.slice(key.lastIndexOf('/') + 1);
  return key.startsWith(`${prefix}/`) ? key.slice(prefix.length + 1) : undefined;
}

/**
 * Splits SCHEME://BUCKET/PREFIX/ into the bucket and the prefix without slashes at its ends. A key may hold any
 * character, so that nothing of it is an escape, a query or a fragment: it is taken as it is written, as KServe and the
 * stores' own tools take it.
 */
export function bucketAndPrefix(uri: string): { bucket: string; prefix: string } {
  const [, bucket = '', path = ''] = /^[^:]+:\/\/([^/]*)(.*)$/s.exec(uri) ?? [];
  return { bucket, prefix: withoutOuterSlashes(path) };
}

/** Returns a path without slashes at its beginning and its end. */
export function withoutOuterSlashes(path: string): string {
  return path.replace(/^\/+|\/+$/g, '');
}

/** Returns the path of a URL without its percent-escapes, or as it is where a `%` is no escape. */
export function decodedPath({ pathname }: URL): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}

/** Largest number of files of a model. No model has more, and a listing without end must end. */
export const MAX_FILES = 100_000;
