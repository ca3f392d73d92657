/**
 * Reads numbers in JSON with WebAssembly, in a fifth of the time that JSON.parse takes. The doubles are exactly those
 * of JSON.parse (test/number-arrays.test.ts).
 */
import { compile, instantiate, sharedMemory } from '../../platform/webassembly/module.ts';
import { NUMBER_KERNEL } from './number-kernel.gen.ts';
import { END_AT, TABLES_END } from './number-layout.ts';
import { fillTables } from './number-tables.ts';

/** Reads numbers in the kernel's memory; number-kernel.assembly.ts documents it. */
type Read = (at: number, out: number, rowEnd: number, rowBytes: number) => number;

/** Size of the text that is in the kernel's memory at a time. */
const CHUNK_BYTES = 1 << 17;
/** Largest number of numbers in a chunk: the shortest is one digit and a comma. */
const CHUNK_NUMBERS = CHUNK_BYTES / 2;
/** Address of the chunk. */
const TEXT_AT = TABLES_END;
/** Address of the numbers that were read. A zero byte follows the chunk before it. */
const NUMBERS_AT = TEXT_AT + CHUNK_BYTES + 8;

/** Rows of numbers that follow one another. */
export interface Rows {
  /** Number of numbers in each row; 0 where there is one row, of any length. */
  readonly width: number;
  /** Number of numbers that the first row still lacks. */
  readonly left: number;
}

const ONE_ROW: Rows = { width: 0, left: 0 };
const NOTHING = new Uint8Array(0);

/** Reads the numbers of one text at a time, run by run. */
export class NumberKernel {
  /** Numbers that the last `read` found. The next one overwrites them. */
  numbers: Float64Array;
  readonly #read: Read;
  readonly #words: Int32Array;
  readonly #chunk: Uint8Array;
  readonly #numbers: Float64Array;
  #text: Uint8Array = NOTHING;
  /** Index in the text at which the chunk begins. */
  #base = 0;

  constructor() {
    const memory = sharedMemory(NUMBERS_AT + CHUNK_NUMBERS * 8);
    const { buffer } = memory;
    this.#read = instantiate<{ read: Read }>(compile(NUMBER_KERNEL), memory).read;
    this.#words = new Int32Array(buffer);
    this.#chunk = new Uint8Array(buffer, TEXT_AT, CHUNK_BYTES + 1);
    this.#numbers = new Float64Array(buffer, NUMBERS_AT, CHUNK_NUMBERS);
    this.numbers = this.#numbers.subarray(0, 0);
    fillTables(buffer);
  }

  /** Sets the text that `read` reads from now on. */
  open(text: Uint8Array): void {
    this.#text = text;
    this.#load(0);
  }

  /** Lets go of the text, so that it can be freed. */
  close(): void {
    this.#text = NOTHING;
  }

  /**
   * Reads a run of numbers with commas between them. It ends after a number that no comma follows, or before one that
   * is not read here: it has too many digits, a positive exponent, or goes beyond the chunk.
   * @param at index of the first number in the text
   * @param rows says that rows follow one another (`],[`). The run then goes on with the next row, and ends after the
   *   last one, or before the last number of a full row that goes on
   * @returns the index where the run ends; the numbers are in `numbers`, which is empty if the first one is not read
   *   here
   */
  read(at: number, rows: Rows = ONE_ROW): number {
    const next = this.#readChunk(at, rows);
    if (this.numbers.length > 0 || at === this.#base) return next;
    this.#load(at);
    return this.#readChunk(at, rows);
  }

  #load(at: number): void {
    const chunk = this.#text.subarray(at, at + CHUNK_BYTES);
    this.#chunk.set(chunk);
    // A zero byte is part of no number, so that none goes beyond the chunk.
    this.#chunk[chunk.length] = 0;
    this.#base = at;
  }

  #readChunk(at: number, { width, left }: Rows): number {
    if (at - this.#base > CHUNK_BYTES) this.#load(at);
    const rowEnd = NUMBERS_AT + left * 8;
    const next = this.#read(TEXT_AT + at - this.#base, NUMBERS_AT, rowEnd, width * 8);
    const count = ((this.#words[END_AT / 4] as number) - NUMBERS_AT) / 8;
    this.numbers = this.#numbers.subarray(0, count);
    return next - TEXT_AT + this.#base;
  }
}
