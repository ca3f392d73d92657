/**
 * Lays out decision trees in flat memory, for all frameworks alike. A split sends a row right when its value is not
 * below the threshold, in double precision; the readers of XGBoost, LightGBM and scikit-learn put their own rules into
 * these terms.
 */
import { sharedMemory } from '../../platform/webassembly/module.ts';
import { COLUMN_AT, LANES, LEFT_AT, NODE_BYTES } from './forest-layout.ts';

/** Kinds of splits. The odd ones send a missing value right, the even ones left. */
export const Split = {
  /** Compares with the threshold; NaN is missing. */
  NanLeft: 0,
  NanRight: 1,
  /** Compares with the threshold; NaN and zero are missing (LightGBM's zero_as_missing). */
  ZeroLeft: 2,
  ZeroRight: 3,
  /** Sends the value right when it is in the split's set, cut to a whole number; NaN is missing. */
  CategoryNanLeft: 4,
  CategoryNanRight: 5,
} as const;

/** A kind of split: one of the values of `Split`. */
export type SplitKind = (typeof Split)[keyof typeof Split];

/** A tree as its reader found it. The first node is the root, and children are told by their index. */
export type Tree = readonly TreeNode[];

/** A node of a tree: a leaf, which has nothing but its number, or a split. */
export interface TreeNode {
  /** Number by which the leaf's values are found. */
  readonly leaf?: number;
  /** Column that the split looks at. */
  readonly feature?: number;
  readonly threshold?: number;
  readonly kind?: SplitKind;
  /** Categories that go right. */
  readonly categories?: Iterable<number>;
  /** Index of the left child. */
  readonly left?: number;
  /** Index of the right child. */
  readonly right?: number;
}

/** Trees in memory that threads can share, with a place for the rows and leaves of each thread. */
export interface ForestMemory {
  readonly memory: WebAssembly.Memory;
  /** Number of trees. */
  readonly trees: number;
  /** Address of each tree's first node. */
  readonly roots: Int32Array;
  /** Number of levels of splits of each tree. */
  readonly depths: Int32Array;
  /** Kind of each node's split, by the node's number in memory. */
  readonly kinds: Uint8Array;
  /** Categories that go right, as bits, by the node's number in memory. */
  readonly categories: ReadonlyMap<number, Uint32Array>;
  /** Number of rows that go through the trees together. */
  readonly blockRows: number;
  /** Address of the first thread's place. A place has a block of rows, and then their leaves. */
  readonly placesAt: number;
  /** Size of a thread's place. */
  readonly placeBytes: number;
  /** Size of a row. */
  readonly rowBytes: number;
}

/** First category that is out of range. The limit is XGBoost's, because float32 counts no further. */
const MAX_CATEGORY = 2 ** 24;
/** Number of rows of a block: few enough to stay in the first-level cache while tree after tree goes over them. */
const BLOCK_ROWS = 64;
/** Largest size of a block. Wider rows would not stay in a cache anyway. */
const MAX_BLOCK_BYTES = 4 << 20;
/** Largest memory of WebAssembly. */
const MAX_BYTES = 2 ** 32;
/** Upper half of the NaN that a leaf has for a threshold: no value is above it. The lower half is the leaf's number. */
const LEAF = 0x7ff80000;

/** Sizes that the memory is made for. */
interface Sizes {
  /** Number of columns of a row. */
  readonly features: number;
  /** Number of threads that take rows through the trees at the same time. */
  readonly threads: number;
}

/**
 * Lays out trees in memory.
 * @throws Error when the trees are too many, or one is broken: a child is missing, is out of range or has two parents.
 */
export function layOutTrees(trees: readonly Tree[], { features, threads }: Sizes): ForestMemory {
  const size = trees.reduce((sum, nodes) => sum + nodes.length, 0);
  const rowBytes = Math.max(features, 1) * 8;
  const blockRows = Math.max(1, Math.min(BLOCK_ROWS, Math.floor(MAX_BLOCK_BYTES / rowBytes)));
  const placesAt = size * NODE_BYTES;
  const placeBytes = (blockRows + LANES) * (rowBytes + 8);
  const bytes = placesAt + threads * placeBytes;
  if (bytes > MAX_BYTES) {
    throw new Error(`its ${size} nodes and ${features} features take more than 4 GiB`);
  }
  const memory = sharedMemory(bytes);
  const writer = new ForestWriter({ memory, features, size, trees: trees.length });
  trees.forEach((tree, i) => {
    writer.write(i, tree);
  });
  return {
    memory,
    trees: trees.length,
    roots: writer.roots,
    depths: writer.depths,
    kinds: writer.kinds,
    categories: writer.categories,
    blockRows,
    placesAt,
    placeBytes,
    rowBytes,
  };
}

/** Writes trees to memory, one behind the other. */
class ForestWriter {
  readonly roots: Int32Array;
  readonly depths: Int32Array;
  readonly kinds: Uint8Array;
  readonly categories = new Map<number, Uint32Array>();
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #features: number;
  /** Number in memory of the next node. */
  #next = 0;

  constructor(room: { memory: WebAssembly.Memory; features: number; size: number; trees: number }) {
    this.#features = room.features;
    this.roots = new Int32Array(room.trees);
    this.depths = new Int32Array(room.trees);
    this.kinds = new Uint8Array(new SharedArrayBuffer(room.size));
    this.#words = new Int32Array(room.memory.buffer);
    this.#doubles = new Float64Array(room.memory.buffer);
  }

  /** Writes the next tree. @throws Error that names the tree, when it is broken. */
  write(tree: number, nodes: Tree): void {
    this.roots[tree] = this.#next * NODE_BYTES;
    try {
      this.#next = this.#writeLevels(tree, nodes, this.#next);
    } catch (error) {
      throw new Error(`tree ${tree}: ${(error as Error).message}`);
    }
  }

  /**
   * Writes nodes level by level, so that siblings are neighbours and the upper levels share cache lines.
   * @param start number in memory of the root
   * @returns the number in memory that follows the tree
   */
  #writeLevels(tree: number, nodes: Tree, start: number): number {
    const places = new Map<number, number>([[0, start]]);
    let level = [0];
    let next = start + 1;
    for (let depth = 0; level.length > 0; depth++) {
      const below: number[] = [];
      this.depths[tree] = depth;
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

  /** Writes a leaf. Its left child is itself, so that a row stays there, however many steps it takes. */
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
    this.kinds[place] = kind;
    if (categories !== undefined) this.categories.set(place, bitset(categories));
  }
}

/** Returns the double that follows a finite one: `value <= threshold` is `value < nextUp(threshold)`. */
export function nextUp(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  if (!Number.isFinite(value)) return value;
  DOUBLE[0] = value;
  BITS[0] = (BITS[0] as bigint) + (value > 0 ? 1n : -1n);
  return DOUBLE[0];
}

const DOUBLE = new Float64Array(1);
const BITS = new BigInt64Array(DOUBLE.buffer);

/** Returns a set of categories as bits of 32-bit words. @throws Error when one is out of range. */
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
