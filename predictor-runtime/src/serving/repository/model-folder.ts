/** A model's folder: its configuration, and its versions in numbered folders or, unnumbered, as version 1. */

import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ModelLoadError } from '../../protocol/errors.ts';
import { parseVersion } from '../../protocol/versions.ts';
import type { ModelConfig } from './model-config.ts';
import { readModelConfig } from './model-config-file.ts';

/** Folder of one version. */
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

/**
 * Reads a model's folder.
 * @throws ModelLoadError when the folder or its configuration cannot be read, or is another model's.
 */
export async function readModelFolder(
  name: string,
  dir: string,
  defaults: ModelConfig,
): Promise<ModelFolder> {
  const config = await readModelConfig(dir, defaults);
  if (config.name !== undefined && config.name !== name) {
    throw new ModelLoadError(
      `${config.source}: name is '${config.name}', but the model is '${name}'`,
    );
  }
  const entries = await readdir(dir, { withFileTypes: true });
  const numbered = entries
    .filter((entry) => isFolder(entry))
    .map((entry) => ({ version: parseVersion(entry.name), dir: join(dir, entry.name) }))
    .filter((found): found is { version: number; dir: string } => found.version !== undefined);
  const found = numbered.length > 0 ? numbered : [{ version: 1, dir }];
  const versions: VersionFolder[] = [];
  for (const version of found) {
    versions.push({ ...version, fingerprint: await fingerprint(version.dir, config.source) });
  }
  return { config, versions };
}

/** True for a folder, or a link that may be one: Kubernetes mounts volumes' contents as links. */
function isFolder(entry: Dirent): boolean {
  return entry.isDirectory() || entry.isSymbolicLink();
}

async function fingerprint(dir: string, configFile: string | undefined): Promise<string> {
  const hash = createHash('sha256');
  const files = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = files
    .filter((file) => file.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  for (const path of [...paths.sort(), ...(configFile === undefined ? [] : [configFile])]) {
    const { size, mtimeMs } = await stat(path);
    hash.update(`${relative(dir, path)} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}
