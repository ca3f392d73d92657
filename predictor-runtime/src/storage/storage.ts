/**
 * Makes the files of a model available in a local folder, wherever its URI says that they are. There is one table of
 * schemes: models of the local ones are on this machine already, and those of others are downloaded from a store.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { isAbsolute, join, matchesGlob } from 'node:path';
import type { Env } from '../platform/environment.ts';
import type { Logger } from '../platform/log.ts';
import { packageFile } from '../platform/package-files.ts';
import { AZURE_HOST, openAzure } from './azure-store.ts';
import { download } from './download.ts';
import { filePath, openFile } from './file-store.ts';
import { openGcs } from './gcs-store.ts';
import { openHuggingFace } from './hf-store.ts';
import { openHttp } from './http-store.ts';
import { LAYERS, MODEL_FOLDER, openOci } from './oci-store.ts';
import { openS3 } from './s3-store.ts';
import { MAX_FILES, type Store, type StoredFile, StoreError, type StoreOpener } from './store.ts';

/** A model that cannot be fetched, with the reason that a user needs to mend it. */
export class StorageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StorageError';
  }
}

/** The folder, credentials and logger that a model is fetched with. */
export interface FetchOptions {
  /** Folder that downloads go to. It must exist and be writable, unless the scheme is a local one. */
  readonly dir: string;
  /** Credentials and endpoints under KServe's names: AWS_*, S3_*, STORAGE_CONFIG, AZURE_*, HF_TOKEN and so on. */
  readonly env: Env;
  readonly log: Logger;
}

/** Folder of the models that ship with the runtime. */
const BUILTIN_MODELS = packageFile('models/');

/** Paths of the models on this machine, by scheme. */
const LOCAL: Record<string, (uri: string) => string> = {
  builtin: (uri) => {
    const { host, pathname } = new URL(uri);
    return join(BUILTIN_MODELS, host + pathname);
  },
  file: filePath,
};

/** Stores by scheme. */
const STORES: Record<string, StoreOpener> = {
  file: openFile,
  http: openHttp,
  https: (uri, env) =>
    AZURE_HOST.test(new URL(uri).host) ? openAzure(uri, env) : openHttp(uri, env),
  s3: openS3,
  gs: openGcs,
  az: openAzure,
  hf: openHuggingFace,
  oci: openOci,
};

/** Number of parts that are fetched at a time, unless S3_MAX_FILE_CONCURRENCY (KServe's name) says otherwise. */
const PARALLEL = 4;
/** Time between two log lines about a download. */
const PROGRESS_MS = 5000;

/**
 * Makes a model available on this machine, and returns its folder, or its file where it is one on this machine.
 * @throws StorageError with the URI and the reason.
 */
export async function fetchModel(uri: string, options: FetchOptions): Promise<string> {
  const local = await localModel(uri);
  if (local !== undefined) return local;
  const { dir, env, log } = options;
  const started = performance.now();
  return withStore(uri, env, async (store) => {
    const files = await listed(store, env);
    await downloadInto({ store, files, dir, env, log });
    const ms = Math.round(performance.now() - started);
    log.info('model fetched', { uri, dir, files: files.length, ms });
    return dir;
  });
}

/**
 * Returns the folder, or the one file, of a model that can be read where it is on this machine; undefined for one that
 * is to be fetched, or unpacked.
 * @throws StorageError when the URI's scheme is not known, or nothing is there.
 */
export async function localModel(uri: string): Promise<string | undefined> {
  const path = isAbsolute(uri) ? uri : LOCAL[schemeOf(uri)]?.(uri);
  if (path === undefined) return undefined;
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new StorageError(`storageUri "${uri}": ${path} cannot be read: ${error.code}`);
  });
  return found.isFile() && isArchive(path) ? undefined : path;
}

/** Opens the store of a URI, and closes it when `use` has ended. @throws StorageError with the URI and the reason. */
export async function withStore<T>(
  uri: string,
  env: Env,
  use: (store: Store) => Promise<T>,
): Promise<T> {
  const scheme = isAbsolute(uri) ? 'file' : schemeOf(uri);
  mustBeAllowed(uri, env);
  try {
    const store = await (STORES[scheme] as StoreOpener)(uri, env);
    try {
      return await use(store);
    } finally {
      store.close?.();
    }
  } catch (error) {
    const { message, cause } = error as Error;
    const detail =
      cause instanceof Error && !message.includes(cause.message) ? `: ${cause.message}` : '';
    throw new StorageError(`fetch ${uri}: ${message}${detail}`, { cause: error });
  }
}

/**
 * Lists the files of a store that STORAGE_ALLOW_PATTERNS and STORAGE_IGNORE_PATTERNS leave.
 * @throws StoreError of the store, or when there is no file, or there are too many.
 */
