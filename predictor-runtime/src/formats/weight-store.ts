/**
 * Keeps the large arrays of a model in memory that threads share. Each thread reads the file, and its reader asks for
 * the same arrays in the same order: the first thread's are kept and the others take them, so that a model is in memory
 * once.
 */

/** Arrays that the first thread's reader made, in order. They can be sent to other threads. */
export type SharedWeights = readonly unknown[];

/** Size from which on it is worth to share an array. */
const MIN_BYTES = 4096;

interface StoreOptions {
  readonly kind: 'unshared' | 'first' | 'other';
  readonly parts?: SharedWeights;
  readonly threads?: number;
  readonly place?: number;
}

/** Takes the large arrays of one model from its reader in one thread, or gives it those of the first thread. */
export class WeightStore {
  /** The number of threads that will evaluate the model. */
  readonly threads: number;
  /** The number of this thread, from 0 on. */
  readonly place: number;
  readonly #kind: StoreOptions['kind'];
  readonly #parts: unknown[];
  #next = 0;

  private constructor({ kind, parts = [], threads = 1, place = 0 }: StoreOptions) {
    this.#kind = kind;
    this.#parts = [...parts];
    this.threads = threads;
    this.place = place;
  }

  /** Makes a store for one thread alone, which leaves arrays where the reader made them. */
  static unshared(): WeightStore {
    return new WeightStore({ kind: 'unshared' });
  }

  /** Makes the store of the first of `threads` threads, which keeps what its reader makes. */
  static first(threads: number): WeightStore {
    return new WeightStore({ kind: 'first', threads });
  }

  /** Makes the store of another thread, the `place`-th from 1 on, which gives what the first one's reader made. */
  static other(parts: SharedWeights, place: number): WeightStore {
    return new WeightStore({ kind: 'other', parts, place });
  }

  /** Arrays in the store, to be sent to the stores of other threads. */
  get parts(): SharedWeights {
    return this.#parts;
  }

  /** Returns what `make` makes, or what it made for the first thread. @throws Error that `make` throws. */
  part<T>(make: () => T): T {
    if (this.#kind === 'unshared') return make();
    if (this.#kind === 'other') return this.#parts[this.#next++] as T;
    const part = make();
    this.#parts.push(part);
    return part;
  }

  /** Returns the first thread's numbers, in shared memory. Small arrays are returned as they are. */
  numbers<T extends Float32Array | Float64Array>(numbers: T): T {
    if (this.#kind === 'unshared' || numbers.byteLength < MIN_BYTES) return numbers;
    return this.part(() => {
      const Type = numbers.constructor as new (memory: SharedArrayBuffer) => T;
      const copy = new Type(new SharedArrayBuffer(numbers.byteLength));
      copy.set(numbers);
      return copy;
    });
  }

  /** Returns arrays that are small by themselves as views of one shared array. */
  list<T extends Float32Array | Float64Array>(list: readonly T[]): T[] {
    const [first] = list;
    if (this.#kind === 'unshared' || first === undefined) return [...list];
    const Type = first.constructor as new (length: number) => T;
    const all = new Type(list.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const numbers of list) {
      all.set(numbers, at);
      at += numbers.length;
    }
    const kept = this.numbers(all);
    at = 0;
    return list.map(({ length }) => {
      at += length;
      return kept.subarray(at - length, at) as T;
    });
  }
}
