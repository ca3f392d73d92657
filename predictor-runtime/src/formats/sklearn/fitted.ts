/**
 * Reads the attributes of a pickled object of scikit-learn, with clear errors when one is missing or of another kind.
 */
import { isNdArray, type NdArray } from '../files/numpy.ts';
import { PickleDict, PickleGlobal, PickleObject } from '../files/pickle.ts';
import { UnsupportedModelError } from '../unsupported.ts';
import { WeightStore } from '../weight-store.ts';

/**
 * A fitted object of scikit-learn. Its methods read an attribute, and throw an Error that names it when it is missing
 * or of another kind; where there is a fallback, it stands in for a missing attribute.
 */
export class Fitted {
  /** Class with its module, for example `sklearn.linear_model._ridge.Ridge`. */
  readonly type: string;
  /** Store for the object's large arrays. */
  readonly store: WeightStore;
  readonly #state: ReadonlyMap<unknown, unknown>;

  /** Takes a value of a pickle. @throws Error when it is no object of a class. */
  constructor(value: unknown, store = WeightStore.unshared()) {
    if (!(value instanceof PickleObject))
      throw new Error(`expected an estimator, found ${show(value)}`);
    this.type = value.type;
    this.store = store;
    this.#state = value.state instanceof PickleDict ? value.state : new PickleDict();
  }

  /** Class without its module, for example `Ridge`. */
  get name(): string {
    return this.type.slice(this.type.lastIndexOf('.') + 1);
  }

  /** Reads an object that is an attribute of this one. @throws Error when the value is no object of a class. */
  within(value: unknown): Fitted {
    return new Fitted(value, this.store);
  }

  /** True when the attribute is there, and is not None. */
  has(name: string): boolean {
    return this.#state.has(name) && this.#state.get(name) !== null;
  }

  /** Returns an attribute of any kind; undefined when it is missing or None. */
  get(name: string): unknown {
    return this.#state.get(name) ?? undefined;
  }

  /** True when the object was fitted by that version of scikit-learn, or a later one. */
  isSince(major: number, minor: number): boolean {
    const [ownMajor = 0, ownMinor = 0] = this.string('_sklearn_version').split('.').map(Number);
    return ownMajor > major || (ownMajor === major && ownMinor >= minor);
  }

  string(name: string, fallback?: string): string {
    const value = this.get(name) ?? fallback;
    return typeof value === 'string' ? value : this.#wrong(name, 'text', value);
  }

  number(name: string, fallback?: number): number {
    const value = this.get(name) ?? fallback;
    return typeof value === 'number' ? value : this.#wrong(name, 'a number', value);
  }

  flag(name: string, fallback?: boolean): boolean {
    const value = this.get(name) ?? fallback;
    return value === true || value === 1
      ? true
      : value === false || value === 0
        ? false
        : this.#wrong(name, 'true or false', value);
  }

  array(name: string): NdArray {
    const value = this.get(name);
    return isNdArray(value) ? value : this.#wrong(name, 'an array', value);
  }

  /** Reads an array of numbers, or a single number as an array of one. */
  numbers(name: string): Float64Array {
    const value = this.get(name);
    if (typeof value === 'number') return Float64Array.of(value);
    const { data } = this.array(name);
    return data instanceof Float64Array
      ? this.store.numbers(data)
      : this.#wrong(name, 'numbers', value);
  }

  /** Reads a list, a tuple or an array. */
  list(name: string, fallback?: readonly unknown[]): readonly unknown[] {
    return elementsOf(this.get(name) ?? fallback) ?? this.#wrong(name, 'a list', this.get(name));
  }

  /** Reads a parameter of which some values are read here. @throws UnsupportedModelError that names them for others. */
  oneOf<T extends string | undefined>(name: string, known: readonly T[], fallback?: T): T {
    const value = (this.get(name) ?? fallback) as T;
    if (known.includes(value)) return value;
    return this.refuse(`${name}=${show(value)} (read: ${known.map(show).join(', ')})`);
  }

  /** Refuses an object because of something that is not evaluated here. @throws UnsupportedModelError always. */
  refuse(what: string): never {
    throw new UnsupportedModelError('sklearn', `${this.name} with ${what} is not evaluated here`);
  }

  #wrong(name: string, expected: string, value: unknown): never {
    throw new Error(
      value === undefined
        ? `${this.name} has no ${name}: it was not fitted, or by a version of scikit-learn that is not read here`
        : `${this.name}.${name}: expected ${expected}, found ${show(value)}`,
    );
  }
}

/** Returns the elements of a list, a tuple or an array; undefined when the value is none. */
export function elementsOf(value: unknown): readonly unknown[] | undefined {
  if (isNdArray(value)) return [...value.data];
  return Array.isArray(value) ? value : undefined;
}

/** Tells whether a value is an array of numbers. */
export function isNumbers(value: unknown): value is NdArray & { readonly data: Float64Array } {
  return isNdArray(value) && value.data instanceof Float64Array;
}

/** Returns a short text of a value, for messages. */
export function show(value: unknown): string {
  if (value instanceof PickleObject) return value.type;
  if (value instanceof PickleGlobal) return value.name;
  if (value instanceof PickleDict) return 'a dict';
  if (isNdArray(value)) return `an array of ${value.dtype}`;
  if (Array.isArray(value)) return 'a list';
  return JSON.stringify(value) ?? 'None';
}