export async function listed(store: Store, env: Env): Promise<StoredFile[]> {
  const allow = patterns(env.STORAGE_ALLOW_PATTERNS);
  const ignore = patterns(env.STORAGE_IGNORE_PATTERNS);
  const found = await store.list();
  if (found.length === 0) throw new StoreError('no object has this key or prefix');
  if (found.length > MAX_FILES)
    throw new StoreError(`more than ${MAX_FILES} files: name a folder below`);
  const matches = (path: string, globs: readonly string[]) =>
    globs.some((glob) => matchesGlob(path, glob));
  const files = found.filter(
    ({ path }) => (allow.length === 0 || matches(path, allow)) && !matches(path, ignore),
  );
  if (files.length === 0)
    throw new StoreError('STORAGE_ALLOW_PATTERNS and STORAGE_IGNORE_PATTERNS leave no file');
  return files;
}

/** Reads a list that is a JSON array, or names with commas between them. */
function patterns(text: string | undefined): string[] {
  if (text === undefined || text.trim() === '') return [];
  return text.trimStart().startsWith('[')
    ? JSON.parse(text)
    : text.split(',').map((glob) => glob.trim());
}

/** Files of a store, and where they go. */
export interface DownloadIntoOptions extends FetchOptions {
  readonly store: Store;
  readonly files: readonly StoredFile[];
}

/** True for the name of an archive that is unpacked here. */
function isArchive(name: string): boolean {
  return /\.(tar|tgz|tar\.gz|tar\.zst|zip)$/i.test(name);
}

/** Loads what unpacks archives. Most models come unpacked, and a start without it is faster. */
function archives(): Promise<typeof import('./archive.ts')> {
  return import('./archive.ts');
}

/**
 * Downloads files, and unpacks a model that is one archive, or the layers of an image.
 * @throws StoreError of the store, or of an archive that is refused.
 */
export async function downloadInto({
  store,
  files,
  dir,
  env,
  log,
}: DownloadIntoOptions): Promise<void> {
  const total = files.reduce((sum, { size = 0 }) => sum + size, 0);
  let bytes = 0;
  const progress = setInterval(
    () => log.info('model is being fetched', { bytes, total }),
    PROGRESS_MS,
  );
  try {
    await download(store, files, {
      dir,
      parallel: Number(env.S3_MAX_FILE_CONCURRENCY) || PARALLEL,
      onProgress: (more) => {
        bytes += more;
      },
    });
  } finally {
    clearInterval(progress);
  }
  const [only] = files;
  if (only !== undefined && files.length === 1 && isArchive(only.path)) {
    await (await archives()).unpackModel(join(dir, only.path), dir);
  }
  await unpackLayers(join(dir, LAYERS), dir);
}

/** Unpacks the layers of an image in their order, in which later ones lie over earlier ones. */
async function unpackLayers(layers: string, dir: string): Promise<void> {
  const names = await readdir(layers).catch(() => []);
  const { unpack } = await archives();
  for (const name of names.sort()) await unpack(join(layers, name), { dir, below: MODEL_FOLDER });
  await rm(layers, { recursive: true, force: true });
}

/** Matches `..` between what ends a segment of a URI. Parsers of URLs read a backslash as a slash. */
const CLIMBS = /(^|[/\\])(\.|%2e){2}([/\\?#]|$)/i;
/** Matches what parsers of URLs leave out wherever it stands. */
const LEFT_OUT = /[\t\n\r]/;

/** True for a URI that begins with one of the prefixes, and does not leave it again by `..`. */
export function isBelow(uri: string, prefixes: readonly string[]): boolean {
  const staysThere = !CLIMBS.test(uri) && !LEFT_OUT.test(uri);
  return staysThere && prefixes.some((prefix) => uri.startsWith(prefix));
}

/**
 * Checks that a URI begins with one of STORAGE_ALLOWED_URIS; unset, it allows all.
 * @throws StorageError otherwise.
 */
function mustBeAllowed(uri: string, { STORAGE_ALLOWED_URIS: allowed }: Env): void {
  if (allowed === undefined || isBelow(uri, patterns(allowed))) return;
  throw new StorageError(
    `storageUri "${uri}" begins with none of STORAGE_ALLOWED_URIS: ${allowed}`,
  );
}

/** Returns the scheme of a URI. @throws StorageError when it is not known. */
function schemeOf(uri: string): string {
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(uri)?.[1]?.toLowerCase() ?? '';
  if (Object.hasOwn(LOCAL, scheme) || Object.hasOwn(STORES, scheme)) return scheme;
  const known = [...new Set([...Object.keys(LOCAL), ...Object.keys(STORES)])].join(', ');
  throw new StorageError(
    `storageUri "${uri}": scheme "${scheme}" is not supported here, use one of ${known}`,
  );
}
