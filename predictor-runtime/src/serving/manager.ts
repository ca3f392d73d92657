/**
 * The manager brings what is loaded in line with what is aspired, one action a model at a time, and hands out loaded
 * versions. An unload waits for the requests under way; a version that fails to load leaves the others as they are.
 * Source of the terms and guarantees: TensorFlow Serving, architecture and core/.
 */

import type { Logger } from '../platform/log.ts';
import { Semaphore } from '../platform/semaphore.ts';
import { InferenceError } from '../protocol/errors.ts';
import type { VersionChoice } from '../protocol/versions.ts';
import type { Immediate } from './immediate.ts';
import { MemoryLedger } from './memory-ledger.ts';
import type { Model } from './model.ts';
import { ModelVersions } from './model-versions.ts';
import { whyNotReady } from './readiness.ts';
import type { AspiredVersion, Servable } from './servable.ts';
import { nextAction, type TransitionPolicy } from './transition.ts';

/** Settings of a manager. */
export interface ManagerOptions {
  readonly transition: TransitionPolicy;
  /** Memory that all models together may take, in bytes; 0 is no limit. */
  readonly memoryBytes: number;
  /** Number of models that may be loaded at a time. */
  readonly parallelLoads: number;
  readonly log: Logger;
}

/** Hears of what happens to versions as it happens. */
export interface ManagerListener {
  /** Hears that a version serves. */
  loaded?(servable: Servable): void;
  /** Hears that a version has gone. */
  unloaded?(servable: Servable): void;
  /** Hears that a model has become what was aspired, as far as it could. */
  settled?(): void;
}

