/** The folders of a repository, whatever else lies beside them. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

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
