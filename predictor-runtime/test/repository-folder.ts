/** A model repository for a test: folders copied from the models of the tests, and files with the content given. */
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODELS = fileURLToPath(new URL('models/', import.meta.url));

/** What a path of the repository holds: a model of the tests, or text. */
export type Content = { readonly model: string } | string;

export class RepositoryFolder {
  readonly dir = mkdtempSync(join(tmpdir(), 'wherry-repository-'));

  constructor(contents: Readonly<Record<string, Content>>) {
    for (const [path, content] of Object.entries(contents)) this.put(path, content);
  }

  /** Appears at once, whole: as a writer that renames. */
  put(path: string, content: Content): void {
    const target = join(this.dir, path);
    mkdirSync(dirname(target), { recursive: true });
    if (typeof content === 'string') {
      writeFileSync(target, content);
      return;
    }
    const staging = mkdtempSync(join(this.dir, '.staging-'));
    cpSync(join(MODELS, content.model), staging, { recursive: true });
    renameSync(staging, target);
  }

  remove(path: string): void {
    rmSync(join(this.dir, path), { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
