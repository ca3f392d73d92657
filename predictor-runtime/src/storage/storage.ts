/**
 * Model storage: a URI → a local folder with the model's files.
 * One table of schemes; http and s3 download into `dir`, the others are already on this machine.
 */
import { stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../log.ts';
import { downloadHttp } from './http.ts';
import { downloadS3 } from './s3.ts';

/** A model that cannot be fetched, with the reason that a user needs to mend it. */
export class StorageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StorageError';
  }
}

export interface FetchOptions {
  /** Where downloads go; must exist and be writable for the schemes that download. */
  readonly dir: string;
  /** Credentials and endpoints by KServe's names (AWS_*, S3_*, STORAGE_CONFIG). */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

type Fetcher = (uri: URL, options: FetchOptions) => Promise<string>;

/** Folder of the models that ship with the runtime. */
const BUILTIN_MODELS = fileURLToPath(new URL('../../models/', import.meta.url));

const SCHEMES: Record<string, Fetcher> = {
  builtin: async (uri) => existing(join(BUILTIN_MODELS, uri.host + uri.pathname), uri.href),
  file: async (uri) => existing(fileURLToPath(uri), uri.href),
  http: downloadHttp,
  https: downloadHttp,
  s3: downloadS3,
};

/**
 * Makes the model of `uri` available locally and returns its folder.
 * @throws StorageError with the URI and the reason.
 */
export async function fetchModel(uri: string, options: FetchOptions): Promise<string> {
  if (isAbsolute(uri)) return existing(uri, uri);
  const url = URL.parse(uri);
  const scheme = url?.protocol.slice(0, -1) ?? '';
  const fetcher = SCHEMES[scheme];
  if (url === null || fetcher === undefined) {
    throw new StorageError(
      `storageUri "${uri}": scheme "${scheme}" is not supported here, use one of ${Object.keys(SCHEMES).join(', ')}`,
    );
  }
  const started = performance.now();
  const dir = await fetcher(url, options).catch((error: unknown) => {
    if (error instanceof StorageError) throw error;
    const { message, cause } = error as Error;
    const detail = cause instanceof Error ? `${message}: ${cause.message}` : message;
    throw new StorageError(`fetch ${uri}: ${detail}`, { cause: error });
  });
  options.log.info('model fetched', { uri, dir, ms: Math.round(performance.now() - started) });
  return dir;
}

async function existing(path: string, uri: string): Promise<string> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new StorageError(`storageUri "${uri}": ${path} cannot be read: ${error.code}`);
  });
  if (!found.isDirectory()) throw new StorageError(`storageUri "${uri}": ${path} is not a folder`);
  return path;
}
