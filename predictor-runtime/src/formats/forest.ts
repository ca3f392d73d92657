/**
 * Decision trees in flat memory, whoever grew them. A split sends a row right when its value is not below the threshold,
 * in double precision; the readers of XGBoost, LightGBM and scikit-learn put their own rules into these terms.
 */
import {
  COLUMN_AT,
  type ForestKernel,
  forestKernel,
  LANES,
  LEFT_AT,
  NODE_BYTES,
} from './forest-kernel.ts';

/** Row-major: `data[row * width + column]`; a missing value is NaN. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  readonly data: Float64Array;
}

/** How a split treats its value. The odd ones send what is missing right. */
export const Split = {
  NanLeft: 0,
  NanRight: 1,
  /** Zero is missing, too (LightGBM's zero_as_missing). */
  ZeroLeft: 2,
  ZeroRight: 3,
  /** Right when the value, cut to a whole number, is in the split's set. */
  CategoryNanLeft: 4,
  CategoryNanRight: 5,
} as const;

export type SplitKind = (typeof Split)[keyof typeof Split];

/** One tree as its reader found it: the first node is the root; children are node numbers, and a leaf has none. */
export type Tree = readonly TreeNode[];

export interface TreeNode {
  readonly leaf?: number;
  readonly feature?: number;
  readonly threshold?: number;
  readonly kind?: SplitKind;
  readonly categories?: Iterable<number>;
  readonly left?: number;
  readonly right?: number;
}

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

/** No category beyond: XGBoost's own limit, as float32 counts no further. */
const MAX_CATEGORY = 2 ** 24;
/** Few enough rows to stay in the first-level cache while tree after tree goes over them. */
const BLOCK_ROWS = 64;
/** Of a block, where rows are so wide that nothing would stay in a cache anyway. */
const MAX_BLOCK_BYTES = 4 << 20;
/** Fewer go one by one. */
const KERNEL_ROWS = 4;
/** The upper half of the NaN that a leaf has for a threshold: no value is above it. The lower half is its number. */
const LEAF = 0x7ff80000;

export class Forest {
  readonly trees: number;
  readonly #features: number;
  /** Addresses of the first nodes. */
  readonly #roots: Int32Array;
  /** Levels of splits of each tree. */
  readonly #depths: Int32Array;
  readonly #kernel: ForestKernel;
  /** Views of the memory: nodes, a block of rows, their leaves. */
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #blockAt: number;
  readonly #blockRows: number;
  readonly #leaves: Int32Array;
  /** By node. */
  readonly #kinds: Uint8Array;
  readonly #categories = new Map<number, Uint32Array>();
  /** No split but by thresholds. */
  readonly #isPlain: boolean;

  /** @throws Error when a tree is none: a child that is missing, out of range or has two parents. */
  constructor(trees: readonly Tree[], features: number) {
    const size = trees.reduce((sum, nodes) => sum + nodes.length, 0);
    this.trees = trees.length;
    this.#features = features;
    this.#roots = new Int32Array(trees.length);
    this.#depths = new Int32Array(trees.length);
    this.#kinds = new Uint8Array(size);
    this.#blockAt = size * NODE_BYTES;
    const rowBytes = Math.max(features, 1) * 8;
    this.#blockRows = Math.max(1, Math.min(BLOCK_ROWS, Math.floor(MAX_BLOCK_BYTES / rowBytes)));
    const rooms = this.#blockRows + LANES;
    const leavesAt = this.#blockAt + rooms * rowBytes;
    const { kernel, memory } = forestKernel(leavesAt + rooms * 4);
    this.#kernel = kernel;
    this.#words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.#leaves = new Int32Array(memory, leavesAt, rooms);
    let next = 0;
    for (const [i, tree] of trees.entries()) {
      this.#roots[i] = next * NODE_BYTES;
      try {
        next = this.#place(i, tree, next);
      } catch (error) {
        throw new Error(`tree ${i}: ${(error as Error).message}`);
      }
    }
    this.#isPlain = this.#kinds.every((kind) => kind <= Split.NanRight);
  }

