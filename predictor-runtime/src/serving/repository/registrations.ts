/**
 * Models that the management API added, each by one or more registrations of its versions. What a registration fails at
 * leaves nothing. Source of the rules: TorchServe, Management API.
 */
import { rm } from 'node:fs/promises';
import { InferenceError, invalid } from '../../protocol/errors.ts';
import { parseVersion } from '../../protocol/versions.ts';
import type { ModelManager } from '../manager.ts';
import type { Aspiration } from './aspired-versions.ts';
import type { ModelEntry, ModelList } from './model-list.ts';
import type { RegistrationSettings } from './registration-settings.ts';

/**
 * Brings the model of a storage URI here. A folder that was made for it is removed with it.
 * @throws InferenceError.
 */
export type FetchModel = (
  uri: string,
) => Promise<{ readonly dir: string; readonly isOwn: boolean }>;

/** Parts that registrations work with. */
export interface RegistrationsOptions {
  readonly manager: ModelManager;
  readonly models: ModelList;
  readonly fetch: FetchModel;
  /** Reads the versions that are wanted of a folder. @throws Error with the reason. */
  read(entry: ModelEntry): Promise<Aspiration>;
}

/** A wish for a model. */
export interface RegistrationRequest {
  readonly name: string;
  /** Folder of the repository, or a storage URI that is allowed; either may end with the number of a version. */
  readonly url: string;
  readonly settings: RegistrationSettings;
  /** Executors of each version that belong to it; as many as its folder says if not given. */
  readonly workers?: number;
}

/** One registration: a folder, or a file, and the versions that came from it. */
interface Registration {
  readonly entry: ModelEntry;
  readonly versions: readonly number[];
  /** True when the folder was made for the registration, so that it goes with it. */
  readonly isOwn: boolean;
}

/** Adds versions to models, takes them away, and remembers where they came from. */
export class Registrations {
  readonly #options: RegistrationsOptions;
  readonly #byModel = new Map<string, readonly Registration[]>();

  constructor(options: RegistrationsOptions) {
    this.#options = options;
  }

  /** Lists the folders of a model, in the order of their registrations. */
  entriesOf(name: string): ModelEntry[] {
    return this.#of(name).map(({ entry }) => entry);
  }

  /**
   * Adds the versions of a folder to a model, and loads them. A model that serves goes on with its default version until
   * another is set.
   * @returns the versions
   * @throws InferenceError CONFLICT when a version is there; INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED.
   */
  async register(request: RegistrationRequest): Promise<readonly number[]> {
    const { name, url, settings, workers } = request;
    const { models, fetch } = this.#options;
    if (!/^[\w][\w.-]*$/.test(name)) throw invalid(`model_name: '${name}' is no name for a model`);
    const listed = listedAt(url, await models.refresh());
    const { dir, isOwn } = listed === undefined ? await fetch(url) : { ...listed, isOwn: false };
    const entry = { ...listed, name, dir, url, settings, version: placeOf(url).version };
    try {
      const versions = await this.#load(entry, workers);
      this.#byModel.set(name, [...this.#of(name), { entry, versions, isOwn }]);
      return versions;
    } catch (error) {
      if (isOwn) await rm(dir, { recursive: true });
      throw error;
    }
  }

  async #load(entry: ModelEntry, workers: number | undefined): Promise<readonly number[]> {
    const { manager, read } = this.#options;
    const { name } = entry;
    const { versions, labels } = await read(entry).catch((error: Error) => {
      throw error instanceof InferenceError ? error : invalid(error.message);
    });
    if (versions.length === 0) {
      throw new InferenceError(
        'NOT_FOUND',
        `url: there is no version of a model at '${entry.url}'`,
      );
    }
    const added = versions.map(({ version }) => version);
    const mine = () => manager.servables(name).filter(({ version }) => added.includes(version));
    const taken = mine().find(({ aspired, phase }) => aspired && phase !== 'failed');
    if (taken !== undefined) {
      const text = `version ${taken.version} of model '${name}' is registered already: give another one a folder of its number, and name it at the end of the url`;
      throw new InferenceError('CONFLICT', text);
    }
    manager.forgetFailures(name);
    await manager.add(name, versions, labels);
    const failed = mine().find(({ error }) => error !== undefined);
    const reason = failed?.error ?? (await this.#scale(name, added, workers));
    if (reason === undefined) return added;
    await manager.withdraw(name, added);
    throw invalid(`failed to load '${name}': ${reason}`);
  }

  /** Starts the executors of versions. @returns why that failed; undefined when it did not */
  async #scale(
    name: string,
    versions: readonly number[],
    workers: number | undefined,
  ): Promise<string | undefined> {
    if (workers === undefined) return undefined;
    const { manager } = this.#options;
    try {
      for (const version of versions) {
        await manager.use(name, { version }, (model) => model.scale(workers));
      }
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /**
   * Unloads a version of a model, the default one if none is named, and forgets the model with its last version.
   * @throws InferenceError NOT_FOUND; PERMISSION_DENIED for the default version as long as there are others.
   */
  async unregister(name: string, version?: number): Promise<void> {
    const { manager } = this.#options;
    const versions = manager
      .servables(name)
      .filter(({ aspired }) => aspired)
      .map((servable) => servable.version);
    const standard = manager.defaultVersion(name) ?? versions.at(-1);
    if (standard === undefined) {
      throw new InferenceError('NOT_FOUND', `model '${name}' is not loaded`);
    }
    const target = version ?? standard;
    if (!versions.includes(target)) manager.get(name, { version: target });
    const others = versions.filter((other) => other !== target);
    if (target === standard && others.length > 0) {
      const text = `version ${target} of model '${name}' is its default, and it has others (${others.join(', ')}): set another default, or unregister those first`;
      throw new InferenceError('PERMISSION_DENIED', text);
    }
    await manager.withdraw(name, [target]);
    await this.#forget(name, others.length > 0 ? target : undefined);
  }

  /** Removes all folders that were made for registrations. */
  async close(): Promise<void> {
    for (const name of [...this.#byModel.keys()]) await this.#forget(name);
  }

  #of(name: string): readonly Registration[] {
    return this.#byModel.get(name) ?? [];
  }

  /** Forgets a version of a model, or the whole model, and the registrations of which nothing is left. */
  async #forget(name: string, version?: number): Promise<void> {
    const left: Registration[] = [];
    for (const registration of this.#of(name)) {
      const versions = registration.versions.filter(
        (other) => version !== undefined && other !== version,
      );
      if (versions.length > 0) left.push({ ...registration, versions });
      else if (registration.isOwn) await rm(registration.entry.dir, { recursive: true });
    }
    if (left.length > 0) this.#byModel.set(name, left);
    else this.#byModel.delete(name);
  }
}

/** Splits a URL that ends with the folder of a version: `FOLDER/2`. */
function placeOf(url: string): { folder: string; version?: number } {
  const [, folder = url, digits = ''] = /^(.+)\/(\d+)\/?$/.exec(url) ?? [];
  const version = parseVersion(digits);
  return version === undefined ? { folder: url } : { folder, version };
}

/** Finds the folder of the repository that a URL names, and of it the one version where it names that, too. */
function listedAt(url: string, listed: readonly ModelEntry[]): ModelEntry | undefined {
  const { folder, version } = placeOf(url);
  const found = listed.find(({ name }) => name === folder);
  if (found === undefined || version === undefined) return found;
  return { ...found, versionPolicy: { kind: 'specific', versions: [version] } };
}
