/** The folders and files of a repository, whatever else lies beside them. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Folder that file systems of Linux have at their root; only the superuser can read it. */
export const LOST_AND_FOUND = 'lost+found';

/**
 * Lists the names of the folders in a folder, links to folders included: Kubernetes mounts volumes' contents as links. A
 * link that leads nowhere is no folder.
 * @throws Error when the folder cannot be read.
 */
export async function foldersIn(dir: string): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const isFolder =
      entry.isDirectory() || (entry.isSymbolicLink() && (await leadsToFolder(entry)));
    if (isFolder) names.push(entry.name);
  }
  return names;
}

async function leadsToFolder({ parentPath, name }: { parentPath: string; name: string }) {
  const target = await stat(join(parentPath, name)).catch(() => undefined);
  return target?.isDirectory() === true;
}

/** Lists the paths of the files in a folder and in the folders in it. @throws Error when one cannot be read. */
export async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const paths = await Promise.all(
    entries.map((entry) => {
      const path = join(dir, entry.name);
      if (entry.isFile()) return [path];
      return entry.isDirectory() && entry.name !== LOST_AND_FOUND ? filesIn(path) : [];
    }),
  );
  return paths.flat();
}
