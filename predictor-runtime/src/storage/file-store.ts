/** Reads one file of this machine, for what cannot be used where it is: file:///FOLDER/model.tar.gz. */
import { createReadStream, existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Store, StoreOpener } from './store.ts';

/** Opens the store of one file. */
export const openFile: StoreOpener = (uri): Store => {
  const path = isAbsolute(uri) ? uri : filePath(uri);
  return {
    async list() {
      const { size, mtimeMs } = await stat(path);
      return [{ path: basename(path), size, tag: `${size}-${mtimeMs}`, ranges: true }];
    },
    read: async (_file, range) =>
      createReadStream(path, range && { start: range.start, end: range.end - 1 }),
  };
};

/**
 * Returns the path that a file:// URI means. A file that is called as the URI is written comes first, as for KServe;
 * otherwise percent-escapes are read, while `#` and `?` stay parts of the name.
 */
export function filePath(uri: string): string {
  const written = uri.replace(/^file:\/\/(localhost(?=\/))?/i, '');
  if (existsSync(written)) return written;
  try {
    return fileURLToPath(uri.replace(/[#?]/g, encodeURIComponent));
  } catch {
    return written;
  }
}
