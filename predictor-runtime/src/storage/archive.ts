/**
 * Unpacks archives, without leaving the folder: only plain files and folders, with plain modes, and no more than an
 * honest archive of that size can hold.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { openPromise as openZip } from 'yauzl';
import { isNumbered } from '../protocol/versions.ts';
import { targetPath } from './download.ts';
import { MAX_FILES, StoreError } from './store.ts';

/** Largest ratio of what is unpacked to the archive's size; better compression is a bomb's. */
const MAX_RATIO = 200;
/** Size that any archive may unpack to, whatever its own. */
const ALWAYS_BYTES = 256 << 20;

/** The place that an archive is unpacked to, and the part of it that is unpacked. */
export interface UnpackOptions {
  /** Folder that the files go to; it exists. */
  readonly dir: string;
  /** Folder of the archive, without which the files below it are unpacked, and no others. Undefined unpacks all. */
  readonly below?: string;
}

/** Folder, beside the archive, that it is unpacked to before its files get their places. */
const UNPACKED = '.unpacked';

/**
 * Replaces an archive by the model that it holds. A folder around everything, as `tar -cz iris` makes it, is left out,
 * unless it is a version's.
 * @throws StoreError as `unpack` does.
 */
export async function unpackModel(archive: string, dir: string): Promise<void> {
  const staging = join(dir, UNPACKED);
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging);
  try {
    await unpack(archive, { dir: staging });
    await rm(archive);
    const model = await withoutOuterFolders(staging);
    for (const name of await readdir(model)) {
      await rm(join(dir, name), { recursive: true, force: true });
      await rename(join(model, name), join(dir, name));
    }
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Returns the innermost folder that holds everything but what a desktop added to the archive. */
async function withoutOuterFolders(dir: string): Promise<string> {
  const entries = await readdir(dir, { withFileTypes: true });
  const [only, ...others] = entries.filter(({ name }) => !/^(\.|__MACOSX$)/.test(name));
  if (only === undefined || others.length > 0 || !only.isDirectory()) return dir;
  return isNumbered(only.name) ? dir : withoutOuterFolders(join(dir, only.name));
}

/** Unpacks an archive. @throws StoreError for an entry that is no file, leads out of the folder, or is too much. */
export async function unpack(archive: string, options: UnpackOptions): Promise<void> {
  const { size } = await stat(archive);
  const budget = new Budget(Math.max(size * MAX_RATIO, ALWAYS_BYTES));
  if (/\.zip$/i.test(archive)) await unzip(archive, options, budget);
  else await untar(archive, options, budget);
}

/** Counts the files and bytes that an archive may still unpack to. */
class Budget {
  readonly #bytes: number;
  #used = 0;
  #files = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Counts a file that is unpacked. @throws StoreError when there are too many. */
  file(): void {
    if (++this.#files > MAX_FILES)
      throw new StoreError(`the archive has more than ${MAX_FILES} files`);
  }

  /** Counts bytes that are unpacked. @throws StoreError when there are too many. */
  take(bytes: number): void {
    this.#used += bytes;
    if (this.#used > this.#bytes) {
      throw new StoreError(
        `the archive unpacks to more than ${this.#bytes} bytes: it looks like a bomb`,
      );
    }
  }
}

async function untar(archive: string, options: UnpackOptions, budget: Budget): Promise<void> {
  const writes: Promise<void>[] = [];
  let failure: Error | undefined;
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      const work = tarEntry(entry, options, budget).catch((error: Error) => {
        failure ??= error;
        // The parser goes on only when the entry is read.
        entry.resume();
      });
      writes.push(work);
    },
  });
  parser.on('error', (error) => {
    failure ??= error;
  });
  // Padding follows the archive's end. The parser would wait for ever if it were fed with it.
  let isOver = false;
  parser.on('eof', () => {
    isOver = true;
  });
  async function feed(chunks: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of chunks) {
      budget.take(chunk.length);
      const isRoom = isOver || parser.write(chunk);
      if (failure !== undefined) throw failure;
      if (!isRoom && !isOver) await new Promise((resolve) => parser.once('drain', resolve));
    }
    parser.end();
  }
  const file = createReadStream(archive);
  const decompress = await decompressor(archive);
  try {
    await (decompress === undefined ? pipeline(file, feed) : pipeline(file, decompress, feed));
    await Promise.all(writes);
    if (failure !== undefined) throw failure;
  } catch (error) {
    throw error instanceof StoreError ? error : broken(error as Error);
  }
}

/** Makes the error of an archive that cannot be read. */
function broken({ message }: Error): StoreError {
  return new StoreError(`the archive is broken: ${message}`);
}

/**
 * Makes the decompressor of a file, by its first bytes, as the names of layers say nothing. Undefined when it is plain.
 */
async function decompressor(path: string) {
  const [magic] = (await createReadStream(path, { end: 3 }).take(1).toArray()) as Buffer[];
  if (magic?.readUInt16BE(0) === 0x1f8b) return createGunzip();
  return magic?.length === 4 && magic.readUInt32BE(0) === 0x28b52ffd
    ? createZstdDecompress()
    : undefined;
}

async function tarEntry(entry: ReadEntry, options: UnpackOptions, budget: Budget): Promise<void> {
  const name = nameBelow(entry.path, options.below);
  if (name === undefined || entry.type === 'Directory') {
    entry.resume();
    return;
  }
  if (entry.type !== 'File' && entry.type !== 'OldFile') {
    throw new StoreError(
      `the archive's ${entry.path} is a ${entry.type}: only files and folders are unpacked`,
    );
  }
  budget.file();
  await write(entry as unknown as Readable, name, options);
}

async function unzip(archive: string, options: UnpackOptions, budget: Budget): Promise<void> {
  const zip = await openZip(archive, { strictFileNames: true }).catch((error: Error) => {
    throw broken(error);
  });
  try {
    for await (const entry of zip.eachEntry()) {
      const name = nameBelow(entry.fileName, options.below);
      if (name === undefined || entry.fileName.endsWith('/')) continue;
      // The upper half of the external attributes is Unix's mode, in which 0xa000 means a link.
      if (((entry.externalFileAttributes >>> 16) & 0xf000) === 0xa000) {
        throw new StoreError(
          `the archive's ${entry.fileName} is a link: only files and folders are unpacked`,
        );
      }
      budget.file();
      budget.take(entry.uncompressedSize);
      await write(await zip.openReadStreamPromise(entry), name, options);
    }
  } catch (error) {
    throw error instanceof StoreError ? error : broken(error as Error);
  } finally {
    zip.close();
  }
}

/** Returns an entry's path below a folder of the archive; undefined when it lies elsewhere. */
function nameBelow(path: string, below: string | undefined): string | undefined {
  const name = path.replace(/^(\.\/)+/, '');
  if (below === undefined) return name;
  return name.startsWith(`${below}/`) ? name.slice(below.length + 1) : undefined;
}

/** Writes a file. @throws StoreError when its path leads out of the folder. */
async function write(source: Readable, name: string, { dir }: UnpackOptions): Promise<void> {
  const path = targetPath(dir, name);
  await mkdir(dirname(path), { recursive: true });
  // A link that lay there before must not lead the file elsewhere.
  const [root, parent] = [await realpath(dir), await realpath(dirname(path))];
  if (relative(root, parent).startsWith('..')) {
    throw new StoreError(`"${name}" leads out of the model folder by a link`);
  }
  await pipeline(source, createWriteStream(path, { mode: 0o644 }));
}
