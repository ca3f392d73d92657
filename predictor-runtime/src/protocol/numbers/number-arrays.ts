/**
 * Reads tensors in JSON that are nothing but numbers, without an object for each number: their arrays are taken out of
 * the text, and JSON.parse reads the rest. A document with anything unexpected is left to JSON.parse, and to its
 * errors.
 */
import { randomUUID } from 'node:crypto';
import { Nesting } from './nesting.ts';
import { NumberKernel } from './number-kernel.ts';

/** Numbers of a JSON array, which may be nested, in row-major order. */
export class NumberArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;

  constructor(shape: readonly number[], data: Float64Array) {
    this.shape = shape;
    this.data = data;
  }

  /** Returns the array as JSON.parse would. */
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

/** The place in a document where an array begins. */
export interface Place {
  /** Braces and brackets that are open, the outermost first: `{[{` in an object of an array of the document. */
  readonly opened: string;
  /** Last key of each open object, by the number of braces and brackets up to it: `keys[1]` is the document's. */
  readonly keys: readonly string[];
}

/** A document without its arrays of numbers. */
export interface Extraction {
  /** JSON with a mark, which is a string, in place of each array. */
  readonly text: string;
  /** Arrays by their marks. */
  readonly arrays: ReadonlyMap<string, NumberArray>;
}

/** Size of a document below which JSON.parse is as fast. */
const MIN_BYTES = 1024;
/** Most braces and brackets that are open at a time in a document of tensors; others are none that a model takes. */
const MAX_DEPTH = 64;
/** Largest size of a key that matters here, quotes included; longer ones are not kept. */
const MAX_KEY_BYTES = 16;
/** Beginning of every mark. It is random, so that no request can hold one; made by the first document that needs it. */
let beginning: string | undefined;

const [QUOTE, COMMA, MINUS, ZERO, NINE, COLON] = [0x22, 0x2c, 0x2d, 0x30, 0x39, 0x3a];
const [OPEN_ARRAY, BACKSLASH, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [
  0x5b, 0x5c, 0x5d, 0x7b, 0x7d,
];

/**
 * Takes the arrays of numbers out of a document.
 * @param isTensor tells whether the array that begins at a place is to be taken out
 * @returns undefined when JSON.parse has to read the document: there is no such array, or one is not of plain numbers
 *   alone
 */
export function extractNumbers(
  bytes: Buffer,
  isTensor: (place: Place) => boolean,
): Extraction | undefined {
  if (bytes.length < MIN_BYTES) return undefined;
  beginning ??= randomUUID();
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
      const mark = `${beginning}${arrays.size}`;
      arrays.set(mark, read.array);
      text += `${bytes.toString('utf8', from, at)}"${mark}"`;
      from = read.end;
      at = read.end;
    } else {
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (opened.length === MAX_DEPTH) return undefined;
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

/** Returns the index that follows a string's closing quote, or -1 when it has none. */
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
  /** Index that follows the closing bracket. */
  readonly end: number;
}

let kernel: NumberKernel | undefined;

/**
 * Reads the array that begins at `start`. Undefined when it is ragged, empty or has something else than plain numbers.
 */
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
    // After a comma, or an opening bracket, the kernel stopped in the middle: the next call reads on.
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

/** Number of numbers up to which the memory for them is kept for the next array: 8 MB. */
const MAX_KEPT = 1 << 20;
/** Memory for the numbers of the array that is being read; arrays are read one at a time. */
let kept = new Float64Array(1024);

/** A list that grows by doubling, in memory that is there from the list before. */
class Numbers {
  #length = 0;

  append(numbers: Float64Array): void {
    const length = this.#length + numbers.length;
    if (length > kept.length) {
      const larger = new Float64Array(Math.max(length, 2 * kept.length));
      larger.set(kept.subarray(0, this.#length));
      kept = larger;
    }
    kept.set(numbers, this.#length);
    this.#length = length;
  }

  /** Returns the numbers in memory of their own. */
  take(): Float64Array {
    const own = kept.slice(0, this.#length);
    if (kept.length > MAX_KEPT) kept = new Float64Array(1024);
    return own;
  }
}
