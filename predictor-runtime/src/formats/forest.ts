/**
 * Decision trees as flat arrays, whoever grew them. A split sends a row right when its value is not below the threshold,
 * in double precision; the readers of XGBoost, LightGBM and scikit-learn put their own rules into these terms.
 */

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

/** One tree as its reader found it; children are node numbers, and a leaf has none. */
export interface Tree {
  readonly nodes: readonly TreeNode[];
}

export interface TreeNode {
  readonly leaf?: number;
  readonly feature?: number;
  readonly threshold?: number;
  readonly kind?: SplitKind;
  readonly categories?: Iterable<number>;
  readonly left?: number;
  readonly right?: number;
}

/** No category beyond: XGBoost's own limit, 2^24, as float32 counts no further. */
export const MAX_CATEGORY = 2 ** 24;

export class Forest {
  readonly trees: number;
  /** The first node of each tree. */
  readonly #roots: Int32Array;
  /** Of a split: its column. Of a leaf: ~(the leaf's number, as its tree gave it). */
  readonly #feature: Int32Array;
  readonly #threshold: Float64Array;
  /** The right child comes after the left one. */
  readonly #left: Int32Array;
  readonly #kind: Uint8Array;
  /** The sets of category splits, by node. */
  readonly #categories = new Map<number, Uint32Array>();
  /** No split but by thresholds. */
  readonly #isPlain: boolean;

  /** @throws Error when a tree is none: a child that is missing, out of range or has two parents. */
  constructor(trees: readonly Tree[], features: number) {
    const size = trees.reduce((sum, { nodes }) => sum + nodes.length, 0);
    this.trees = trees.length;
    this.#roots = new Int32Array(trees.length);
    this.#feature = new Int32Array(size);
    this.#threshold = new Float64Array(size);
    this.#left = new Int32Array(size);
    this.#kind = new Uint8Array(size);
    let next = 0;
    for (const [i, tree] of trees.entries()) {
      this.#roots[i] = next;
      try {
        next = this.#place(tree, next, features);
      } catch (error) {
        throw new Error(`tree ${i}: ${(error as Error).message}`);
      }
    }
    this.#isPlain = this.#kind.every((kind) => kind <= Split.NanRight);
  }

  /** Breadth first, so that siblings are neighbours and the upper levels share cache lines. */
  #place({ nodes }: Tree, start: number, features: number): number {
    const places = new Map<number, number>([[0, start]]);
    const order = [0];
    let next = start + 1;
    for (const number of order) {
      const node = nodes[number];
      const place = places.get(number) as number;
      if (node === undefined) throw new Error(`there is no node ${number}`);
      if (node.leaf !== undefined) {
        this.#feature[place] = ~node.leaf;
        continue;
      }
      const { left = -1, right = -1, feature = -1 } = node;
      if (!(feature >= 0 && feature < features)) {
        throw new Error(`node ${number} splits feature ${feature} of ${features}`);
      }
      if (places.has(left) || places.has(right) || left === right) {
        throw new Error(`node ${number} shares a child with another`);
      }
      this.#putSplit(place, node);
      this.#left[place] = next;
      places.set(left, next++);
      places.set(right, next++);
      order.push(left, right);
    }
    return next;
  }

  #putSplit(place: number, { feature = 0, threshold = 0, kind = 0, categories }: TreeNode): void {
    this.#feature[place] = feature;
    this.#threshold[place] = threshold;
    this.#kind[place] = kind;
    if (categories !== undefined) this.#categories.set(place, bitset(categories));
  }

  /** The number of the leaf of `tree` that each row of the block comes to, in `leaves`. */
  descend(tree: number, { data, width }: Matrix, { start, end, plain, leaves }: Block): void {
    const root = this.#roots[tree] as number;
    if (plain && this.#isPlain) this.#descendPlain(root, data, width, start, end, leaves);
    else {
      for (let row = start; row < end; row++) {
        leaves[row - start] = this.#descendRow(root, data, row * width);
      }
    }
  }

  /** Two rows at a time: one's loads go on while the other's are awaited. */
  #descendPlain(
    root: number,
    data: Float64Array,
    width: number,
    start: number,
    end: number,
    leaves: Int32Array,
  ): void {
    const features = this.#feature;
    const thresholds = this.#threshold;
    const lefts = this.#left;
    for (let row = start; row < end; row++) {
      const base = row * width;
      let node = root;
      let feature = features[node] as number;
      while (feature >= 0) {
        const isRight = (data[base + feature] as number) >= (thresholds[node] as number);
        node = (lefts[node] as number) + (isRight ? 1 : 0);
        feature = features[node] as number;
      }
      leaves[row - start] = ~feature;
    }
  }

  #descendRow(root: number, data: Float64Array, base: number): number {
    let node = root;
    let feature = this.#feature[node] as number;
    while (feature >= 0) {
      const value = data[base + feature] as number;
      node = (this.#left[node] as number) + (this.#goesRight(node, value) ? 1 : 0);
      feature = this.#feature[node] as number;
    }
    return ~feature;
  }

  #goesRight(node: number, value: number): boolean {
    const kind = this.#kind[node] as number;
    const isMissing =
      Number.isNaN(value) || (value === 0 && kind >= Split.ZeroLeft && kind <= Split.ZeroRight);
    if (isMissing) return (kind & 1) === 1;
    if (kind < Split.CategoryNanLeft) return value >= (this.#threshold[node] as number);
    return isIn(this.#categories.get(node) as Uint32Array, value);
  }
}

/** Rows that go through the trees together. */
export interface Block {
  readonly start: number;
  readonly end: number;
  /** None of them has a missing value. */
  readonly plain: boolean;
  readonly leaves: Int32Array;
}

/** Few enough rows to stay in the first-level cache while tree after tree goes over them. */
const BLOCK_ROWS = 64;
const leaves = new Int32Array(BLOCK_ROWS);

/** Takes the rows through all trees in order; `visit` gets each tree's leaves, those of row `start` first. */
export function descendAll(
  forest: Forest,
  matrix: Matrix,
  visit: (tree: number, block: Block) => void,
): void {
  for (let start = 0; start < matrix.rows; start += BLOCK_ROWS) {
    const end = Math.min(start + BLOCK_ROWS, matrix.rows);
    const block = { start, end, plain: isComplete(matrix, start, end), leaves };
    for (let tree = 0; tree < forest.trees; tree++) {
      forest.descend(tree, matrix, block);
      visit(tree, block);
    }
  }
}

function isComplete({ data, width }: Matrix, start: number, end: number): boolean {
  for (let i = start * width; i < end * width; i++) if (Number.isNaN(data[i])) return false;
  return true;
}

/** `value <= threshold` is `value < nextUp(threshold)`, for every double. */
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
  const bits = new Uint32Array((members.reduce((max, one) => Math.max(max, one), 0) >>> 5) + 1);
  for (const member of members) {
    if (!(member >= 0 && member < MAX_CATEGORY))
      throw new Error(`category ${member} is out of range`);
    bits[member >>> 5] = (bits[member >>> 5] as number) | (1 << (member & 31));
  }
  return bits;
}

function isIn(bits: Uint32Array, value: number): boolean {
  const category = Math.trunc(value);
  if (!(category >= 0 && value >= 0 && category < bits.length * 32)) return false;
  return (((bits[category >>> 5] as number) >>> (category & 31)) & 1) === 1;
}
