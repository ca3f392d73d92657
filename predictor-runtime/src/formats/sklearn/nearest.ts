/**
 * Finds the samples that are nearest to a row as scikit-learn does (sklearn.neighbors), by brute force or along its
 * trees, so that the choice between samples that are equally far is its choice, too.
 */
import { dot, rowsOf } from './kernels.ts';

/** A distance: how the difference of a column is added to a sum, and the distance of the sum and back. */
interface Metric {
  readonly add: (sum: number, difference: number) => number;
  readonly ofSum: (sum: number) => number;
  readonly toSum: (distance: number) => number;
}

const same = (value: number) => value;

/** Metrics by their names. Distances are compared by their sums. */
export const METRICS = {
  euclidean: {
    add: (sum, difference) => sum + difference * difference,
    ofSum: Math.sqrt,
    toSum: (distance) => distance * distance,
  },
  manhattan: { add: (sum, difference) => sum + difference, ofSum: same, toSum: same },
  chebyshev: { add: Math.max, ofSum: same, toSum: same },
} as const satisfies Record<string, Metric>;

/** Samples in row-major order. */
export interface Samples {
  readonly data: Float64Array;
  readonly width: number;
}

/** Nearest samples, in no order: their indices and their distances. */
export interface Nearest {
  readonly indices: readonly number[];
  readonly distances: readonly number[];
}

/** Finds the samples that are nearest to a row; undefined where it is open which they are. */
export type Search = (row: Float64Array) => Nearest | undefined;

/** The number and the metric of the samples that a search looks for. */
interface Sought {
  /** Number of samples. */
  readonly k: number;
  readonly metric: Metric;
  /** False where scikit-learn's choice between samples that are equally far hangs on NumPy's release and the processor. */
  readonly isDecided?: boolean;
}

/** A heap of the k smallest sums, of which the largest is on top. Places that nothing took hold sample 0. */
class Heap {
  readonly sums: Float64Array;
  readonly indices: Float64Array;

  /** Makes an empty heap. @param above the sum that a place has before something takes it */
  constructor(size: number, above: number) {
    this.sums = new Float64Array(size).fill(above);
    this.indices = new Float64Array(size);
  }

  /** Takes a sum in the place of the largest, if it is smaller. */
  push(sum: number, index: number): void {
    const { sums, indices } = this;
    if (sum >= (sums[0] as number)) return;
    let at = 0;
    for (;;) {
      const child = this.#largerChild(at);
      if (!(sum < (sums[child] ?? Number.NEGATIVE_INFINITY))) break;
      sums[at] = sums[child] as number;
      indices[at] = indices[child] as number;
      at = child;
    }
    sums[at] = sum;
    indices[at] = index;
  }

  #largerChild(at: number): number {
    const left = 2 * at + 1;
    return (this.sums[left + 1] ?? Number.NaN) > (this.sums[left] as number) ? left + 1 : left;
  }

  nearest(metric: Metric): Nearest {
    return {
      indices: Array.from(this.indices),
      distances: Array.from(this.sums, metric.ofSum),
    };
  }
}

/** Adds up the differences of a row and the values that begin at an index. */
function sumOf(row: Float64Array, values: Float64Array, start: number, metric: Metric): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) {
    sum = metric.add(sum, Math.abs((row[i] as number) - (values[start + i] as number)));
  }
  return sum;
}

/** Makes a search that looks at all samples. */
export function bruteSearch({ data, width }: Samples, { k, metric, isDecided }: Sought): Search {
  const samples = rowsOf(data, width);
  const norms = samples.map((sample) => dot(sample, sample));
  return (row) => {
    const norm = dot(row, row);
    const sums = samples.map((sample, i) => {
      if (metric !== METRICS.euclidean) return sumOf(row, data, i * width, metric);
      // scikit-learn's formula for squared distances, which beside large numbers takes many for equal.
      const square = norm - 2 * dot(row, sample) + (norms[i] as number);
      return square > 0 ? square : 0;
    });
    const heap = new Heap(k, Number.MAX_VALUE);
    sums.forEach((sum, i) => {
      heap.push(sum, i);
    });
    const isWithin = (sum: number) => sum <= (heap.sums[0] as number);
    const isOpen = !isDecided && sums.filter(isWithin).length !== k;
    return isOpen ? undefined : heap.nearest(metric);
  };
}

