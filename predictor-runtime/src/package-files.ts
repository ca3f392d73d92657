/**
 * Files of this package, found alike from its sources and from its bundle: the sources' files, and all of the bundle's,
 * are one folder below the package's own; a program that a source file starts lies beside that file, and in the bundle too.
 */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

export function packageFile(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

/** @param url of the module that starts it: its `import.meta.url` */
export function programBeside(url: string, name: string): string {
  return fileURLToPath(new URL(`./${name}${extname(url)}`, url));
}
