/**
 * Decision trees laid out in flat memory, whoever grew them. A split sends a row right when its value is not below the
 * threshold, in double precision; the readers of XGBoost, LightGBM and scikit-learn put their own rules into these terms.
 */
import { sharedMemory } from '../../platform/webassembly/module.ts';
import { COLUMN_AT, LANES, LEFT_AT, NODE_BYTES } from './forest-layout.ts';

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

/** Trees in memory that threads can share, with a place for the rows and leaves of each thread. */
export interface Planted {
  readonly memory: WebAssembly.Memory;
  readonly trees: number;
  /** Addresses of the first nodes. */
  readonly roots: Int32Array;
  /** Levels of splits of each tree. */
  readonly depths: Int32Array;
  /** By node. */
  readonly kinds: Uint8Array;
  readonly categories: ReadonlyMap<number, Uint32Array>;
  /** Rows that go through the trees together. */
  readonly blockRows: number;
  /** Where the threads' places begin, and how long one is: a block of rows of `rowBytes`, then their leaves. */
  readonly placesAt: number;
  readonly placeBytes: number;
  readonly rowBytes: number;
}

/** No category beyond: XGBoost's own limit, as float32 counts no further. */
const MAX_CATEGORY = 2 ** 24;
/** Few enough rows to stay in the first-level cache while tree after tree goes over them. */
const BLOCK_ROWS = 64;
/** Of a block, where rows are so wide that nothing would stay in a cache anyway. */
const MAX_BLOCK_BYTES = 4 << 20;
/** The upper half of the NaN that a leaf has for a threshold: no value is above it. The lower half is its number. */
const LEAF = 0x7ff80000;

export interface Plan {
  /** Columns of a row. */
  readonly features: number;
  /** Threads that take rows through the trees at the same time. */
  readonly threads: number;
}

/** @throws Error when a tree is none: a child that is missing, out of range or has two parents. */
export function plant(trees: readonly Tree[], { features, threads }: Plan): Planted {
  const size = trees.reduce((sum, nodes) => sum + nodes.length, 0);
  const rowBytes = Math.max(features, 1) * 8;
  const blockRows = Math.max(1, Math.min(BLOCK_ROWS, Math.floor(MAX_BLOCK_BYTES / rowBytes)));
  const placesAt = size * NODE_BYTES;
  const placeBytes = (blockRows + LANES) * (rowBytes + 8);
  const memory = sharedMemory(placesAt + threads * placeBytes);
  const planter = new Planter({ memory, features, size, trees: trees.length });
  trees.forEach((tree, i) => {
    planter.place(i, tree);
  });
  const { roots, depths, kinds, categories } = planter;
  return {
    ...{ memory, trees: trees.length, roots, depths, kinds, categories },
    ...{ blockRows, placesAt, placeBytes, rowBytes },
  };
}

class Planter {
  readonly roots: Int32Array;
  readonly depths: Int32Array;
  readonly kinds: Uint8Array;
  readonly categories = new Map<number, Uint32Array>();
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #features: number;
  #next = 0;

  constructor(room: { memory: WebAssembly.Memory; features: number; size: number; trees: number }) {
    this.#features = room.features;
    this.roots = new Int32Array(room.trees);
    this.depths = new Int32Array(room.trees);
    this.kinds = new Uint8Array(new SharedArrayBuffer(room.size));
    this.#words = new Int32Array(room.memory.buffer);
    this.#doubles = new Float64Array(room.memory.buffer);
  }

  place(tree: number, nodes: Tree): void {
    this.roots[tree] = this.#next * NODE_BYTES;
    try {
      this.#next = this.#place(tree, nodes, this.#next);
    } catch (error) {
      throw new Error(`tree ${tree}: ${(error as Error).message}`);
    }
  }

  /** Breadth first, so that siblings are neighbours and the upper levels share cache lines. */
  #place(tree: number, nodes: Tree, start: number): number {
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
    this.kinds[place] = kind;
    if (categories !== undefined) this.categories.set(place, bitset(categories));
  }
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
