/** One file from a stream to the disk: bounded memory, and its name appears only when it is whole. */
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface DownloadTarget {
  readonly dir: string;
  /** Path below `dir`; one that leads out of it is refused. */
  readonly path: string;
  /** Expected size in bytes, when the store tells. */
  readonly size?: number;
}

/** Writes `body` to `dir/path` through a `.partial` file. @throws Error when it is cut short. */
export async function writeDownload(body: Readable, target: DownloadTarget): Promise<void> {
  const path = join(target.dir, target.path);
  if (relative(target.dir, path).startsWith('..')) {
    throw new Error(`"${target.path}" leads out of the model folder`);
  }
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.partial`;
  const file = createWriteStream(partial);
  try {
    await pipeline(body, file);
    if (target.size !== undefined && file.bytesWritten !== target.size) {
      throw new Error(`got ${file.bytesWritten} of ${target.size} bytes of ${target.path}`);
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
