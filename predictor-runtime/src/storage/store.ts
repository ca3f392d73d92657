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
export type StoreOpener = (uri: URL, env: Env) => Store | Promise<Store>;

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

/** Returns the prefix in a URI like s3://BUCKET/PREFIX/, without slashes at its ends. */
export function prefixOf(uri: URL): string {
  return decodeURIComponent(uri.pathname).replace(/^\/+|\/+$/g, '');
}

/** Largest number of files of a model. No model has more, and a listing without end must end. */
export const MAX_FILES = 100_000;
