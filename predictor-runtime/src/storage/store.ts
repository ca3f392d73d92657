/** What a place that holds models can do: list files, and read them from any byte on. */

import type { Readable } from 'node:stream';
import type { Env } from '../platform/environment.ts';

export interface StoredFile {
  /** Relative to the model. */
  readonly path: string;
  /** What the store itself calls it, where that is something else. */
  readonly key?: string;
  /** In bytes; undefined when the store does not tell. */
  readonly size?: number;
  /** Changes with the content; undefined when the store does not tell. */
  readonly tag?: string;
  readonly checksum?: Checksum;
  /** False when it can only be read from its beginning. */
  readonly ranges: boolean;
}

export interface Checksum {
  readonly algorithm: 'sha256' | 'md5';
  /** In hexadecimal digits. */
  readonly digest: string;
}

/** From `start` up to and without `end`, in bytes. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface Store {
  /** Every file of the model. @throws StoreError. */
  list(): Promise<StoredFile[]>;
  /** The file's bytes, or a part of them; fails when it has changed since it was listed. @throws StoreError. */
  read(file: StoredFile, range?: Range): Promise<Readable>;
  close?(): void;
}

/** Opens the store that a URI names; nothing is asked of it yet. @throws Error when the URI or its settings are wrong. */
export type StoreOpener = (uri: URL, env: Env) => Store | Promise<Store>;

/** A refusal or failure of a store. */
export class StoreError extends Error {
  /** Trying again may help. */
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
 * The path, relative to the model, of an object that belongs to the prefix: it is the object of that name, or lies
 * below it. Undefined for others, and for the markers of folders.
 */
export function relativePath(key: string, prefix: string): string | undefined {
  if (key.endsWith('/')) return undefined;
  if (prefix === '') return key;
  if (key === prefix) return key.slice(key.lastIndexOf('/') + 1);
  return key.startsWith(`${prefix}/`) ? key.slice(prefix.length + 1) : undefined;
}

/** The prefix of a URI like s3://BUCKET/PREFIX/. */
export function prefixOf(uri: URL): string {
  return decodeURIComponent(uri.pathname).replace(/^\/+|\/+$/g, '');
}

/** Files that a model may have at most: no model has more, and a listing without end must end. */
export const MAX_FILES = 100_000;
