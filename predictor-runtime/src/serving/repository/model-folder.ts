/**
 * A model's folder: its configuration, and its versions in numbered folders or, unnumbered, as version 1. A model may
 * also be one file, of which nothing is said but what the defaults say: the files beside it are not its own.
 */

import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { isModelFile } from '../../formats/format.ts';
import { filesBelow, isOfFileSystem } from '../../platform/files-below.ts';
import { ModelLoadError } from '../../protocol/errors.ts';
import { isBeyondVersions, isNumbered, parseVersion } from '../../protocol/versions.ts';
import { foldersIn } from './folders.ts';
import type { ModelConfig } from './model-config.ts';
import { CONFIG_FILES, readModelConfig } from './model-config-file.ts';

/** Folder of one version, or its one file. */
export interface VersionFolder {
  readonly version: number;
  readonly dir: string;
  /** Text that changes with the names, sizes and times of the files, and with the model's configuration. */
  readonly fingerprint: string;
}

/** Everything that a model's folder holds. */
export interface ModelFolder {
  readonly config: ModelConfig;
  readonly versions: readonly VersionFolder[];
}

/** Circumstances of a folder, which it does not say itself. */
export interface FolderOptions {
  readonly defaults: ModelConfig;
  /** Version of a folder without numbered folders; 1 if not given. */
  readonly unnumbered?: number;
}

/**
 * Reads a model's folder, or its one file.
 * @throws ModelLoadError when the folder or its configuration cannot be read, or is another model's.
 */
export async function readModelFolder(
  name: string,
  dir: string,
  { defaults, unnumbered: version = 1 }: FolderOptions,
): Promise<ModelFolder> {
  if ((await stat(dir).catch(() => undefined))?.isFile()) {
    const versions = [{ version, dir, fingerprint: await fingerprint(dir, undefined) }];
    return { config: defaults, versions };
  }
  const config = await readModelConfig(dir, defaults);
  if (config.name !== undefined && config.name !== name) {
    throw new ModelLoadError(
      `${config.source}: name is '${config.name}', but the model is '${name}'`,
    );
  }
  const numbered = await numberedFolders(dir);
  const found = numbered.size > 0 ? [...numbered] : [[version, dir] as const];
  const versions: VersionFolder[] = [];
  for (const [version, path] of found) {
    const print = await fingerprint(path, config.source);
    versions.push({ version, dir: path, fingerprint: print });
  }
  return { config, versions };
}

/**
 * Finds the folders of a model's versions, by their numbers.
 * @throws ModelLoadError for two folders of one number, and for a number too large: another version would be served.
 */
async function numberedFolders(dir: string): Promise<Map<number, string>> {
  const folders = new Map<number, string>();
  for (const name of await foldersIn(dir)) {
    const version = parseVersion(name);
    const path = join(dir, name);
    if (isBeyondVersions(name)) {
      throw new ModelLoadError(
        `${path}: versions go up to ${Number.MAX_SAFE_INTEGER}, give it a smaller number`,
      );
    }
    if (version === undefined) continue;
    const other = folders.get(version);
    if (other !== undefined) {
      throw new ModelLoadError(
        `version ${version} is in two folders, ${other} and ${path}: keep one`,
      );
    }
    folders.set(version, path);
  }
  return folders;
}

/**
 * Tells whether a folder holds what a model's folder has: a configuration, a version, or a file that is a model, or is
 * called one. A folder that cannot be read may hold a model.
 */
export async function holdsModel(dir: string): Promise<boolean> {
  if (isOfFileSystem(basename(dir))) return false;
  const names = await readdir(dir).catch(() => undefined);
  if (names === undefined) return true;
  const isNamed = names.some((name) => CONFIG_FILES.includes(name) || name.startsWith('model.'));
  if (isNamed || names.some((name) => isReadableModel(join(dir, name), name))) return true;
  return (await foldersIn(dir)).some(isNumbered);
}

/** True for a file that is a model; one that cannot be read does not say so. */
function isReadableModel(path: string, name: string): boolean {
  try {
    return isModelFile(path, name);
  } catch {
    return false;
  }
}

async function fingerprint(dir: string, configFile: string | undefined): Promise<string> {
  const files = await filesBelow(dir);
  const told = [...files, ...(configFile === undefined ? [] : [configFile])].map(async (path) => {
    const { size, mtimeMs } = await stat(path);
    return `${relative(dir, path)} ${size} ${mtimeMs}\n`;
  });
  return (await Promise.all(told)).join('');
}
