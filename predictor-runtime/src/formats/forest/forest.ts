/** Takes rows through decision trees, and adds up what their leaves say. */
import type { Matrix } from '../table.ts';
import type { WeightStore } from '../weight-store.ts';
import { type ForestKernel, forestKernel } from './forest-kernel.ts';
import { COLUMN_AT, LANES, LEFT_AT, NODE_BYTES } from './forest-layout.ts';
import { type ForestMemory, layOutTrees, Split, type Tree } from './forest-memory.ts';

/** Rows that go through the trees together, and the leaves that they came to in one tree. */
export interface Block {
  /** Number of the first row. */
  readonly start: number;
  /** Number that follows the last row's. */
  readonly end: number;
  /** Number of the leaf of each row, that of row `start` first. The next tree's overwrite it. */
  readonly leaves: Int32Array;
}

/** Values of a tree's leaves, and the sums of a row that they are added to. */
export interface LeafValues {
  /** Values of the leaves, by their number: `values[leaf * size + i]`. */
  readonly values: Float32Array | Float64Array;
  /** Number of values of a leaf. */
  readonly size: number;
  /** Number of sums of a row. */
  readonly width: number;
  /** Number of the first sum that the tree adds to. */
  readonly at: number;
}

/**
 * Adds a tree's values to the sums of the rows that came to its leaves. Each sum is rounded as its array has it, to
 * single or double precision.
 * @param sums the sums of all rows: `sums[row * width + i]`
 */
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

/** The width of a forest's rows, and the store of its trees. */
export interface ForestOptions {
  /** Number of columns of a row. */
  readonly features: number;
  /** Store that shares the trees with other threads. */
  readonly store: WeightStore;
}

/** Number of rows from which on a block goes through the kernel; fewer rows go one by one. */
const KERNEL_ROWS = 4;

/** Decision trees, which take rows to their leaves. */
export class Forest {
  readonly #layout: ForestMemory;
  readonly #kernel: ForestKernel;
  /** The whole memory as words. */
  readonly #words: Int32Array;
  /** The whole memory as doubles. */
  readonly #doubles: Float64Array;
  /** Address of this thread's block of rows. */
  readonly #blockAt: number;
  /** Leaves of the block's rows. */
  readonly #leaves: Int32Array;
  /** True when all splits compare with a threshold, as the kernel does. */
  readonly #isPlain: boolean;

  /**
   * Lays out the trees in memory, or takes the memory in which another thread has done so.
   * @param readTrees reads the trees; it is not called when another thread has laid them out
   * @throws Error that `readTrees` throws, or when a tree is broken.
   */
  constructor(readTrees: () => readonly Tree[], { features, store }: ForestOptions) {
    const layout = store.part(() => layOutTrees(readTrees(), { features, threads: store.threads }));
    const { memory, blockRows, placesAt, placeBytes, rowBytes } = layout;
    this.#layout = layout;
    this.#kernel = forestKernel(memory);
    this.#words = new Int32Array(memory.buffer);
    this.#doubles = new Float64Array(memory.buffer);
    this.#blockAt = placesAt + store.place * placeBytes;
    const rooms = blockRows + LANES;
    this.#leaves = new Int32Array(memory.buffer, this.#blockAt + rooms * rowBytes, rooms);
    this.#isPlain = layout.kinds.every((kind) => kind <= Split.NanRight);
  }

  /**
   * Takes rows through all trees.
   * @param visit gets the leaves of each block in each tree, in the trees' order
   * @param trees the number of trees from the first on, all if not given
   */
  descend(
    matrix: Matrix,
    visit: (tree: number, block: Block) => void,
    trees = this.#layout.trees,
  ): void {
    const { rows, width, data } = matrix;
    for (let start = 0; start < rows; start += this.#layout.blockRows) {
      const end = Math.min(start + this.#layout.blockRows, rows);
      const block = { start, end, leaves: this.#leaves };
      const values = data.subarray(start * width, end * width);
      const isFast = this.#isPlain && end - start >= KERNEL_ROWS && isComplete(values);
      if (isFast) this.#doubles.set(values, this.#blockAt / 8);
      for (let tree = 0; tree < trees; tree++) {
        if (isFast) this.#descendBlock(tree, end - start, width);
        else this.#descendRows(tree, values, width);
        visit(tree, block);
      }
    }
  }

  /** Takes the rows of the block through a tree, with the kernel. */
  #descendBlock(tree: number, rows: number, width: number): void {
    const root = this.#layout.roots[tree] as number;
    const depth = this.#layout.depths[tree] as number;
    if (depth === 0) {
      this.#leaves.fill(this.#words[root / 4] as number);
      return;
    }
    const stride = width * 8;
    const { byteOffset } = this.#leaves;
    const end = this.#blockAt + rows * stride;
    this.#kernel.descend(root, depth, this.#blockAt, stride, end, byteOffset);
  }

  /** Takes rows through a tree one by one, with all kinds of splits. */
  #descendRows(tree: number, data: Float64Array, width: number): void {
    const root = this.#layout.roots[tree] as number;
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
    const kind = this.#layout.kinds[node >> 4] as number;
    const isZeroMissing = kind === Split.ZeroLeft || kind === Split.ZeroRight;
    if (Number.isNaN(value) || (isZeroMissing && value === 0)) return (kind & 1) === 1;
    if (kind < Split.CategoryNanLeft) return value >= (this.#doubles[node >> 3] as number);
    return isIn(this.#layout.categories.get(node >> 4) as Uint32Array, value);
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
