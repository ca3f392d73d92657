/**
 * Evaluates XGBoost models with the same bits as XGBoost: margins begin with the base score and add the trees in order,
 * and each sum is rounded to single precision (src/predictor/cpu_predictor.cc, src/gbm/gblinear.cc).
 */
import { addLeaves, Forest, type LeafValues } from '../forest/forest.ts';
import { Split, type SplitKind, type Tree, type TreeNode } from '../forest/forest-memory.ts';
import type { Matrix } from '../table.ts';
import { numericOutput, type TabularModel } from '../tabular-model.ts';
import { WeightStore } from '../weight-store.ts';
import {
  type Numbers,
  parseXgboostFile,
  type XgboostBooster,
  type XgboostFile,
  type XgboostTree,
} from './xgboost-file.ts';
import { type XgboostObjective, xgboostObjective } from './xgboost-objective.ts';

const { fround } = Math;

type Trees = Extract<XgboostBooster, { readonly trees: unknown }>;

/** Adds to the margins of all rows, in place, what their features make. Each row has a margin for each group. */
type Booster = (matrix: Matrix, margins: Float32Array) => void;

interface BoosterOptions {
  /** Number of features. */
  readonly features: number;
  /** Number of margins of a row. */
  readonly groups: number;
  readonly store: WeightStore;
}

/**
 * Opens a model from its file.
 * @throws Error when the bytes are no model of XGBoost, or one that is not evaluated here.
 */
export function openXgboost(bytes: Buffer, store = WeightStore.unshared()): TabularModel {
  const file = parseXgboostFile(bytes);
  const { groups, features, featureNames } = file;
  const objective = xgboostObjective(file.objective);
  const boost =
    file.booster.name === 'gblinear'
      ? linearBooster(file.booster.weights, { features, groups, store })
      : treeBooster(file.booster, { features, groups, store });
  const base = startMargins(file, objective);

  function margins(matrix: Matrix): Float32Array {
    const values = new Float32Array(matrix.rows * groups);
    for (let i = 0; i < values.length; i++) values[i] = base[i % groups] as number;
    boost({ ...matrix, data: singlePrecision(matrix.data) }, values);
    return values;
  }

  function predict(matrix: Matrix): Float32Array {
    const values = margins(matrix);
    if (objective.isClass) return bestGroups(values, groups);
    for (let i = 0; i < values.length; i += groups) {
      objective.transform(values.subarray(i, i + groups));
    }
    return values;
  }

  const output = (name: string, width: number, of: (matrix: Matrix) => Float32Array) =>
    numericOutput({ name, datatype: 'FP32', width }, of);
  return {
    platform: 'xgboost',
    features,
    columns: featureNames.length === features ? featureNames : undefined,
    datatype: 'FP32',
    outputs: [
      output('predict', objective.isClass ? 1 : groups, predict),
      output('margin', groups, margins),
    ],
  };
}

/**
 * Returns the margins that rows begin with. gblinear starts every margin from the first score (XGBoost 3.x,
 * src/gbm/gblinear.cc).
 */
function startMargins(file: XgboostFile, objective: XgboostObjective): number[] {
  const { baseScore, groups, booster } = file;
  if (baseScore.length !== 1 && baseScore.length !== groups) {
    throw new Error(`its base_score has ${baseScore.length} values for ${groups} outputs`);
  }
  const starts = baseScore.map(objective.toMargin);
  const isShared = starts.length !== groups || booster.name === 'gblinear';
  return isShared ? new Array(groups).fill(starts[0]) : starts;
}

/** Returns features rounded to single precision. */
function singlePrecision(data: Float64Array): Float64Array {
  const single = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) single[i] = fround(data[i] as number);
  return single;
}

/** Returns the number of the group with the largest margin of each row. */
function bestGroups(margins: Float32Array, groups: number): Float32Array {
  const best = new Float32Array(margins.length / groups);
  for (let row = 0; row < best.length; row++) {
    const own = margins.subarray(row * groups, (row + 1) * groups);
    best[row] = own.indexOf(own.reduce((most, margin) => Math.max(most, margin)));
  }
  return best;
}