/** Loads and unloads versions, and lends those that are loaded. */
export class ModelManager {
  readonly #options: ManagerOptions;
  readonly #models = new Map<string, ModelVersions>();
  readonly #memory: MemoryLedger;
  readonly #loads: Semaphore;
  readonly #listeners: ManagerListener[] = [];
  #lastId = 0;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#memory = new MemoryLedger(options.memoryBytes);
    this.#loads = new Semaphore(options.parallelLoads);
  }

  /** Tells the listener of everything from now on, after those that were added before. */
  addListener(listener: ManagerListener): void {
    this.#listeners.push(listener);
  }

  /** Says that a model will be aspired: until then it is loading, and not unknown. */
  expect(name: string): void {
    if (!this.#models.has(name)) this.#newModel(name).isExpected = true;
  }

  /** True for a model that was said to come, and of which nothing is known yet. */
  isExpected(name: string): boolean {
    return this.#models.get(name)?.isExpected === true;
  }

  /**
   * Replaces the list of all versions wanted of a model. Versions that are not in it go.
   * @returns when everything is done: loaded, failed or unloaded
   */
  aspire(
    name: string,
    wanted: readonly AspiredVersion[],
    labels: Readonly<Record<string, number>> = {},
  ): Promise<void> {
    const versions = this.#models.get(name) ?? this.#newModel(name);
    versions.aspire(wanted, labels, () => this.#lastId++);
    if (!versions.isSettling) {
      versions.isSettling = true;
      versions.settled = this.#reconcile(versions);
    }
    return versions.settled;
  }

  /**
   * Adds versions to those wanted of a model. The one that requests go to now stays the default.
   * @returns when everything is done: loaded or failed
   */
  add(
    name: string,
    added: readonly AspiredVersion[],
    labels: Readonly<Record<string, number>>,
  ): Promise<void> {
    const versions = this.#models.get(name) ?? this.#newModel(name);
    const current = versions.find({})?.version;
    if (current !== undefined) versions.setDefault(current);
    const kept = versions.sorted.filter(({ aspired }) => aspired);
    return this.aspire(name, [...kept, ...added], { ...versions.labels, ...labels });
  }

  /** Unloads versions, and forgets the model when none is left. */
  async withdraw(name: string, withdrawn: readonly number[]): Promise<void> {
    const kept = this.servables(name).filter(
      ({ aspired, version }) => aspired && !withdrawn.includes(version),
    );
    await this.aspire(name, kept, this.labels(name));
    if (this.servables(name).length === 0) this.#models.delete(name);
  }

  /** Makes a version that failed be tried again at the next `aspire`. */
  forgetFailures(name: string): void {
    this.#models.get(name)?.remove(({ phase }) => phase === 'failed');
  }

  /** Lists all models that are or were aspired. */
  names(): string[] {
    return [...this.#models.keys()];
  }

  /** Lists the versions of a model in ascending order; none for an unknown one. */
  servables(name: string): readonly Servable[] {
    return this.#models.get(name)?.sorted ?? [];
  }

  /** Returns the versions of a model by their labels. */
  labels(name: string): Readonly<Record<string, number>> {
    return this.#models.get(name)?.labels ?? {};
  }

  /** Returns the version that requests without one go to; undefined when none is available. */
  defaultVersion(name: string): number | undefined {
    return this.#models.get(name)?.find({})?.version;
  }

  /**
   * Makes a version the one that requests without a version go to.
   * @throws InferenceError NOT_FOUND, MODEL_NOT_READY.
   */
  setDefaultVersion(name: string, version: number): void {
    const versions = this.#versionsOf(name);
    versions.choose({ version });
    versions.setDefault(version);
  }

  /**
   * Lends a loaded version for as long as `use` takes, so that it is not unloaded meanwhile. A value that `use` returns
   * at once is returned at once.
   * @throws InferenceError NOT_FOUND, MODEL_NOT_READY; what `use` throws.
   */
  use<T>(
    name: string,
    choice: VersionChoice,
    use: (model: Model, version: number) => Immediate<T>,
  ): Immediate<T> {
    const servable = this.#versionsOf(name).choose(choice);
    const giveBack = () => {
      servable.inFlight--;
      if (servable.inFlight === 0) servable.onIdle?.();
    };
    servable.inFlight++;
    let result: Immediate<T> | undefined;
    try {
      result = use(servable.model as Model, servable.version);
      return result instanceof Promise ? result.finally(giveBack) : result;
    } finally {
      if (!(result instanceof Promise)) giveBack();
    }
  }

  /** Returns a loaded version, to look at and not to run. @throws InferenceError NOT_FOUND, MODEL_NOT_READY. */
  get(name: string, choice: VersionChoice = {}): { model: Model; version: number } {
    const { model, version } = this.#versionsOf(name).choose(choice);
    return { model: model as Model, version };
  }

  /** Waits until nothing is left to do for a model; for one that is unknown, not at all. */
  async settled(name: string): Promise<void> {
    await this.#models.get(name)?.settled;
  }

  /** Returns why a version cannot serve; undefined when it can. @throws InferenceError NOT_FOUND. */
  notReadyReason(name: string, choice: VersionChoice = {}): string | undefined {
    return whyNotReady(this.#versionsOf(name), choice, { models: this.#models });
  }

  /**
   * Returns why some aspired model cannot serve at all; undefined when all can.
   * @param ignoreFailed true to pass over versions that could not be loaded
   */
  anyNotReadyReason(ignoreFailed = false): string | undefined {
    for (const [name, { servables, isExpected }] of this.#models) {
      const counts = ({ aspired, phase }: Servable) =>
        aspired && !(ignoreFailed && phase === 'failed');
      if (!isExpected && !servables.some(counts)) continue;
      const reason = this.notReadyReason(name);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** Unloads everything, after the requests under way. */
  async close(): Promise<void> {
    await Promise.all(this.names().map((name) => this.aspire(name, [])));
  }

  #newModel(name: string): ModelVersions {
    const versions = new ModelVersions(name);
    this.#models.set(name, versions);
    return versions;
  }

  /** Finds the versions of a model. @throws InferenceError NOT_FOUND. */
  #versionsOf(name: string): ModelVersions {
    const versions = this.#models.get(name);
    if (versions !== undefined) return versions;
    const known = this.names().join(', ') || 'none';
    throw new InferenceError('NOT_FOUND', `model '${name}' is not found; this server has ${known}`);
  }

  /** Does one action after the other, until none is left; a change of what is aspired meanwhile is seen. */
  async #reconcile(versions: ModelVersions): Promise<void> {
    const unloads = new Set<Promise<void>>();
    for (;;) {
      versions.remove(({ aspired, phase }) => !aspired && (phase === 'new' || phase === 'failed'));
      const action = nextAction(versions.servables, this.#options.transition);
      if (action === undefined && unloads.size === 0) {
        // Nothing may be awaited before this: versions aspired from now on need a new reconcile.
        versions.isSettling = false;
        for (const listener of this.#listeners) listener.settled?.();
        return;
      }
      if (action === undefined) {
        await Promise.race(unloads);
        continue;
      }
      this.#options.log.debug('model transition', { model: versions.name, ...action });
      const servable = versions.servables.find(({ id }) => id === action.id) as Servable;
      if (action.kind === 'load') {
        servable.phase = 'loading';
        await this.#loads.run(() => this.#load(versions, servable));
      } else {
        const unload = this.#unload(versions, servable).finally(() => unloads.delete(unload));
        unloads.add(unload);
      }
    }
  }

  async #load(versions: ModelVersions, servable: Servable): Promise<void> {
    const { name, version, loader, id } = servable;
    const { log } = this.#options;
    const started = performance.now();
    try {
      servable.expectedBytes = await loader.estimate();
      this.#memory.reserve(id, servable.expectedBytes);
      servable.model = await loader.load();
      this.#memory.measured(id, servable.model.memoryUsage());
      servable.loadSeconds = (performance.now() - started) / 1000;
      servable.phase = 'available';
      versions.changed();
      for (const listener of this.#listeners) listener.loaded?.(servable);
      log.info('model loaded', { model: name, version, seconds: servable.loadSeconds });
    } catch (error) {
      this.#memory.release(id);
      servable.phase = 'failed';
      servable.error = (error as Error).message;
      log.error('model not loaded', { model: name, version, reason: servable.error });
    }
  }

  async #unload(versions: ModelVersions, servable: Servable): Promise<void> {
    const { id, name, version } = servable;
    const { log } = this.#options;
    servable.phase = 'unloading';
    versions.changed();
    if (servable.inFlight > 0) {
      await new Promise<void>((resolve) => {
        servable.onIdle = resolve;
      });
    }
    await servable.model?.close().catch((error: Error) => {
      log.error('model not closed', { model: name, version, error: error.stack });
    });
    servable.model = undefined;
    this.#memory.release(id);
    versions.remove((other) => other.id === id);
    for (const listener of this.#listeners) listener.unloaded?.(servable);
    log.info('model unloaded', { model: name, version });
  }
}
