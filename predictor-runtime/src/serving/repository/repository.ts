/**
 * The source of versions: finds models and their versions, and tells the manager which ones are aspired. It does so at
 * start, by polling, or when asked (Triton's model control modes).
 */
import type { Logger } from '../../platform/log.ts';
import { InferenceError, invalid, ModelLoadError } from '../../protocol/errors.ts';
import type { ModelManager } from '../manager.ts';
import { type Aspiration, aspiredVersions, type LoaderOf, merged } from './aspired-versions.ts';
import { loadSteps } from './ensemble-steps.ts';
import type { ModelConfig } from './model-config.ts';
import { type IndexEntry, modelIndex } from './model-index.ts';
import type { ModelEntry, ModelList } from './model-list.ts';
import { OwnFolders } from './own-folders.ts';
import { type FetchModel, type RegistrationRequest, Registrations } from './registrations.ts';

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
  readonly fetch: FetchModel;
  readonly loader: LoaderOf;
}

/** Additions of a load request: a configuration, and files of the model by their paths. */
export interface LoadOverride {
  readonly config?: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

/**
 * Milliseconds that the parts of a start took, one after the other: from the process's own start until its models are
 * looked for, the download of what is not on this machine, and the load of the engine and the models.
 */
export interface StartTimes {
  readonly process: number;
  readonly download: number;
  readonly load: number;
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
  readonly #registrations: Registrations;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #startTimes: StartTimes | undefined;

  constructor(options: RepositoryOptions) {
    this.#options = options;
    const { manager, models, fetch } = options;
    const read = (entry: ModelEntry) => this.#read(entry);
    this.#registrations = new Registrations({ manager, models, fetch, read });
    if (options.required !== undefined) options.manager.expect(options.required);
  }

  /**
   * Loads what is to be loaded at start. A model that fails is told of by the manager and by `index`.
   * @throws ModelLoadError when the required model cannot serve; Error when a model to load is not in the repository.
   */
  async start(): Promise<void> {
    const { mode, loadAtStart } = this.#options;
    const begun = performance.now();
    const models = await this.#options.models.refresh();
    const wanted = (name: string) =>
      mode !== 'explicit' || loadAtStart.includes('*') || loadAtStart.includes(name);
    const missing = loadAtStart.find(
      (name) => name !== '*' && !models.some((m) => m.name === name),
    );
    if (missing !== undefined) throw new Error(`--load_model: there is no model '${missing}'`);
    await Promise.all(
      models.filter(({ name }) => wanted(name)).map((model) => this.#aspire([model])),
    );
    const download = this.#options.models.fetchMs ?? 0;
    const load = performance.now() - begun - download;
    this.#startTimes = { process: begun, download, load };
    if (mode === 'poll') this.#schedule();
    this.#mustServe();
  }

  /** Times that the start took; undefined until the models of the start have been loaded, or have failed. */
  get startTimes(): StartTimes | undefined {
    return this.#startTimes;
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
      for (const model of models) void this.#aspire([model]);
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
    await this.#registrations.close();
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
    const entries = await this.#find(name, override);
    manager.forgetFailures(name);
    await this.#aspire(entries, { config: override?.config });
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
   * Adds versions to a model, and loads them.
   * @returns the versions
   * @throws InferenceError UNAVAILABLE unless the mode is `explicit`; as `Registrations.register`.
   */
  async register(request: RegistrationRequest): Promise<readonly number[]> {
    this.#mustBeExplicit();
    return this.#registrations.register(request);
  }

  /**
   * Unloads a version of a model, the default one if none is named, and forgets the model with its last version.
   * @throws InferenceError UNAVAILABLE unless the mode is `explicit`; as `Registrations.unregister`.
   */
  async unregister(name: string, version?: number): Promise<void> {
    this.#mustBeExplicit();
    await this.#registrations.unregister(name, version);
    if (this.#options.manager.servables(name).length === 0) await this.#ownFolders.remove(name);
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
   * Finds the folders of the model, in the repository and registered, or makes a folder of the files that came along.
   * @throws InferenceError INVALID_ARGUMENT.
   */
  async #find(name: string, override: LoadOverride | undefined): Promise<ModelEntry[]> {
    if (override !== undefined && override.files.size > 0) {
      if (override.config === undefined) throw invalid("parameters: 'file:…' needs a 'config' too");
      return [{ name, dir: await this.#ownFolders.write(name, override.files) }];
    }
    const entries = this.#foldersOf(name, await this.#options.models.refresh());
    if (entries.length > 0) return entries;
    throw invalid(`failed to load '${name}': no such model in the repository`);
  }

  /** Lists the folders of a model: the registered ones, and the one of its name if it serves or is the only one. */
  #foldersOf(name: string, listed: readonly ModelEntry[]): ModelEntry[] {
    const registered = this.#registrations.entriesOf(name);
    const found = listed.find((model) => model.name === name);
    if (found === undefined) return registered;
    const serves = this.#options.manager.servables(name).some(({ source }) => source === found.dir);
    return registered.length === 0 || serves ? [found, ...registered] : registered;
  }

  /** Loads a model that an ensemble needs; nothing happens for one that is not there. */
  async #loadStep(name: string, ensembles: readonly string[]): Promise<void> {
    const entries = this.#foldersOf(name, await this.#options.models.list());
    if (entries.length === 0) return;
    this.#options.manager.forgetFailures(name);
    await this.#aspire(entries, { ensembles });
  }

  /** Aspires what the folders of one model say. */
  async #aspire(entries: readonly ModelEntry[], options: AspireOptions = {}): Promise<void> {
    const { manager, log } = this.#options;
    const name = entries[0]?.name ?? '';
    const aspirations: Aspiration[] = [];
    try {
      for (const entry of entries) aspirations.push(await this.#read(entry, options));
    } catch (error) {
      // An unreadable folder does not say that no version is wanted: the loaded ones stay.
      const reason = (error as Error).message;
      this.#unreadable.set(name, reason);
      log.error('model folder not read', { model: name, reason });
      return;
    }
    this.#unreadable.delete(name);
    const { versions, labels } = merged(aspirations);
    await manager.aspire(name, versions, labels);
  }

  async #read(
    entry: ModelEntry,
    { config, ensembles = [] }: AspireOptions = {},
  ): Promise<Aspiration> {
    const { defaults, loader, manager, mode } = this.#options;
    const isStart = this.#startTimes === undefined;
    const aspiration = await aspiredVersions(entry, { defaults, loader, config, isStart });
    if (mode === 'explicit') {
      const path = [...ensembles, entry.name];
      const load = (step: string) => this.#loadStep(step, path);
      await loadSteps(aspiration.config, path, { manager, unreadable: this.#unreadable, load });
    }
    return aspiration;
  }

  /**
   * Returns why some model that should serve does not; undefined when all do. A load by API that failed was told to its
   * caller: it is no reason to keep requests from the others.
   */
  notReadyReason(): string | undefined {
    const { manager, mode } = this.#options;
    if (this.#startTimes === undefined)
      return manager.anyNotReadyReason() ?? 'the models are being loaded';
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
