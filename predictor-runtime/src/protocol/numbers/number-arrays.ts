/**
 * Tensors in JSON that are nothing but numbers, read without an object for each: they are taken out of the text first, and
 * JSON.parse reads the rest. What is not quite as expected is left to JSON.parse, with its errors.
 */
import { randomUUID } from 'node:crypto';
import { MAX_DIMENSIONS } from '../v2/elements.ts';
import { NumberKernel, type Rows } from './number-kernel.ts';

/** An array of numbers, or of such arrays that are all alike, in row-major order. */
export class NumberArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;

  constructor(shape: readonly number[], data: Float64Array) {
    this.shape = shape;
    this.data = data;
  }

  /** As JSON.parse has it. */
  toJSON(): unknown[] {
    return this.#part(0, 0);
  }

  #part(dim: number, start: number): unknown[] {
    const count = this.shape[dim] as number;
    if (dim === this.shape.length - 1) return Array.from(this.data.subarray(start, start + count));
    const size = this.shape.slice(dim + 1).reduce((product, length) => product * length, 1);
    return Array.from({ length: count }, (_, i) => this.#part(dim + 1, start + i * size));
  }
}

/** Where in a document an array is: the open braces and brackets, and the last key of each. */
export interface Place {
  readonly opened: string;
  readonly keys: readonly string[];
}

export interface Extraction {
  /** JSON with a string in place of each array. */
  readonly text: string;
  readonly arrays: ReadonlyMap<string, NumberArray>;
}

/** Below, JSON.parse is as fast. */
const MIN_BYTES = 1024;
/** No key of ours is longer. */
const MAX_KEY_BYTES = 16;
/** What stands for an array begins so; nobody outside knows it. */
const MARK = randomUUID();

const [QUOTE, COMMA, MINUS, ZERO, NINE, COLON] = [0x22, 0x2c, 0x2d, 0x30, 0x39, 0x3a];
const [OPEN_ARRAY, BACKSLASH, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [
  0x5b, 0x5c, 0x5d, 0x7b, 0x7d,
];

/** Takes out the arrays where `isTensor` says; undefined when one is not of plain numbers alone, or there is none. */
export function extractNumbers(
  bytes: Buffer,
  isTensor: (place: Place) => boolean,
): Extraction | undefined {
  if (bytes.length < MIN_BYTES) return undefined;
  const arrays = new Map<string, NumberArray>();
  const keys: string[] = [''];
  let opened = '';
  let text = '';
  let from = 0;
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      const end = endOfString(bytes, at);
      if (end < 0) return undefined;
      if (bytes[afterSpace(bytes, end)] === COLON) keys[opened.length] = keyOf(bytes, at, end);
      at = end;
    } else if (byte === OPEN_ARRAY && isTensor({ opened, keys })) {
      const read = readArray(bytes, at);
      if (read === undefined) return undefined;
      const mark = `${MARK}${arrays.size}`;
      arrays.set(mark, read.array);
      text += `${bytes.toString('utf8', from, at)}"${mark}"`;
      from = read.end;
      at = read.end;
    } else {
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        opened += String.fromCharCode(byte);
        keys[opened.length] = '';
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) opened = opened.slice(0, -1);
      at++;
    }
  }
  return arrays.size === 0 ? undefined : { text: text + bytes.toString('utf8', from), arrays };
}

function keyOf(bytes: Buffer, start: number, end: number): string {
  return end - start > MAX_KEY_BYTES ? '' : bytes.toString('latin1', start + 1, end - 1);
}

