/**
 * XGBoost's boosters: they add to margins what features make, with the same bits as XGBoost
 * (src/predictor/cpu_predictor.cc, src/gbm/gblinear.cc).
 */
import { addLeaves, Forest, type LeafValues } from '../forest/forest.ts';
import { Split, type SplitKind, type Tree, type TreeNode } from '../forest/forest-memory.ts';
import type { Matrix } from '../table.ts';
import type { WeightStore } from '../weight-store.ts';
import type { Numbers, XgboostBooster, XgboostTree } from './xgboost-file.ts';

const { fround } = Math;

type Trees = Extract<XgboostBooster, { readonly trees: unknown }>;

/**
 * Adds to the margins of all rows, in place, what their features make. Each row has a margin for each group.
 * @param rounds the number of rounds of boosting whose trees count, all if not given; weights have no rounds
 */
export type Booster = (matrix: Matrix, margins: Float32Array, rounds?: number) => void;

/** The sizes of a booster, and the store of its numbers. */
export interface BoosterOptions {
  /** Number of features. */
  readonly features: number;
  /** Number of margins of a row. */
  readonly groups: number;
  readonly store: WeightStore;
}

/** Makes a booster of what its file has. @throws Error when that does not fit together. */
export function makeBooster(booster: XgboostBooster, options: BoosterOptions): Booster {
  return booster.name === 'gblinear'
    ? linearBooster(booster.weights, options)
    : treeBooster(booster, options);
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
  { trees, treeInfo, treeWeights, roundEnds }: Trees,
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
  return (matrix, margins, rounds = roundEnds.length) => {
    const count = rounds < roundEnds.length ? (roundEnds[rounds - 1] ?? 0) : trees.length;
    forest.descend(
      matrix,
      (tree, block) => addLeaves(margins, block, added[tree] as LeafValues),
      count,
    );
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
