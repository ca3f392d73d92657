/**
 * The source of versions: finds models and their versions, and tells the manager which ones are aspired. It does so at
 * start, by polling, or when asked (Triton's model control modes).
 */
import type { Logger } from '../../platform/log.ts';
import { InferenceError, invalid, ModelLoadError } from '../../protocol/errors.ts';
import type { ModelManager } from '../manager.ts';
import type { Loader } from '../model.ts';
import { loadSteps } from './ensemble-steps.ts';
import type { ModelConfig } from './model-config.ts';
import { type ModelFolder, readModelFolder } from './model-folder.ts';
import { type IndexEntry, modelIndex } from './model-index.ts';
import type { ModelEntry, ModelList } from './model-list.ts';
import { OwnFolders } from './own-folders.ts';
import { parseTritonJson } from './triton-config.ts';
import { selectVersions } from './version-policy.ts';

/** Occasion to look for versions: the start, an interval, or a caller's wish. Source: Triton, model control modes. */
export type ControlMode = 'none' | 'poll' | 'explicit';

/** Settings of a repository, and the parts that it works with. */
export interface RepositoryOptions {
  readonly models: ModelList;
  readonly mode: ControlMode;
  /** Time between two looks at the files in mode `poll`, in ms. */
  readonly pollMs: number;
  /** Models to be loaded at start in mode `explicit`; `*` is all. */
  readonly loadAtStart: readonly string[];
  /** Name of the one model without which the server has no reason to live; undefined when it can do without any. */
  readonly required?: string;
  readonly defaults: ModelConfig;
  readonly manager: ModelManager;
  readonly log: Logger;
  /**
   * Brings the model of a storage URI here. The repository removes a folder that was made for it.
   * @throws InferenceError.
   */
  fetch(uri: string): Promise<{ readonly dir: string; readonly isOwn: boolean }>;
  /** Makes the loader of a version. */
  loader(version: { name: string; modelDir: string; dir: string; config: ModelConfig }): Loader;
}

/** Additions of a load request: a configuration, and files of the model by their paths. */
export interface LoadOverride {
  readonly config?: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

/** Circumstances of a load that its folder does not say. */
interface AspireOptions {
  /** Configuration that came along, in JSON. */
  readonly config?: string;
  /** Ensembles that are being loaded and need the model. */
  readonly ensembles?: readonly string[];
}

/** Finds models and their versions, and tells the manager which ones are aspired. */
export class ModelRepository {
  readonly #options: RepositoryOptions;
  /** Models whose folder could not be read: name → why. */
  readonly #unreadable = new Map<string, string>();
  readonly #ownFolders = new OwnFolders();
  /** Models that the management API added. */
  readonly #registered = new Map<string, ModelEntry>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** True when the models of the start have been looked at. */
  #isStarted = false;

  constructor(options: RepositoryOptions) {
    this.#options = options;
    if (options.required !== undefined) options.manager.expect(options.required);
  }

  /**
   * Loads what is to be loaded at start. A model that fails is told of by the manager and by `index`.
   * @throws ModelLoadError when the required model cannot serve; Error when a model to load is not in the repository.
   */
  async start(): Promise<void> {
    const { mode, loadAtStart } = this.#options;
    const models = await this.#options.models.refresh();
    const wanted = (name: string) =>
      mode !== 'explicit' || loadAtStart.includes('*') || loadAtStart.includes(name);
    const missing = loadAtStart.find(
      (name) => name !== '*' && !models.some((m) => m.name === name),
    );
    if (missing !== undefined) throw new Error(`--load_model: there is no model '${missing}'`);
    await Promise.all(
      models.filter(({ name }) => wanted(name)).map((model) => this.#aspire(model)),
    );
    this.#isStarted = true;
    if (mode === 'poll') this.#schedule();
    this.#mustServe();
  }

  #mustServe(): void {
    const { required: name, manager } = this.#options;
    if (name === undefined || manager.defaultVersion(name) !== undefined) return;
    const failed = manager.servables(name).findLast(({ phase }) => phase === 'failed');
    const reason = this.#unreadable.get(name) ?? failed?.error;
    if (reason !== undefined) throw new ModelLoadError(reason);
  }