/** After its closing quote; -1 when it has none. */
function endOfString(bytes: Buffer, start: number): number {
  for (let at = start; ; ) {
    at = bytes.indexOf(QUOTE, at + 1);
    if (at < 0) return -1;
    let escapes = 0;
    while (bytes[at - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at + 1;
  }
}

function afterSpace(bytes: Buffer, start: number): number {
  let at = start;
  while (isSpace(bytes[at] as number)) at++;
  return at;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

interface ReadArray {
  readonly array: NumberArray;
  /** After the closing bracket. */
  readonly end: number;
}

let kernel: NumberKernel | undefined;

/** The array that begins at `start`; undefined when it is ragged, empty or has something else than plain numbers. */
function readArray(bytes: Buffer, start: number): ReadArray | undefined {
  kernel ??= new NumberKernel();
  kernel.open(bytes.subarray(start));
  const read = readWith(kernel, bytes, start);
  kernel.close();
  return read;
}

function readWith(kernel: NumberKernel, bytes: Buffer, start: number): ReadArray | undefined {
  const numbers = new Numbers();
  const nesting = new Nesting();
  let at = start;
  for (;;) {
    at = afterSpace(bytes, at);
    const byte = bytes[at] as number;
    if (byte === OPEN_ARRAY) {
      if (!nesting.open()) return undefined;
      at++;
      continue;
    }
    if (byte !== MINUS && !(byte >= ZERO && byte <= NINE)) return undefined;
    at = start + kernel.read(at - start, nesting.rows);
    numbers.append(kernel.numbers);
    // Otherwise the next number is in the next part of the text.
    const isEnd = bytes[at - 1] !== COMMA && bytes[at - 1] !== OPEN_ARRAY;
    if (!nesting.add(kernel.numbers.length, isEnd)) return undefined;
    if (!isEnd) continue;
    for (at = afterSpace(bytes, at); bytes[at] === CLOSE_ARRAY; at = afterSpace(bytes, at)) {
      at++;
      if (!nesting.close()) return undefined;
      if (nesting.isClosed) {
        return { array: new NumberArray(nesting.lengths, numbers.take()), end: at };
      }
    }
    if (bytes[at] !== COMMA) return undefined;
    at++;
  }
}

/** How deep arrays lie in each other, and whether those of a level have the same length. */
class Nesting {
  readonly lengths: number[] = [];
  readonly #counts: number[] = [];
  /** The depth of the arrays that have the numbers. */
  #deepest = 0;

  get isClosed(): boolean {
    return this.#counts.length === 0;
  }

  /** Once the first row is closed, the others are known to be like it. */
  get rows(): Rows | undefined {
    const depth = this.#counts.length;
    const width = this.lengths[depth - 1];
    return width === undefined
      ? undefined
      : { width, left: width - (this.#counts[depth - 1] as number) };
  }

  open(): boolean {
    if (this.#deepest > 0 && this.#counts.length >= this.#deepest) return false;
    this.#counts.push(0);
    return this.#counts.length <= MAX_DIMENSIONS;
  }

  /** Numbers of the innermost array, and of those that follow it where rows are known; `isEnd` when the last is full. */
  add(count: number, isEnd: boolean): boolean {
    const depth = this.#counts.length;
    if (this.#deepest === 0) this.#deepest = depth;
    if (count === 0 || depth !== this.#deepest) return false;
    const sum = (this.#counts[depth - 1] as number) + count;
    const width = this.lengths[depth - 1];
    if (width === undefined) {
      this.#counts[depth - 1] = sum;
      return true;
    }
    if (isEnd && sum % width !== 0) return false;
    const closed = isEnd ? sum / width - 1 : Math.floor(sum / width);
    this.#counts[depth - 1] = sum - closed * width;
    (this.#counts[depth - 2] as number) += closed;
    return true;
  }

  close(): boolean {
    const depth = this.#counts.length;
    const count = this.#counts.pop() as number;
    const expected = this.lengths[depth - 1] ?? count;
    this.lengths[depth - 1] = expected;
    if (depth > 1) (this.#counts[depth - 2] as number)++;
    return count > 0 && count === expected;
  }
}

/** A list that grows by doubling. */
class Numbers {
  #data = new Float64Array(1024);
  #length = 0;

  append(numbers: Float64Array): void {
    const length = this.#length + numbers.length;
    if (length > this.#data.length) {
      const larger = new Float64Array(Math.max(length, 2 * this.#data.length));
      larger.set(this.#data.subarray(0, this.#length));
      this.#data = larger;
    }
    this.#data.set(numbers, this.#length);
    this.#length = length;
  }

  take(): Float64Array {
    return this.#data.subarray(0, this.#length);
  }
}