/** Makes a booster of weights. It adds the bias first, then the features that are there, in order. */
function linearBooster(weights: Numbers, { features, groups, store }: BoosterOptions): Booster {
  if (weights.length !== (features + 1) * groups) {
    throw new Error(`it has ${weights.length} weights for ${features} features`);
  }
  const weight = store.numbers(Float32Array.from(weights as ArrayLike<number>));
  return ({ rows, width, data }, margins) => {
    for (let row = 0; row < rows; row++) {
      for (let group = 0; group < groups; group++) {
        const at = row * groups + group;
        let sum = fround((weight[features * groups + group] as number) + (margins[at] as number));
        for (let feature = 0; feature < features; feature++) {
          const value = data[row * width + feature] as number;
          if (Number.isNaN(value)) continue;
          sum = fround(sum + fround(value * (weight[feature * groups + group] as number)));
        }
        margins[at] = sum;
      }
    }
  };
}

/** Makes a booster of trees. */
function treeBooster(
  { trees, treeInfo, treeWeights }: Trees,
  { features, groups, store }: BoosterOptions,
): Booster {
  const forest = new Forest(() => trees.map(readTree), { features, store });
  const values = store.list(
    trees.map((tree, i) => leafValues(tree, Number(treeWeights?.[i] ?? 1))),
  );
  const sizes = trees.map(leafSize);
  const groupOf = Array.from(treeInfo, Number);
  if (sizes.some((size) => size !== 1 && size !== groups)) {
    throw new Error(`its leaves have ${Math.max(...sizes)} values for ${groups} outputs`);
  }
  if (groupOf.length !== trees.length || groupOf.some((group) => !(group >= 0 && group < groups))) {
    throw new Error('its tree_info does not fit its trees');
  }
  const added = values.map((own, tree) => {
    const size = sizes[tree] as number;
    return { values: own, size, width: groups, at: size === 1 ? (groupOf[tree] as number) : 0 };
  });
  return (matrix, margins) => {
    forest.descend(matrix, (tree, block) => addLeaves(margins, block, added[tree] as LeafValues));
  };
}

/** Returns the number of values of a tree's leaves. */
function leafSize({ tree_param }: XgboostTree): number {
  return Math.max(Number(tree_param.size_leaf_vector ?? 1), 1);
}

/** Returns the values of leaves by their number, times DART's weights, rounded as XGBoost rounds the product. */
function leafValues(tree: XgboostTree, weight: number): Float32Array {
  const values =
    leafSize(tree) === 1 ? tree.split_conditions : (tree.leaf_weights ?? tree.base_weights);
  const scale = fround(weight);
  return Float32Array.from(values as ArrayLike<number>, (value) => fround(value) * scale);
}

function readTree(tree: XgboostTree): Tree {
  const sets = categorySets(tree);
  const numbered = leafSize(tree) > 1 && tree.leaf_weights !== undefined;
  const count = tree.left_children.length;
  const nodes: TreeNode[] = [];
  for (let i = 0; i < count; i++) {
    const left = Number(tree.left_children[i]);
    const right = Number(tree.right_children[i]);
    if (left === -1) {
      nodes.push({ leaf: numbered ? right : i });
      continue;
    }
    const categories = sets.get(i);
    const nanRight = Number(tree.default_left[i]) === 0 ? 1 : 0;
    const isCategory = Number(tree.split_type?.[i] ?? 0) === 1;
    nodes.push({
      left,
      right,
      feature: Number(tree.split_indices[i]),
      threshold: fround(Number(tree.split_conditions[i])),
      kind: ((isCategory ? Split.CategoryNanLeft : Split.NanLeft) + nanRight) as SplitKind,
      categories: isCategory ? (categories ?? []) : undefined,
    });
  }
  return nodes;
}

/** Returns the categories that go right, by the index of their node. */
function categorySets(tree: XgboostTree): Map<number, number[]> {
  const { categories = [], categories_nodes = [], categories_segments, categories_sizes } = tree;
  const sets = new Map<number, number[]>();
  for (let i = 0; i < categories_nodes.length; i++) {
    const start = Number(categories_segments?.[i]);
    const set = Array.from(categories, Number).slice(start, start + Number(categories_sizes?.[i]));
    sets.set(Number(categories_nodes[i]), set);
  }
  return sets;
}