  /** Reads the files anew, and aspires what they say. A failure is logged and changes nothing. */
  async poll(): Promise<void> {
    const { manager, log } = this.#options;
    try {
      const models = await this.#options.models.refresh();
      const gone = manager.names().filter((name) => !models.some((model) => model.name === name));
      // A slow load or unload must not keep the next look at the files.
      for (const name of gone) void manager.aspire(name, []);
      for (const name of this.#unreadable.keys()) {
        if (!models.some((model) => model.name === name)) this.#unreadable.delete(name);
      }
      for (const model of models) void this.#aspire(model);
    } catch (error) {
      // A store that cannot be read says nothing of its models: those that serve go on.
      log.warn('model repository not read', { reason: (error as Error).message });
    }
  }

  /** Stops polling and removes what load requests brought. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#ownFolders.close();
  }

  /** Lists every model that is known, each loaded version by itself; nothing is fetched for it. */
  async index(): Promise<IndexEntry[]> {
    const listed = await this.#options.models.list().catch(() => []);
    return modelIndex({
      manager: this.#options.manager,
      listed: listed.map(({ name }) => name),
      unreadable: this.#unreadable,
    });
  }

  /**
   * Loads a model, or loads it anew beside the one that serves, and resolves when that is done.
   * @throws InferenceError UNAVAILABLE unless the mode is `explicit`; INVALID_ARGUMENT with the reason when it fails.
   */
  async load(name: string, override?: LoadOverride): Promise<void> {
    this.#mustBeExplicit();
    const { manager } = this.#options;
    const entry = await this.#find(name, override);
    manager.forgetFailures(name);
    await this.#aspire(entry, { config: override?.config });
    const failed = manager.servables(name).findLast(({ aspired, error }) => aspired && error);
    const reason = this.#unreadable.get(name) ?? failed?.error;
    if (reason !== undefined) throw invalid(`failed to load '${name}': ${reason}`);
  }

  /**
   * Unloads a model after its requests under way.
   * @throws InferenceError UNAVAILABLE unless the mode is `explicit`; NOT_FOUND.
   */
  async unload(name: string, { dependents = false } = {}): Promise<void> {
    this.#mustBeExplicit();
    const { manager } = this.#options;
    if (!manager.names().includes(name)) {
      throw new InferenceError('NOT_FOUND', `model '${name}' is not loaded`);
    }
    const models = dependents ? [name, ...this.#stepsOf(name)] : [name];
    await Promise.all(models.map((model) => manager.aspire(model, [])));
  }

  /**
   * Adds a model by the name of a folder in the repository, or from a storage URI that is allowed, and loads it.
   * @throws InferenceError CONFLICT when there is one of that name; INVALID_ARGUMENT, PERMISSION_DENIED, UNAVAILABLE.
   */
  async register(name: string, url: string): Promise<void> {
    this.#mustBeExplicit();
    const { manager, fetch } = this.#options;
    if (!/^[\w][\w.-]*$/.test(name)) throw invalid(`model_name: '${name}' is no name for a model`);
    if (manager.servables(name).some(({ phase }) => phase !== 'failed')) {
      throw new InferenceError('CONFLICT', `model '${name}' is registered already`);
    }
    const listed = (await this.#options.models.refresh()).find((model) => model.name === url);
    const found = listed ?? (await fetch(url));
    const { dir } = found;
    if ('isOwn' in found && found.isOwn) await this.#ownFolders.keep(name, dir);
    this.#registered.set(name, { ...listed, name, dir });
    await this.load(name);
  }

  /**
   * Unloads a model or one of its versions.
   * @throws InferenceError UNAVAILABLE unless the mode is `explicit`; NOT_FOUND; CONFLICT for the default version.
   */
  async unregister(name: string, version?: number): Promise<void> {
    if (version === undefined) {
      await this.unload(name);
      this.#registered.delete(name);
      this.#options.manager.forget(name);
      await this.#ownFolders.remove(name);
      return;
    }
    this.#mustBeExplicit();
    await this.#options.manager.withdraw(name, version);
  }

  #mustBeExplicit(): void {
    const { mode } = this.#options;
    if (mode === 'explicit') return;
    throw new InferenceError(
      'UNAVAILABLE',
      `explicit model load / unload is not allowed in model control mode '${mode}': start the server with --model_control_mode=explicit`,
    );
  }

  #stepsOf(name: string): string[] {
    const { manager } = this.#options;
    const [servable] = manager.servables(name);
    return servable?.model?.config.ensemble?.map(({ model }) => model) ?? [];
  }

