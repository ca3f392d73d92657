/**
 * The large arrays of a model, in memory that threads share. A reader that reads the same file again makes the same arrays in
 * the same order: the first thread's are kept, and the others take them, so that a model is in memory once.
 */

/** What the first thread made, in order; threads can be sent it. */
export type SharedWeights = readonly unknown[];

interface Reading {
  readonly parts: unknown[];
  readonly isFirst: boolean;
  readonly threads: number;
  readonly place: number;
  next: number;
}

/** Of the reader that is running: readers wait for nothing. */
let reading: Reading | undefined;

/** Smaller arrays are not worth it. */
const MIN_BYTES = 4096;

/** Runs a reader as the first of `threads` threads. @throws Error of the reader. */
export function readFirst<T>(threads: number, read: () => T): { model: T; weights: SharedWeights } {
  const parts: unknown[] = [];
  const model = during({ parts, isFirst: true, threads, place: 0, next: 0 }, read);
  return { model, weights: parts };
}

/** Runs it as another one, the `place`-th from 1 on. @throws Error of the reader, or when the file is another one. */
export function readAgain<T>(weights: SharedWeights, place: number, read: () => T): T {
  const again = { parts: [...weights], isFirst: false, threads: 0, place, next: 0 };
  return during(again, read);
}

function during<T>(now: Reading, read: () => T): T {
  reading = now;
  try {
    return read();
  } finally {
    reading = undefined;
  }
}

/** For readers: what `make` makes, or what it made for the first thread. @throws Error of `make`. */
export function sharedPart<T>(make: () => T): T {
  if (reading === undefined) return make();
  if (!reading.isFirst) return reading.parts[reading.next++] as T;
  const part = make();
  reading.parts.push(part);
  return part;
}

/** For readers: these numbers, or the same of the first thread. */
export function sharedNumbers<T extends Float32Array | Float64Array>(numbers: T): T {
  if (reading === undefined || numbers.byteLength < MIN_BYTES) return numbers;
  return sharedPart(() => {
    const Type = numbers.constructor as new (memory: SharedArrayBuffer) => T;
    const copy = new Type(new SharedArrayBuffer(numbers.byteLength));
    copy.set(numbers);
    return copy;
  });
}

/** For readers: arrays that are small by themselves. */
export function sharedList<T extends Float32Array | Float64Array>(list: readonly T[]): T[] {
  const [first] = list;
  if (reading === undefined || first === undefined) return [...list];
  const Type = first.constructor as new (length: number) => T;
  const all = new Type(list.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const numbers of list) {
    all.set(numbers, at);
    at += numbers.length;
  }
  const kept = sharedNumbers(all);
  at = 0;
  return list.map(({ length }) => {
    at += length;
    return kept.subarray(at - length, at) as T;
  });
}

/** Threads that will evaluate what is read. */
export function threadCount(): number {
  return reading?.threads ?? 1;
}

/** Of the thread that reads, from 0 on. */
export function threadPlace(): number {
  return reading?.place ?? 0;
}
