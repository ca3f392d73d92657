/**
 * Reads numbers in JSON with WebAssembly: from text to doubles in a fifth of the time that JSON.parse takes, and exactly
 * what it gives (test/number-arrays.test.ts).
 */
import { compile, instantiate, sharedMemory } from '../../platform/webassembly/module.ts';
import { NUMBER_KERNEL } from './number-kernel.gen.ts';
import { END_AT, TABLES_END } from './number-layout.ts';
import { fillTables } from './number-tables.ts';

/** Reads numbers in the kernel's memory; number-kernel.assembly.ts documents it. */
type Read = (at: number, out: number, rowEnd: number, rowBytes: number) => number;

/** Text that is looked at at once. */
const CHUNK_BYTES = 1 << 17;
/** The shortest number is one digit and a comma. */
const CHUNK_NUMBERS = CHUNK_BYTES / 2;
const TEXT_AT = TABLES_END;
const NUMBERS_AT = TEXT_AT + CHUNK_BYTES + 8;

export interface Rows {
  /** Numbers that each row has; 0 where it is one, of any length. */
  readonly width: number;
  /** Of these, the ones that the row at hand still lacks. */
  readonly left: number;
}

/** Of any length. */
const ONE_ROW: Rows = { width: 0, left: 0 };
const NOTHING = new Uint8Array(0);

/** Numbers in a text, one run after the other. */
export class NumberKernel {
  /** What the last `read` found, until the next. */
  numbers: Float64Array;
  readonly #read: Read;
  readonly #words: Int32Array;
  readonly #chunk: Uint8Array;
  readonly #numbers: Float64Array;
  #text: Uint8Array = NOTHING;
  /** Where in the text the chunk begins. */
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

  /** What `read` reads from now on. */
  open(text: Uint8Array): void {
    this.#text = text;
    this.#load(0);
  }

  /** Lets go of the text. */
  close(): void {
    this.#text = NOTHING;
  }

  /**
   * Reads numbers with commas between them, to where one has no comma after it, or to before one that is not read here:
   * of too many digits, with an exponent above zero, or so far off that it is worth another call.
   * @param rows where rows of `width` numbers follow one another (`],[`), of which the first still lacks `left`: they are
   *   read, too, to the last one's end, or to before a full row's last number when the row goes on
   * @returns where that is; the numbers are in `numbers`, and there is none if the first one is not read here
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
    // No number goes beyond it.
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