  /**
   * Finds the model in the repository, or makes a folder of the files that came along.
   * @throws InferenceError INVALID_ARGUMENT.
   */
  async #find(name: string, override: LoadOverride | undefined): Promise<ModelEntry> {
    if (override !== undefined && override.files.size > 0) {
      if (override.config === undefined) throw invalid("parameters: 'file:…' needs a 'config' too");
      return { name, dir: await this.#ownFolders.write(name, override.files) };
    }
    const listed = await this.#options.models.refresh();
    const found = this.#registered.get(name) ?? listed.find((model) => model.name === name);
    if (found === undefined) {
      throw invalid(`failed to load '${name}': no such model in the repository`);
    }
    return found;
  }

  async #loadStep(name: string, ensembles: readonly string[]): Promise<void> {
    const listed = await this.#options.models.list();
    const entry = this.#registered.get(name) ?? listed.find((model) => model.name === name);
    if (entry === undefined) return;
    this.#options.manager.forgetFailures(name);
    await this.#aspire(entry, { ensembles });
  }

  async #aspire(entry: ModelEntry, { config, ensembles = [] }: AspireOptions = {}): Promise<void> {
    const { manager, defaults, log, mode } = this.#options;
    const { name, dir } = entry;
    let folder: ModelFolder;
    try {
      folder = await readModelFolder(name, dir, defaults);
      if (config !== undefined) {
        folder = { ...folder, config: parseTritonJson(config, folder.config) };
      }
      if (mode === 'explicit') {
        const path = [...ensembles, name];
        const load = (step: string) => this.#loadStep(step, path);
        await loadSteps(folder.config, path, { manager, unreadable: this.#unreadable, load });
      }
    } catch (error) {
      // An unreadable folder does not say that no version is wanted: the loaded ones stay.
      const reason = (error as Error).message;
      this.#unreadable.set(name, reason);
      log.error('model folder not read', { model: name, reason });
      return;
    }
    this.#unreadable.delete(name);
    const available = new Map(folder.versions.map((version) => [version.version, version]));
    const policy = entry.versionPolicy ?? folder.config.versionPolicy;
    const wanted = selectVersions([...available.keys()], policy);
    const versions = wanted.map((version) => {
      const { dir: versionDir, fingerprint } = available.get(
        version,
      ) as (typeof folder.versions)[0];
      const loader = this.#options.loader({
        name,
        modelDir: dir,
        dir: versionDir,
        config: folder.config,
      });
      return { version, fingerprint: `${fingerprint}${config ?? ''}`, loader };
    });
    await manager.aspire(name, versions, entry.labels ?? folder.config.labels);
  }

  /**
   * Returns why some model that should serve does not; undefined when all do. A load by API that failed was told to its
   * caller: it is no reason to keep requests from the others.
   */
  notReadyReason(): string | undefined {
    const { manager, mode } = this.#options;
    if (!this.#isStarted) return manager.anyNotReadyReason() ?? 'the models are being loaded';
    if (mode === 'explicit') return manager.anyNotReadyReason(true);
    const [unreadable] = this.#unreadable.values();
    return unreadable ?? manager.anyNotReadyReason();
  }

  #schedule(): void {
    this.#timer = setTimeout(async () => {
      await this.poll();
      if (!this.#closed) this.#schedule();
    }, this.#options.pollMs);
    this.#timer.unref();
  }
}
