/** Holds README and docs to the tree: a source file that they name in backticks exists. Part of `npm run check`. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** A path with a folder and the ending of a source file, and no pattern. */
const SOURCE = /`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|yaml|py))`/g;

/** Returns the source files that `text` names and `files` does not hold; a path may begin anywhere in the tree. */
export function missingPaths(text: string, files: readonly string[]): string[] {
  return [...text.matchAll(SOURCE)]
    .map(([, path = '']) => path)
    .filter((path) => !files.some((file) => file === path || file.endsWith(`/${path}`)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' }).split('\n');
  for (const page of files.filter((file) => /^(README|docs\/.*)\.md$/.test(file))) {
    for (const path of missingPaths(readFileSync(join(ROOT, page), 'utf8'), files)) {
      console.error(`${page}: there is no ${path}`);
      process.exitCode = 1;
    }
  }
}