  /** Breadth first, so that siblings are neighbours and the upper levels share cache lines. */
  #place(tree: number, nodes: Tree, start: number): number {
    const places = new Map<number, number>([[0, start]]);
    let level = [0];
    let next = start + 1;
    for (let depth = 0; level.length > 0; depth++) {
      const below: number[] = [];
      this.#depths[tree] = depth;
      for (const number of level) {
        const node = nodes[number];
        const place = places.get(number) as number;
        if (node === undefined) throw new Error(`there is no node ${number}`);
        if (node.leaf !== undefined) {
          this.#putLeaf(place, node.leaf);
          continue;
        }
        const { left = -1, right = -1 } = node;
        if (places.has(left) || places.has(right) || left === right) {
          throw new Error(`node ${number} shares a child with another`);
        }
        this.#putSplit(place, node, next);
        places.set(left, next++);
        places.set(right, next++);
        below.push(left, right);
      }
      level = below;
    }
    return next;
  }

  /** Its left child is itself: it leads nowhere else, however many steps are taken. */
  #putLeaf(place: number, leaf: number): void {
    const at = (place * NODE_BYTES) / 4;
    this.#words[at] = leaf;
    this.#words[at + 1] = LEAF;
    this.#words[at + LEFT_AT / 4] = place * NODE_BYTES;
  }

  #putSplit(place: number, node: TreeNode, left: number): void {
    const { feature = -1, threshold = 0, kind = 0, categories } = node;
    if (!(feature >= 0 && feature < this.#features)) {
      throw new Error(`it splits feature ${feature} of ${this.#features}`);
    }
    const at = (place * NODE_BYTES) / 4;
    this.#doubles[at / 2] = threshold;
    this.#words[at + COLUMN_AT / 4] = feature * 8;
    this.#words[at + LEFT_AT / 4] = left * NODE_BYTES;
    this.#kinds[place] = kind;
    if (categories !== undefined) this.#categories.set(place, bitset(categories));
  }

  /** Takes the rows through all trees in order; `visit` gets each tree's leaves, that of row `start` first. */
  descend(matrix: Matrix, visit: (tree: number, block: Block) => void): void {
    const { rows, width, data } = matrix;
    for (let start = 0; start < rows; start += this.#blockRows) {
      const end = Math.min(start + this.#blockRows, rows);
      const block = { start, end, leaves: this.#leaves };
      const values = data.subarray(start * width, end * width);
      const isFast = this.#isPlain && end - start >= KERNEL_ROWS && isComplete(values);
      if (isFast) this.#doubles.set(values, this.#blockAt / 8);
      for (let tree = 0; tree < this.trees; tree++) {
        if (isFast) this.#descendBlock(tree, end - start, width);
        else this.#descendRows(tree, values, width);
        visit(tree, block);
      }
    }
  }

  #descendBlock(tree: number, rows: number, width: number): void {
    const root = this.#roots[tree] as number;
    const depth = this.#depths[tree] as number;
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
    const root = this.#roots[tree] as number;
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
    const kind = this.#kinds[node >> 4] as number;
    const isZeroMissing = kind === Split.ZeroLeft || kind === Split.ZeroRight;
    if (Number.isNaN(value) || (isZeroMissing && value === 0)) return (kind & 1) === 1;
    if (kind < Split.CategoryNanLeft) return value >= (this.#doubles[node >> 3] as number);
    return isIn(this.#categories.get(node >> 4) as Uint32Array, value);
  }
}

function isComplete(values: Float64Array): boolean {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) return false;
  return true;
}

/** `value <= threshold` is `value < nextUp(threshold)`, for every finite double. */
export function nextUp(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  if (!Number.isFinite(value)) return value;
  DOUBLE[0] = value;
  BITS[0] = (BITS[0] as bigint) + (value > 0 ? 1n : -1n);
  return DOUBLE[0];
}

const DOUBLE = new Float64Array(1);
const BITS = new BigInt64Array(DOUBLE.buffer);

function bitset(categories: Iterable<number>): Uint32Array {
  const members = [...categories];
  const outlier = members.find((member) => !(member >= 0 && member < MAX_CATEGORY));
  if (outlier !== undefined) throw new Error(`category ${outlier} is out of range`);
  const largest = members.reduce((max, member) => Math.max(max, member), 0);
  const bits = new Uint32Array((largest >>> 5) + 1);
  for (const member of members) {
    bits[member >>> 5] = (bits[member >>> 5] as number) | (1 << (member & 31));
  }
  return bits;
}

function isIn(bits: Uint32Array, value: number): boolean {
  const category = Math.trunc(value);
  if (!(value >= 0 && category < bits.length * 32)) return false;
  return (((bits[category >>> 5] as number) >>> (category & 31)) & 1) === 1;
}
