/**
 * Downloads files from a store to a folder: parts of them in parallel, with little memory. Parts that were fetched
 * before an interruption are kept. A file gets its name when it is whole and its checksum right.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Semaphore } from '../platform/semaphore.ts';
import { type Range, type Store, type StoredFile, StoreError } from './store.ts';

/** The place that files are downloaded to, and the manner of it. */
export interface DownloadOptions {
  /** Folder that the files go to; it exists. */
  readonly dir: string;
  /** Number of parts that are fetched at a time. */
  readonly parallel: number;
  /** Called now and then with the number of bytes that have come since the last call. */
  onProgress?(bytes: number): void;
}

/** Size of a part. */
const PART_BYTES = 16 << 20;
/** Number of times that a part, or a file, is tried. */
const ATTEMPTS = 5;
/** Time before the second attempt; it doubles from then on. */
const FIRST_BACKOFF_MS = 200;

/**
 * Fetches files into a folder. Those that are whole stay when another one fails.
 * @throws StoreError of the store, Error of the disk.
 */
export async function download(
  store: Store,
  files: readonly StoredFile[],
  options: DownloadOptions,
): Promise<void> {
  const slots = new Semaphore(options.parallel);
  const failure = new AbortController();
  const stop = (error: unknown) => failure.abort(error);
  const { signal } = failure;
  const work = files.map((file) => downloadFile({ store, file, slots, signal, stop, ...options }));
  await allEnded(work, stop);
}

/** Waits for all to end. The first one that fails stops the others, and its error is thrown. */
async function allEnded(work: readonly Promise<void>[], stop: (error: unknown) => void) {
  let failure: { readonly error: unknown } | undefined;
  const watched = work.map((promise) =>
    promise.catch((error: unknown) => {
      failure ??= { error };
      stop(error);
    }),
  );
  await Promise.all(watched);
  if (failure !== undefined) throw failure.error;
}

interface FileOptions extends DownloadOptions {
  readonly store: Store;
  readonly file: StoredFile;
  readonly slots: Semaphore;
  readonly signal: AbortSignal;
  readonly stop: (error: unknown) => void;
}

