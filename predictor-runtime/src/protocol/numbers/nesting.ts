/** The nesting of arrays of numbers in JSON, which has to be the same everywhere for them to be a tensor. */
import type { Rows } from './number-kernel.ts';

/** Largest number of dimensions of a tensor, and so the deepest nesting of its data. */
export const MAX_DIMENSIONS = 32;

/**
 * Follows how deep arrays lie in each other, and whether those of one level have the same length. Its methods return
 * false when the arrays are ragged, empty or nested too deep.
 */
export class Nesting {
  /** Length of the arrays of each level, once one is closed. */
  readonly lengths: number[] = [];
  /** Number of items so far in each array that is open, the outermost first. */
  readonly #counts: number[] = [];
  /** Depth of the arrays that hold the numbers; 0 until there is a number. */
  #deepest = 0;

  /** True when every array that was opened is closed. */
  get isClosed(): boolean {
    return this.#counts.length === 0;
  }

  /** Rows that may follow one another from here on; undefined until the first is closed and tells their width. */
  get rows(): Rows | undefined {
    const depth = this.#counts.length;
    const width = this.lengths[depth - 1];
    return width === undefined
      ? undefined
      : { width, left: width - (this.#counts[depth - 1] as number) };
  }

  /** Enters an array. */
  open(): boolean {
    if (this.#deepest > 0 && this.#counts.length >= this.#deepest) return false;
    this.#counts.push(0);
    return this.#counts.length <= MAX_DIMENSIONS;
  }

  /**
   * Adds numbers of the innermost array, and of the rows that follow it where their width is known.
   * @param isEnd true when the array of the last number ends after it
   */
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

  /** Leaves an array. */
  close(): boolean {
    const depth = this.#counts.length;
    const count = this.#counts.pop() as number;
    const expected = this.lengths[depth - 1] ?? count;
    this.lengths[depth - 1] = expected;
    if (depth > 1) (this.#counts[depth - 2] as number)++;
    return count > 0 && count === expected;
  }
}
