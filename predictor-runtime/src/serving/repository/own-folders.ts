/** Folders that the repository made for models, of files that came with a load request. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { invalid } from '../../protocol/errors.ts';

/** Keeps one folder a model, and removes it when the model goes or gets another. */
export class OwnFolders {
  readonly #dirs = new Map<string, string>();

  /**
   * Writes a model's files into a new folder, and returns it.
   * @throws InferenceError INVALID_ARGUMENT for a path that leads out of the folder; nothing is kept then.
   */
  async write(name: string, files: ReadonlyMap<string, Buffer>): Promise<string> {
    const root = await mkdtemp(join(tmpdir(), 'wherry-model-'));
    try {
      for (const [path, content] of files) {
        const target = join(root, path);
        const inside = relative(root, target);
        if (inside === '' || inside.startsWith('..')) {
          throw invalid(`parameters: 'file:${path}' leads out of the model's folder`);
        }
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, content);
      }
    } catch (error) {
      await rm(root, { recursive: true, force: true });
      throw error;
    }
    await this.remove(name);
    this.#dirs.set(name, root);
    return root;
  }

  /** Removes a model's folder. Nothing happens when it has none. */
  async remove(name: string): Promise<void> {
    const dir = this.#dirs.get(name);
    this.#dirs.delete(name);
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }

  /** Removes all folders. */
  async close(): Promise<void> {
    for (const name of [...this.#dirs.keys()]) await this.remove(name);
  }
}
