/** Reads the fitted trees of scikit-learn's estimators, and adds up their values (sklearn.tree). */
import { addLeaves, Forest, type LeafValues } from '../forest/forest.ts';
import { nextUp, Split, type Tree, type TreeNode } from '../forest/forest-memory.ts';
import type { Matrix } from '../table.ts';
import type { WeightStore } from '../weight-store.ts';
import type { Fitted } from './fitted.ts';

/** A fitted tree: its splits, and the values of its nodes. */
export interface Grown {
  readonly tree: Tree;
  /** Values of the nodes: `values[(node * outputs + output) * width + i]`. */
  readonly values: Float64Array;
  /** Number of values of a node's output: its classes, or 1. */
  readonly width: number;
  /** Number of outputs. */
  readonly outputs: number;
}

/** Reads `tree_` of a fitted tree. @throws Error when a column is missing. */
export function readGrown(fitted: Fitted): Grown {
  const grown = fitted.within(fitted.get('tree_'));
  const fields = grown.array('nodes').fields;
  const column = (name: string, fallback?: Float64Array) => {
    const data = fields?.get(name)?.data ?? fallback;
    if (data instanceof Float64Array) return data;
    throw new Error(`${fitted.name}.tree_ has no ${name}`);
  };
  const left = column('left_child');
  const right = column('right_child');
  const feature = column('feature');
  const threshold = column('threshold');
  // The column is there since 1.3. Before, scikit-learn refused missing values.
  const missingLeft = column('missing_go_to_left', new Float64Array(left.length));
  const nodes = Array.from(
    left,
    (child, i): TreeNode =>
      child === -1
        ? { leaf: i }
        : {
            left: child,
            right: right[i] as number,
            feature: feature[i] as number,
            threshold: nextUp(threshold[i] as number),
            kind: missingLeft[i] ? Split.NanLeft : Split.NanRight,
          },
  );
  const { shape } = grown.array('values');
  const [, outputs = 1, width = 1] = shape;
  return { tree: nodes, values: grown.numbers('values'), width, outputs };
}

/** Returns features in single precision, in which trees split. */
export function singlePrecision(matrix: Matrix): Matrix {
  return { ...matrix, data: matrix.data.map(Math.fround) };
}

/** The sizes of the rows and sums of `leafAdder`, and the factor of what it adds. */
export interface AdderOptions {
  /** Number of features. */
  readonly features: number;
  /** Store that shares the trees with other threads. */
  readonly store: WeightStore;
  /** Number of sums of a row. */
  readonly width: number;
  /** Factor of each value; 1 unless it is given. */
  readonly rate?: number;
}

/**
 * Makes a function that adds the trees' values to the sums of rows. A tree whose leaves have `width` values adds to all
 * sums; trees of one value add to the sums in turn.
 */
export function leafAdder(
  members: readonly Grown[],
  { features, store, width, rate = 1 }: AdderOptions,
): (matrix: Matrix, sums: Float64Array) => void {
  const forest = new Forest(() => members.map(({ tree }) => tree), { features, store });
  const values = store.list(members.map((grown) => grown.values.map((value) => rate * value)));
  const added = members.map((grown, tree) => {
    const size = grown.width * grown.outputs;
    const at = size === width ? 0 : tree % width;
    return { values: values[tree] as Float64Array, size, width, at };
  });
  return (matrix, sums) => {
    forest.descend(matrix, (tree, block) => addLeaves(sums, block, added[tree] as LeafValues));
  };
}
