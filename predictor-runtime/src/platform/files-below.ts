/** The files of a folder, as a model's reader sees them. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * True for the folder that file systems keep at the root of a volume, for what a repair finds. It is no part of what the
 * volume was filled with, and most users may not read it.
 */
export function isOfFileSystem(name: string): boolean {
  return name === 'lost+found';
}

/**
 * Lists the plain files of a folder and of the folders in it, sorted, without following links; a file has itself.
 * @throws Error of the file system.
 */
export async function filesBelow(path: string): Promise<string[]> {
  if ((await stat(path)).isFile()) return [path];
  const files: string[] = [];
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (isOfFileSystem(entry.name)) continue;
    const inner = join(path, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(inner)));
    else if (entry.isFile()) files.push(inner);
  }
  return files.sort();
}
