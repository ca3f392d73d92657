/**
 * The versions of one model: which are wanted, and which one a request means. TensorFlow Serving calls them a servable
 * stream.
 */
import { InferenceError } from '../protocol/errors.ts';
import type { VersionChoice } from '../protocol/versions.ts';
import type { AspiredVersion, Servable } from './servable.ts';

/** Keeps the versions of one model, and finds the one that a request means. */
export class ModelVersions {
  readonly name: string;
  readonly servables: Servable[] = [];
  /** True while nothing is known of the versions yet. */
  isExpected = false;
  /** True while something is being done to bring the versions in line with what is aspired. */
  isSettling = false;
  /** Promise that there is nothing left to do. */
  settled: Promise<void> = Promise.resolve();
  #labels: Readonly<Record<string, number>> = {};
  #defaultVersion: number | undefined;
  /** Versions by the choice that means them now; every change empties it. */
  readonly #chosen = new Map<string | number, Servable>();

  constructor(name: string) {
    this.name = name;
  }

  /** Versions by their labels. */
  get labels(): Readonly<Record<string, number>> {
    return this.#labels;
  }

  /** Versions in ascending order; of two with one number the newer comes last. */
  get sorted(): Servable[] {
    return [...this.servables].sort((a, b) => a.version - b.version || a.id - b.id);
  }

  /** Takes over a new list of wanted versions. @param nextId makes numbers for the versions that are new */
  aspire(
    versions: readonly AspiredVersion[],
    labels: Readonly<Record<string, number>>,
    nextId: () => number,
  ): void {
    this.#labels = labels;
    this.isExpected = false;
    this.changed();
    for (const servable of this.servables) {
      servable.aspired = versions.some((wanted) => isSame(servable, wanted));
    }
    for (const wanted of versions) {
      if (this.servables.some((servable) => isSame(servable, wanted))) continue;
      const { name } = this;
      this.servables.push({
        ...wanted,
        id: nextId(),
        name,
        aspired: true,
        phase: 'new',
        inFlight: 0,
      });
    }
  }

  setDefault(version: number): void {
    this.#defaultVersion = version;
    this.changed();
  }

  remove(which: (servable: Servable) => boolean): void {
    for (let i = this.servables.length - 1; i >= 0; i--) {
      if (which(this.servables[i] as Servable)) this.servables.splice(i, 1);
    }
  }

  /** Forgets what choices mean, which every change of a phase may change. */
  changed(): void {
    this.#chosen.clear();
  }

  /** Returns the loaded version that a choice means. @throws InferenceError NOT_FOUND, MODEL_NOT_READY. */
  choose(choice: VersionChoice): Servable {
    const key = choice.label ?? choice.version ?? '';
    const known = this.#chosen.get(key);
    if (known !== undefined) return known;
    const found = this.find(choice);
    if (found === undefined) throw this.#absence(choice);
    this.#chosen.set(key, found);
    return found;
  }

  /** Returns the loaded version that a choice means; undefined when there is none. */
  find({ version, label }: VersionChoice): Servable | undefined {
    const wanted = label === undefined ? version : this.#labels[label];
    const available = this.sorted.filter(({ phase }) => phase === 'available');
    if (label !== undefined && wanted === undefined) return undefined;
    if (wanted !== undefined) return available.findLast((servable) => servable.version === wanted);
    const preferred = available.findLast((servable) => servable.version === this.#defaultVersion);
    // A version that nobody wants any more serves only until a wanted one does.
    return preferred ?? available.findLast(({ aspired }) => aspired) ?? available.at(-1);
  }

  #absence({ version, label }: VersionChoice): InferenceError {
    const { name } = this;
    if (this.isExpected) return new InferenceError('MODEL_NOT_READY', `model '${name}' is loading`);
    if (label !== undefined && this.#labels[label] === undefined) {
      const known = Object.keys(this.#labels).join(', ') || 'none';
      const text = `model '${name}' has no label '${label}'; it has ${known}`;
      return new InferenceError('NOT_FOUND', text);
    }
    const wanted = label === undefined ? version : this.#labels[label];
    const others = this.sorted;
    const nearest = others.findLast((other) => wanted === undefined || other.version === wanted);
    if (wanted !== undefined && nearest === undefined) {
      const known = others.map((other) => other.version).join(', ') || 'none';
      const text = `model '${name}' has no version ${wanted}; it has ${known}`;
      return new InferenceError('NOT_FOUND', text);
    }
    return new InferenceError('MODEL_NOT_READY', whyNot(name, nearest));
  }
}

function isSame(servable: Servable, wanted: AspiredVersion): boolean {
  return servable.version === wanted.version && servable.fingerprint === wanted.fingerprint;
}

function whyNot(name: string, servable: Servable | undefined): string {
  if (servable === undefined) return `model '${name}' is not loaded`;
  const { version, phase, error } = servable;
  if (phase === 'failed') return `model '${name}' version ${version} failed to load: ${error}`;
  return phase === 'unloading'
    ? `model '${name}' version ${version} is unloading`
    : `model '${name}' is loading`;
}
