/**
 * Keeps a local copy of a model in line with its store: new versions come and old ones go, each whole or not at all. As
 * long as nothing has changed there, the store is listed and no more.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseVersion } from '../protocol/versions.ts';
import { downloadInto, type FetchOptions, listed, localModel, withStore } from './storage.ts';
import type { Store, StoredFile } from './store.ts';

/** Folder in which versions lie until they are whole. */
const STAGING = '.staging';

/** A local copy of a model in a store. */
export class Mirror {
  readonly #uri: string;
  readonly #options: FetchOptions;
  /** Content of each version that is here. The files that belong to no version have the key ''. */
  readonly #here = new Map<string, string>();
  #folder: string;
  #isWhole = false;
  #fetchMs = 0;
  #flight: Promise<string> | undefined;

  /** Makes a mirror, which is empty until `sync` is called. @param options its folder is the mirror's own */
  constructor(uri: string, options: FetchOptions) {
    this.#uri = uri;
    this.#options = options;
    this.#folder = options.dir;
  }

  /** Folder or file of the model; undefined before the first `sync` has ended. */
  get folder(): string | undefined {
    return this.#isWhole ? this.#folder : undefined;
  }

  /** Milliseconds that the last fetch took; 0 for a model that is on this machine already. */
  get fetchMs(): number {
    return this.#fetchMs;
  }

  /**
   * Brings the copy in line with the store, and returns the model's folder. Calls that come meanwhile share the flight:
   * two would write the same files.
   * @throws StorageError.
   */
  sync(): Promise<string> {
    this.#flight ??= this.#sync().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #sync(): Promise<string> {
    this.#folder = (await localModel(this.#uri)) ?? (await this.#fetch());
    this.#isWhole = true;
    return this.#folder;
  }

  async #fetch(): Promise<string> {
    const { env } = this.#options;
    const begun = performance.now();
    await withStore(this.#uri, env, async (store) => {
      const files = await listed(store, env);
      const versions = Map.groupBy(files, ({ path }) => versionOf(path));
      const isVersioned = [...versions.keys()].some((version) => version !== '');
      if (isVersioned) await this.#syncVersions(store, versions);
      else await this.#syncWhole(store, files);
    });
    this.#fetchMs = performance.now() - begun;
    return this.#folder;
  }

  async #syncVersions(store: Store, versions: Map<string, StoredFile[]>): Promise<void> {
    const { dir } = this.#options;
    for (const [version, files] of versions) {
      const content = contentOf(files);
      if (this.#here.get(version) === content) continue;
      if (version === '') {
        // The files beside the versions: the configuration, and others.
        await downloadInto({ ...this.#options, store, files });
      } else {
        await this.#stage(store, files, join(dir, version));
      }
      this.#here.set(version, content);
    }
    for (const name of await readdir(dir)) {
      if (parseVersion(name) === undefined || versions.has(name)) continue;
      await rm(join(dir, name), { recursive: true });
      this.#here.delete(name);
    }
  }

  /** Fetches files without versions. They change together, and each content has a folder of its own. */
  async #syncWhole(store: Store, files: StoredFile[]): Promise<void> {
    const content = contentOf(files);
    if (this.#here.get('') === content) return;
    const old = this.#folder;
    const next = join(this.#options.dir, `.content-${content.slice(0, 16)}`);
    await this.#stage(store, files, next);
    this.#here.set('', content);
    this.#folder = next;
    if (old !== this.#options.dir) await rm(old, { recursive: true, force: true });
  }

  /** Downloads files to a folder beside the target, and moves it there when it is whole. */
  async #stage(store: Store, files: readonly StoredFile[], target: string): Promise<void> {
    const staging = join(this.#options.dir, STAGING, contentOf(files).slice(0, 16));
    await mkdir(staging, { recursive: true });
    const first = files[0]?.path ?? '';
    const prefix = versionOf(first) === '' ? '' : `${versionOf(first)}/`;
    const relative = files.map((file) => ({ ...file, path: file.path.slice(prefix.length) }));
    await downloadInto({ ...this.#options, store, files: relative, dir: staging });
    await rm(target, { recursive: true, force: true });
    await rename(staging, target);
  }
}

/** Returns the version's folder that a path begins with; '' for none. */
function versionOf(path: string): string {
  const [first = '', ...rest] = path.split('/');
  return rest.length > 0 && parseVersion(first) !== undefined ? first : '';
}

/** Returns a hash of files' names, sizes and tags: it is the same as long as the store tells of no change. */
function contentOf(files: readonly StoredFile[]): string {
  const hash = createHash('sha256');
  const lines = files.map(({ path, size, tag }) => `${path}\t${size}\t${tag}\n`);
  for (const line of lines.sort()) hash.update(line);
  return hash.digest('hex');
}