/** A tree of samples, as scikit-learn keeps it. */
export interface SampleTree extends Samples {
  /** Indices of the samples, so that those of a node are beside each other. */
  readonly order: ArrayLike<number>;
  /** Number of nodes; the children of node n are 2n + 1 and 2n + 2. */
  readonly nodes: number;
  /** The least and the largest values of each node, or its centre. */
  readonly bounds: Float64Array;
  readonly kind: 'kd_tree' | 'ball_tree';
}

/** The part of a tree's order that a node has. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** Returns the part of the order that each node has: its children share it in halves. */
function rangesOf({ order, nodes }: SampleTree): Range[] {
  const ranges: Range[] = [{ start: 0, end: order.length }];
  for (let node = 0; 2 * node + 2 < nodes; node++) {
    const { start, end } = ranges[node] as Range;
    const middle = start + Math.floor((end - start) / 2);
    ranges.push({ start, end: middle }, { start: middle, end });
  }
  return ranges;
}

/** Returns the least sum that a row can have to a sample of a node. */
type LeastSum = (row: Float64Array, node: number) => number;

function leastSumOfBox({ bounds, nodes, width }: SampleTree, metric: Metric): LeastSum {
  return (row, node) => {
    let sum = 0;
    for (let i = 0; i < width; i++) {
      const value = row[i] as number;
      const below = (bounds[node * width + i] as number) - value;
      const above = value - (bounds[(nodes + node) * width + i] as number);
      sum = metric.add(sum, Math.max(below, 0) + Math.max(above, 0));
    }
    return sum;
  };
}

function leastSumOfBall(tree: SampleTree, ranges: readonly Range[], metric: Metric): LeastSum {
  const { bounds, data, order, width } = tree;
  const radii = ranges.map(({ start, end }, node) => {
    let radius = 0;
    for (let at = start; at < end; at++) {
      const first = (order[at] as number) * width;
      const sample = data.subarray(first, first + width);
      radius = Math.max(radius, sumOf(sample, bounds, node * width, metric));
    }
    return metric.ofSum(radius);
  });
  return (row, node) => {
    const distance = metric.ofSum(sumOf(row, bounds, node * width, metric));
    return metric.toSum(Math.max(0, distance - (radii[node] as number)));
  };
}

/** Makes a search along a tree, which goes to the nearer child of a node first. */
export function treeSearch(tree: SampleTree, { k, metric }: Sought): Search {
  const { data, order, width, nodes, kind } = tree;
  const ranges = rangesOf(tree);
  const least =
    kind === 'kd_tree' ? leastSumOfBox(tree, metric) : leastSumOfBall(tree, ranges, metric);
  const visit = (row: Float64Array, heap: Heap, node: number, sum: number): void => {
    if (sum > (heap.sums[0] as number)) return;
    const left = 2 * node + 1;
    if (left >= nodes) {
      const { start, end } = ranges[node] as Range;
      for (let at = start; at < end; at++) {
        const index = order[at] as number;
        heap.push(sumOf(row, data, index * width, metric), index);
      }
      return;
    }
    const [first, second] = [least(row, left), least(row, left + 1)];
    if (first <= second) visit(row, heap, left, first);
    visit(row, heap, left + 1, second);
    if (!(first <= second)) visit(row, heap, left, first);
  };
  return (row) => {
    const heap = new Heap(k, Number.POSITIVE_INFINITY);
    visit(row, heap, 0, least(row, 0));
    return heap.nearest(metric);
  };
}
