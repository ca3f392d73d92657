/** The list of a server's models: one by flags, the folders of a repository, or TensorFlow Serving's list of models. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../platform/log.ts';
import { ModelLoadError } from '../../protocol/errors.ts';
import { foldersIn } from './folders.ts';
import { holdsModel } from './model-folder.ts';
import type { MessageType } from './proto-schema.ts';
import type { RegistrationSettings } from './registration-settings.ts';
import { parseTextProto } from './text-proto.ts';
import { VERSION_POLICY } from './triton-schema.ts';
import { type PolicyMessage, policyOf, type VersionPolicy } from './version-policy.ts';

/** A model by name and folder; what is absent is left to the folder's own configuration. */
export interface ModelEntry {
  readonly name: string;
  readonly dir: string;
  /** URL that the model was registered with. */
  readonly url?: string;
  readonly settings?: RegistrationSettings;
  /** Version that a folder without numbered folders is; 1 if not given. */
  readonly version?: number;
  readonly versionPolicy?: VersionPolicy;
  readonly labels?: Readonly<Record<string, number>>;
}

/** The models that a server has, wherever they come from. */
export interface ModelList {
  /** Lists the models that are on this machine; nothing is fetched. @throws ModelLoadError. */
  list(): Promise<readonly ModelEntry[]>;
  /** Fetches what is to be fetched, and lists the models that are there then. @throws ModelLoadError, StorageError. */
  refresh(): Promise<readonly ModelEntry[]>;
  /** Milliseconds that the last fetch took; left out where nothing is ever fetched. */
  readonly fetchMs?: number;
}

/** Source of the folder of a single model. */
export interface FolderSource {
  /** Folder of the model; undefined as long as it has not been fetched. */
  readonly folder: string | undefined;
  /** Milliseconds that the last fetch took; 0 where nothing was fetched. */
  readonly fetchMs: number;
  /** Fetches what is to be fetched, and returns the model's folder. @throws Error with the reason. */
  refresh(): Promise<string>;
}

/** Makes the list of a server for one model. */
export function oneModel(name: string, source: FolderSource): ModelList {
  return {
    list: async () => (source.folder === undefined ? [] : [{ name, dir: source.folder }]),
    refresh: async () => [{ name, dir: await source.refresh() }],
    get fetchMs() {
      return source.fetchMs;
    },
  };
}

/** Makes a list of what is on this machine already, and read anew each time. */
function local(list: ModelList['list']): ModelList {
  return { list, refresh: list };
}

/**
 * Makes a list in which every folder of the repositories is a model of that name, but for those that hold no model: they
 * would never be ready. These are told of in the log.
 */
export function repositoryFolders(dirs: readonly string[], log: Logger): ModelList {
  const passedOver = new Set<string>();
  return local(async () => {
    const models: ModelEntry[] = [];
    for (const repository of dirs) {
      const names = await foldersIn(repository).catch((error: Error) => {
        throw new ModelLoadError(`model repository ${repository} cannot be read: ${error.message}`);
      });
      for (const name of names) {
        const dir = join(repository, name);
        if (name.startsWith('.')) continue;
        if (!(await holdsModel(dir))) {
          if (!passedOver.has(dir)) log.warn('folder of the model repository passed over', { dir });
          passedOver.add(dir);
          continue;
        }
        const other = models.find((model) => model.name === name);
        if (other !== undefined) {
          throw new ModelLoadError(`model '${name}' is in two repositories: ${other.dir}, ${dir}`);
        }
        models.push({ name, dir });
      }
    }
    return models;
  });
}

/** Message of the configuration file. Source: TensorFlow Serving, model_server_config.proto. */
const MODEL_SERVER_CONFIG: MessageType = {
  model_config_list: {
    message: {
      config: {
        repeated: {
          message: {
            name: 'string',
            base_path: 'string',
            model_platform: 'string',
            model_version_policy: { message: VERSION_POLICY },
            version_labels: { map: 'int' },
          },
        },
      },
    },
  },
};

interface ModelServerConfig {
  model_config_list?: {
    config?: {
      name?: string;
      base_path?: string;
      model_version_policy?: PolicyMessage;
      version_labels?: Record<string, number>;
    }[];
  };
}

/** Makes a list of the models of a `--model_config_file`, which is read anew each time. */
export function configFile(path: string): ModelList {
  return local(async () => {
    try {
      const text = await readFile(path, 'utf8');
      const { model_config_list: list } = parseTextProto(
        text,
        MODEL_SERVER_CONFIG,
      ) as ModelServerConfig;
      return (list?.config ?? []).map(
        ({ name, base_path: dir, model_version_policy, version_labels }) => {
          if (!name || !dir)
            throw new SyntaxError('model_config_list.config: needs a name and a base_path');
          return {
            name,
            dir,
            versionPolicy: policyOf(model_version_policy),
            labels: version_labels,
          };
        },
      );
    } catch (error) {
      throw new ModelLoadError(`${path}: ${(error as Error).message}`, { cause: error });
    }
  });
}