async function downloadFile(options: FileOptions): Promise<void> {
  const { file, dir } = options;
  const path = targetPath(dir, file.path);
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.partial`;
  const record = new PartRecord(`${partial}.json`, file);
  await record.read();
  const handle = await open(partial, record.isEmpty ? 'w' : 'r+');
  try {
    if (file.size !== undefined && file.ranges) {
      const parts = record.missing().map((part) => fetchPart({ ...options, handle, record, part }));
      await allEnded(parts, options.stop);
    } else {
      await options.slots.run(() => fetchWhole({ ...options, handle }));
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  await verify(partial, file).catch(async (error) => {
    // A file that is wrong as a whole does not tell which part is: the next attempt begins anew.
    await rm(partial, { force: true });
    await record.remove();
    throw error;
  });
  await rename(partial, path);
  await record.remove();
}

/** Returns where a file of a folder lies. @throws StoreError for a path that leads out of the folder. */
export function targetPath(dir: string, path: string): string {
  const target = join(dir, path);
  const inside = relative(dir, target);
  if (inside === '' || inside.startsWith('..') || path.includes('\0')) {
    throw new StoreError(`"${path}" leads out of the model folder`);
  }
  return target;
}

interface PartOptions extends FileOptions {
  readonly handle: FileHandle;
  readonly record: PartRecord;
  readonly part: number;
}

async function fetchPart({ part, record, file, slots, ...options }: PartOptions): Promise<void> {
  const start = part * PART_BYTES;
  const end = Math.min(start + PART_BYTES, file.size ?? 0);
  let position = start;
  await slots.run(() =>
    retry(options.signal, async () => {
      await copy({ ...options, file, range: { start: position, end } }, (written) => {
        position += written;
      });
      if (position < end)
        throw new StoreError(
          `got ${position - start} of ${end - start} bytes of a part of ${file.path}`,
          { transient: true },
        );
    }),
  );
  await record.done(part);
}

/** Fetches a file from its beginning to its end, as it has no ranges, or no size that is known. */
async function fetchWhole({ file, signal, ...options }: FileOptions & { handle: FileHandle }) {
  await retry(signal, async () => {
    await options.handle.truncate(0);
    let written = 0;
    await copy({ ...options, file, signal, range: undefined }, (bytes) => {
      written += bytes;
    });
    if (file.size !== undefined && written !== file.size) {
      throw new StoreError(`got ${written} of ${file.size} bytes of ${file.path}`, {
        transient: true,
      });
    }
  });
}

interface CopyOptions {
  readonly store: Store;
  readonly file: StoredFile;
  readonly handle: FileHandle;
  readonly range: Range | undefined;
  readonly signal: AbortSignal;
  onProgress?(bytes: number): void;
}

/** Copies a file, or a range of it, from the store to its place on the disk. */
async function copy(
  { store, file, handle, range, signal, onProgress }: CopyOptions,
  onWritten: (bytes: number) => void,
): Promise<void> {
  let position = range?.start ?? 0;
  const source = await store.read(file, range);
  await pipeline(
    source,
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        if (range !== undefined && position + chunk.length > range.end) {
          throw new StoreError(`more bytes than asked for of ${file.path}`);
        }
        await handle.write(chunk, 0, chunk.length, position);
        position += chunk.length;
        onWritten(chunk.length);
        onProgress?.(chunk.length);
      }
    },
    { signal },
  );
}

/**
 * Tries until it succeeds, waiting longer each time.
 * @throws what the last attempt throws, or an error that will not pass.
 */
async function retry(signal: AbortSignal, attempt: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      const lasting = error instanceof StoreError && !error.transient;
      if (lasting || signal.aborted || tries === ATTEMPTS || isDiskError(error)) throw error;
      await delay(FIRST_BACKOFF_MS * 2 ** (tries - 1));
    }
  }
}

function isDiskError(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EIO', 'EFBIG'].includes(code);
}

/** Checks the size and the checksum of a file that has been fetched. @throws StoreError when one is wrong. */
async function verify(path: string, { path: name, size, checksum }: StoredFile): Promise<void> {
  const { size: got } = await stat(path);
  if (size !== undefined && got !== size)
    throw new StoreError(`got ${got} of ${size} bytes of ${name}`);
  if (checksum === undefined) return;
  const hash = createHash(checksum.algorithm);
  await pipeline(createReadStream(path), hash);
  const digest = hash.digest('hex');
  if (digest === checksum.digest) return;
  throw new StoreError(
    `${name} has the ${checksum.algorithm} checksum ${digest}, but the store says ${checksum.digest}`,
  );
}

/** Remembers which parts of a file have been fetched, on the disk beside it, for the start after an interruption. */
class PartRecord {
  readonly #path: string;
  readonly #file: StoredFile;
  #parts = new Set<number>();
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, file: StoredFile) {
    this.#path = path;
    this.#file = file;
  }

  /** True when no part has been fetched. */
  get isEmpty(): boolean {
    return this.#parts.size === 0;
  }

  /** Reads the record of an earlier start, unless the file has another content now. */
  async read(): Promise<void> {
    const { tag, size, ranges } = this.#file;
    if (tag === undefined || !ranges) return;
    try {
      const saved = JSON.parse(await readFile(this.#path, 'utf8'));
      if (saved.tag === tag && saved.size === size) this.#parts = new Set(saved.parts);
    } catch {
      // There is none, or it was cut off in the middle of a write: the parts are fetched again.
    }
  }

  /** Returns the numbers of the parts that have not been fetched. */
  missing(): number[] {
    const count = Math.ceil((this.#file.size ?? 0) / PART_BYTES);
    return Array.from({ length: count }, (_, part) => part).filter(
      (part) => !this.#parts.has(part),
    );
  }

  /** Records a part. */
  done(part: number): Promise<void> {
    const { tag, size } = this.#file;
    this.#parts.add(part);
    if (tag === undefined) return Promise.resolve();
    this.#writing = this.#writing.then(() =>
      writeFile(this.#path, JSON.stringify({ tag, size, parts: [...this.#parts] })),
    );
    return this.#writing;
  }

  /** Removes the record from the disk. */
  async remove(): Promise<void> {
    await this.#writing;
    await rm(this.#path, { force: true });
  }
}
