/**
 * The `storage-initializer` init container fetches models for runtimes that do not do so themselves. Its arguments are
 * KServe's: source URI, target folder, and so on in pairs.
 */
import { cp, mkdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isOfFileSystem } from './platform/files-below.ts';
import { createLogger } from './platform/log.ts';
import { fetchModel, StorageError } from './storage/storage.ts';

const log = createLogger('info');

/**
 * Fetches every source into its folder.
 * @throws StorageError for a source that cannot be fetched, and for arguments that are no pairs.
 */
async function fetchAll(args: readonly string[]): Promise<void> {
  if (args.length === 0 || args.length % 2 === 1) {
    throw new StorageError(
      'usage: storage-initializer SOURCE_URI TARGET_DIR [SOURCE_URI TARGET_DIR …]',
    );
  }
  for (let i = 0; i < args.length; i += 2) {
    const [uri = '', dir = ''] = args.slice(i, i + 2);
    await mkdir(dir, { recursive: true });
    const fetched = await fetchModel(uri, { dir, env: process.env, log });
    if (fetched !== dir) await copyInto(fetched, dir);
  }
}

/** Copies a folder's content, or a file, into a folder. */
async function copyInto(source: string, dir: string): Promise<void> {
  const target = (await stat(source)).isFile() ? join(dir, basename(source)) : dir;
  await cp(source, target, {
    recursive: true,
    dereference: true,
    filter: (path) => !isOfFileSystem(basename(path)),
  });
}

fetchAll(process.argv.slice(2)).catch(async (error: Error) => {
  const reason = error.message;
  log.error('model not fetched', { reason });
  await writeFile('/dev/termination-log', reason, { flag: 'r+' }).catch(() => undefined);
  process.exitCode = 1;
});
