/**
 * Finds files of this package, alike from its sources and from its bundle in dist. A program that a source file starts
 * lies beside that file, and in the bundle beside the others.
 */
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = packageFolder(new URL('.', import.meta.url));

/** Returns the path of a file that `path` names relative to the package's folder. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, PACKAGE));
}

/**
 * Returns the path of a program that lies beside the module that starts it.
 * @param url that module's `import.meta.url`
 */
export function programBeside(url: string, name: string): string {
  return fileURLToPath(new URL(`./${name}${extname(url)}`, url));
}

/** Returns the nearest folder above whose package.json has a name; the one in dist has none. */
function packageFolder(below: URL): URL {
  let folder = below;
  while (!isPackage(folder)) folder = new URL('..', folder);
  return folder;
}

function isPackage(folder: URL): boolean {
  try {
    return 'name' in JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || folder.pathname === '/') throw error;
    return false;
  }
}
