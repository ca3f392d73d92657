/** Takes rows through decision trees. */

import type { Matrix } from '../table.ts';
import type { WeightStore } from '../weight-store.ts';
import { type ForestKernel, forestKernel } from './forest-kernel.ts';
import { COLUMN_AT, LANES, LEFT_AT, NODE_BYTES } from './forest-layout.ts';
import { type Planted, plant, Split, type Tree } from './forest-memory.ts';

/** Rows that go through the trees together, and the leaf of each. */
export interface Block {
  readonly start: number;
  readonly end: number;
  readonly leaves: Int32Array;
}

/** What a tree adds to the rows that came to its leaves. */
export interface LeafValues {
  /** `size` of each leaf, by its number. */
  readonly values: Float32Array | Float64Array;
  readonly size: number;
  /** Sums that a row has, and the first of them that the tree adds to. */
  readonly width: number;
  readonly at: number;
}

/** Rounds as `sums` does. */
export function addLeaves(
  sums: Float32Array | Float64Array,
  { start, end, leaves }: Block,
  { values, size, width, at }: LeafValues,
): void {
  const rows = end - start;
  for (let i = 0; i < size; i++) {
    let to = start * width + at + i;
    for (let row = 0; row < rows; row++, to += width) {
      const from = (leaves[row] as number) * size + i;
      sums[to] = (sums[to] as number) + (values[from] as number);
    }
  }
}

export interface ForestOptions {
  /** The number of columns that a row has. */
  readonly features: number;
  readonly store: WeightStore;
}

/** Fewer go one by one. */
const KERNEL_ROWS = 4;

export class Forest {
  readonly #planted: Planted;
  readonly #kernel: ForestKernel;
  /** Views of the memory: nodes, this thread's block of rows, their leaves. */
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #blockAt: number;
  readonly #leaves: Int32Array;
  /** No split but by thresholds. */
  readonly #isPlain: boolean;

  /**
   * Plants the trees, or takes those that another thread has planted.
   * @param grow reads the trees, unless another thread has
   * @throws Error of `grow`, or when a tree is none.
   */
  constructor(grow: () => readonly Tree[], { features, store }: ForestOptions) {
    const planted = store.part(() => plant(grow(), { features, threads: store.threads }));
    const { memory, blockRows, placesAt, placeBytes, rowBytes } = planted;
    this.#planted = planted;
    this.#kernel = forestKernel(memory);
    this.#words = new Int32Array(memory.buffer);
    this.#doubles = new Float64Array(memory.buffer);
    this.#blockAt = placesAt + store.place * placeBytes;
    const rooms = blockRows + LANES;
    this.#leaves = new Int32Array(memory.buffer, this.#blockAt + rooms * rowBytes, rooms);
    this.#isPlain = planted.kinds.every((kind) => kind <= Split.NanRight);
  }

  /** Takes the rows through all trees in order; `visit` gets each tree's leaves, that of row `start` first. */
  descend(matrix: Matrix, visit: (tree: number, block: Block) => void): void {
    const { rows, width, data } = matrix;
    for (let start = 0; start < rows; start += this.#planted.blockRows) {
      const end = Math.min(start + this.#planted.blockRows, rows);
      const block = { start, end, leaves: this.#leaves };
      const values = data.subarray(start * width, end * width);
      const isFast = this.#isPlain && end - start >= KERNEL_ROWS && isComplete(values);
      if (isFast) this.#doubles.set(values, this.#blockAt / 8);
      for (let tree = 0; tree < this.#planted.trees; tree++) {
        if (isFast) this.#descendBlock(tree, end - start, width);
        else this.#descendRows(tree, values, width);
        visit(tree, block);
      }
    }
  }

  #descendBlock(tree: number, rows: number, width: number): void {
    const root = this.#planted.roots[tree] as number;
    const depth = this.#planted.depths[tree] as number;
    if (depth === 0) {
      this.#leaves.fill(this.#words[root / 4] as number);
      return;
    }
    const stride = width * 8;
    const { byteOffset } = this.#leaves;
    const end = this.#blockAt + rows * stride;
    this.#kernel.descend(root, depth, this.#blockAt, stride, end, byteOffset);
  }

  #descendRows(tree: number, data: Float64Array, width: number): void {
    const root = this.#planted.roots[tree] as number;
    for (let row = 0; row * width < data.length; row++) {
      this.#leaves[row] = this.#descendRow(root, data, row * width);
    }
  }

  #descendRow(root: number, data: Float64Array, base: number): number {
    const words = this.#words;
    let node = root;
    let next = words[(node + LEFT_AT) >> 2] as number;
    while (next !== node) {
      const value = data[base + ((words[(node + COLUMN_AT) >> 2] as number) >> 3)] as number;
      node = next + (this.#goesRight(node, value) ? NODE_BYTES : 0);
      next = words[(node + LEFT_AT) >> 2] as number;
    }
    return words[node >> 2] as number;
  }

  #goesRight(node: number, value: number): boolean {
    const kind = this.#planted.kinds[node >> 4] as number;
    const isZeroMissing = kind === Split.ZeroLeft || kind === Split.ZeroRight;
    if (Number.isNaN(value) || (isZeroMissing && value === 0)) return (kind & 1) === 1;
    if (kind < Split.CategoryNanLeft) return value >= (this.#doubles[node >> 3] as number);
    return isIn(this.#planted.categories.get(node >> 4) as Uint32Array, value);
  }
}

function isComplete(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) return false;
  return true;
}

function isIn(bits: Uint32Array, value: number): boolean {
  const category = Math.trunc(value);
  if (!(value >= 0 && category < bits.length * 32)) return false;
  return (((bits[category >>> 5] as number) >>> (category & 31)) & 1) === 1;
}
