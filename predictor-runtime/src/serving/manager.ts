/**
 * The manager: brings what is loaded in line with what is aspired, one action a model at a time, and hands out loaded
 * versions. An unload waits for the requests under way; a version that fails to load leaves the others as they are.
 * Source of the terms and guarantees: TensorFlow Serving, architecture and core/.
 */
import { InferenceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { MemoryLedger } from './memory-ledger.ts';
import type { Loader, Model } from './model.ts';
import { nextAction, type TransitionPolicy, type VersionState } from './transition.ts';

/** A version that a source wants to be loaded. */
export interface AspiredVersion {
  readonly version: number;
  /** Of its files: another one means that the version is to be loaded anew. */
  readonly fingerprint: string;
  readonly loader: Loader;
}

/** Where a caller wants a request to go; neither is the model's default version. */
export interface VersionChoice {
  readonly version?: number;
  readonly label?: string;
}

/** One version of a model and where it is in its life. */
export interface Servable extends VersionState {
  readonly name: string;
  readonly fingerprint: string;
  readonly loader: Loader;
  aspired: boolean;
  phase: VersionState['phase'];
  /** Why it could not be loaded. */
  error?: string;
  model?: Model;
  inFlight: number;
  /** How long loading took, in s. */
  loadSeconds?: number;
  /** Wakes an unload that waits for requests. */
  onIdle?: () => void;
}

interface Stream {
  readonly servables: Servable[];
  labels: Readonly<Record<string, number>>;
  /** Nothing is known of its versions yet. */
  expected?: boolean;
  defaultVersion?: number;
  /** Choice → what it means now; emptied with every change. */
  readonly chosen: Map<string | number, Servable>;
  /** Settles when there is nothing left to do. */
  settling?: Promise<void>;
}

export interface ManagerOptions {
  readonly transition: TransitionPolicy;
  /** Memory that all models together may take, in bytes; 0 is no limit. */
  readonly memoryBytes: number;
  /** Models that may be loaded at a time. */
  readonly parallelLoads: number;
  readonly log: Logger;
}

export class ModelManager {
  /** Called when a version serves, and when it has gone. */
  onLoaded: (servable: Servable) => void = () => undefined;
  onUnloaded: (servable: Servable) => void = () => undefined;
  readonly #options: ManagerOptions;
  readonly #streams = new Map<string, Stream>();
  readonly #memory: MemoryLedger;
  #loading = 0;
  readonly #waitingToLoad: (() => void)[] = [];
  #nextId = 0;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#memory = new MemoryLedger(options.memoryBytes);
  }

  /** Says that a model will be aspired: until then it is loading, and not unknown. */
  expect(name: string): void {
    if (!this.#streams.has(name))
      this.#streams.set(name, { servables: [], labels: {}, expected: true, chosen: new Map() });
  }

  /**
   * The complete list of the versions wanted of a model: it supersedes the one before. Those that are not in it go.
   * @returns when all of it is done: loaded, failed or unloaded
   */
  aspire(
    name: string,
    versions: readonly AspiredVersion[],
    labels: Readonly<Record<string, number>> = {},
  ): Promise<void> {
    const stream: Stream = this.#streams.get(name) ?? {
      servables: [],
      labels,
      chosen: new Map(),
    };
    this.#streams.set(name, stream);
    stream.labels = labels;
    stream.expected = false;
    stream.chosen.clear();
    for (const servable of stream.servables) {
      servable.aspired = versions.some((wanted) => isSame(servable, wanted));
    }
    for (const wanted of versions) {
      const known = stream.servables.find((servable) => isSame(servable, wanted));
      if (known !== undefined) continue;
      const id = this.#nextId++;
      stream.servables.push({ ...wanted, id, name, aspired: true, phase: 'new', inFlight: 0 });
    }
    return this.#settle(name, stream);
  }

  /**
   * Lets one version go.
   * @throws InferenceError NOT_FOUND; CONFLICT when it is the default one and others are there
   */
  async withdraw(name: string, version: number): Promise<void> {
    this.#available(name, { version });
    const others = this.servables(name).filter((servable) => servable.version !== version);
    if (others.length > 0 && this.defaultVersion(name) === version) {
      const text = `version ${version} of model '${name}' is the default one: set another first`;
      throw new InferenceError('CONFLICT', text);
    }
    await this.aspire(name, others, this.labels(name));
  }

  /** Makes a version that failed be tried again at the next `aspire`. */
  forgetFailures(name: string): void {
    const stream = this.#streams.get(name);
    if (stream === undefined) return;
    remove(stream, ({ phase }) => phase === 'failed');
  }

  /** All models that are or were aspired. */
  names(): string[] {
    return [...this.#streams.keys()];
  }

  /** The versions of a model in ascending order; empty for an unknown one. */
  servables(name: string): readonly Servable[] {
    const servables = this.#streams.get(name)?.servables ?? [];
    return [...servables].sort((a, b) => a.version - b.version || a.id - b.id);
  }

  /** Label → version. */
  labels(name: string): Readonly<Record<string, number>> {
    return this.#streams.get(name)?.labels ?? {};
  }

  /** The version that requests without one go to; undefined when none is available. */
  defaultVersion(name: string): number | undefined {
    return this.#choose(name, {})?.version;
  }

  /** @throws InferenceError NOT_FOUND when the version is not available. */
  setDefaultVersion(name: string, version: number): void {
    this.#available(name, { version });
    const stream = this.#streams.get(name) as Stream;
    stream.defaultVersion = version;
    stream.chosen.clear();
  }

  /**
   * Lends a loaded version for as long as `use` takes: until then it is not unloaded.
   * @throws InferenceError NOT_FOUND, MODEL_NOT_READY; what `use` throws.
   */
  async use<T>(
    name: string,
    choice: VersionChoice,
    use: (model: Model, version: number) => Promise<T>,
  ): Promise<T> {
    const servable = this.#available(name, choice);
    servable.inFlight++;
    try {
      return await use(servable.model as Model, servable.version);
    } finally {
      servable.inFlight--;
      if (servable.inFlight === 0) servable.onIdle?.();
    }
  }

  /** A loaded version, to look at. @throws InferenceError NOT_FOUND, MODEL_NOT_READY. */
  get(name: string, choice: VersionChoice = {}): { model: Model; version: number } {
    const { model, version } = this.#available(name, choice);
    return { model: model as Model, version };
  }

  /** Undefined when the version can serve, otherwise why not. @throws InferenceError NOT_FOUND. */
  notReadyReason(name: string, choice: VersionChoice = {}): string | undefined {
    try {
      const { model } = this.#available(name, choice);
      const steps = model?.config.ensemble ?? [];
      for (const { model: step, version } of steps) {
        const reason = this.#streams.has(step)
          ? this.notReadyReason(step, { version })
          : `model '${step}' is not loaded`;
        if (reason !== undefined) return `model '${name}' needs another: ${reason}`;
      }
      return undefined;
    } catch (error) {
      if (error instanceof InferenceError && error.code === 'MODEL_NOT_READY') return error.message;
      throw error;
    }
  }

  /** Why some aspired model cannot serve at all, or undefined. */
  anyNotReadyReason(): string | undefined {
    for (const [name, { servables, expected }] of this.#streams) {
      if (!expected && !servables.some(({ aspired }) => aspired)) continue;
      const reason = this.notReadyReason(name);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** Unloads everything, after the requests under way. */
  async close(): Promise<void> {
    await Promise.all(this.names().map((name) => this.aspire(name, [])));
  }

  #choose(name: string, choice: VersionChoice): Servable | undefined {
    const stream = this.#streams.get(name);
    const key = choice.label ?? choice.version ?? '';
    const known = stream?.chosen.get(key);
    if (known !== undefined) return known;
    const found = this.#find(name, choice);
    if (found !== undefined) stream?.chosen.set(key, found);
    return found;
  }

  #find(name: string, { version, label }: VersionChoice): Servable | undefined {
    const stream = this.#streams.get(name);
    const wanted = label === undefined ? version : stream?.labels[label];
    const available = this.servables(name).filter(({ phase }) => phase === 'available');
    if (wanted !== undefined) return available.findLast((servable) => servable.version === wanted);
    const preferred = available.findLast((servable) => servable.version === stream?.defaultVersion);
    // A version that nobody wants any more serves only until a wanted one does.
    return preferred ?? available.findLast(({ aspired }) => aspired) ?? available.at(-1);
  }

  #available(name: string, choice: VersionChoice): Servable {
    const stream = this.#streams.get(name);
    if (stream === undefined) {
      const known = this.names().join(', ') || 'none';
      throw new InferenceError(
        'NOT_FOUND',
        `model '${name}' is not found; this server has ${known}`,
      );
    }
    const { version, label } = choice;
    if (label !== undefined && stream.labels[label] === undefined) {
      const known = Object.keys(stream.labels).join(', ') || 'none';
      const text = `model '${name}' has no label '${label}'; it has ${known}`;
      throw new InferenceError('NOT_FOUND', text);
    }
    const servable = this.#choose(name, choice);
    if (servable !== undefined) return servable;
    const wanted = label === undefined ? version : stream.labels[label];
    const others = this.servables(name);
    const failing = others.findLast((other) => wanted === undefined || other.version === wanted);
    if (wanted !== undefined && failing === undefined && !stream.expected) {
      const known = others.map((other) => other.version).join(', ') || 'none';
      const text = `model '${name}' has no version ${wanted}; it has ${known}`;
      throw new InferenceError('NOT_FOUND', text);
    }
    throw new InferenceError(
      'MODEL_NOT_READY',
      stream.expected ? `model '${name}' is loading` : whyNot(name, failing),
    );
  }

  #settle(name: string, stream: Stream): Promise<void> {
    stream.settling ??= this.#reconcile(name, stream).finally(() => {
      stream.settling = undefined;
    });
    return stream.settling;
  }

  /** One action after the other, until none is left; a change of what is aspired meanwhile is seen. */
  async #reconcile(name: string, stream: Stream): Promise<void> {
    const unloads = new Set<Promise<void>>();
    for (;;) {
      remove(stream, ({ aspired, phase }) => !aspired && (phase === 'new' || phase === 'failed'));
      const action = nextAction(stream.servables, this.#options.transition);
      if (action === undefined) {
        if (unloads.size === 0) return;
        await Promise.race(unloads);
        continue;
      }
      this.#options.log.debug('model transition', { model: name, ...action });
      const servable = stream.servables.find(({ id }) => id === action.id) as Servable;
      if (action.kind === 'load') {
        await this.#load(servable);
      } else {
        const unload = this.#unload(stream, servable).finally(() => unloads.delete(unload));
        unloads.add(unload);
      }
    }
  }

  async #load(servable: Servable): Promise<void> {
    const { name, version, loader, id } = servable;
    const { log } = this.#options;
    servable.phase = 'loading';
    await this.#turnToLoad();
    const started = performance.now();
    try {
      this.#memory.reserve(id, await loader.estimate());
      servable.model = await loader.load();
      this.#memory.measured(id, servable.model.memoryUsage());
      servable.loadSeconds = (performance.now() - started) / 1000;
      servable.phase = 'available';
      this.#streams.get(name)?.chosen.clear();
      this.onLoaded(servable);
      log.info('model loaded', { model: name, version, seconds: servable.loadSeconds });
    } catch (error) {
      this.#memory.release(id);
      servable.phase = 'failed';
      servable.error = (error as Error).message;
      log.error('model not loaded', { model: name, version, reason: servable.error });
    } finally {
      this.#loading--;
      this.#waitingToLoad.shift()?.();
    }
  }

  async #turnToLoad(): Promise<void> {
    while (this.#loading >= this.#options.parallelLoads) {
      await new Promise<void>((resolve) => this.#waitingToLoad.push(resolve));
    }
    this.#loading++;
  }

  async #unload(stream: Stream, servable: Servable): Promise<void> {
    servable.phase = 'unloading';
    stream.chosen.clear();
    if (servable.inFlight > 0) {
      await new Promise<void>((resolve) => {
        servable.onIdle = resolve;
      });
    }
    await servable.model?.close();
    servable.model = undefined;
    this.#memory.release(servable.id);
    remove(stream, ({ id }) => id === servable.id);
    const { name, version } = servable;
    this.onUnloaded(servable);
    this.#options.log.info('model unloaded', { model: name, version });
  }
}

function isSame(servable: Servable, wanted: AspiredVersion): boolean {
  return servable.version === wanted.version && servable.fingerprint === wanted.fingerprint;
}

function remove({ servables }: Stream, which: (servable: Servable) => boolean): void {
  for (let i = servables.length - 1; i >= 0; i--) {
    if (which(servables[i] as Servable)) servables.splice(i, 1);
  }
}

function whyNot(name: string, servable: Servable | undefined): string {
  if (servable === undefined) return `model '${name}' is not loaded`;
  const { version, phase, error } = servable;
  if (phase === 'failed') return `model '${name}' version ${version} failed to load: ${error}`;
  return phase === 'unloading'
    ? `model '${name}' version ${version} is unloading`
    : `model '${name}' is loading`;
}
