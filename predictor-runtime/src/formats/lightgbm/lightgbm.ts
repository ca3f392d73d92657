/**
 * Evaluates LightGBM models in double precision, as LightGBM does (include/LightGBM/tree.h,
 * src/boosting/gbdt_prediction.cpp).
 */
import { addLeaves, type Block, Forest, type LeafValues } from '../forest/forest.ts';
import {
  nextUp,
  Split,
  type SplitKind,
  type Tree,
  type TreeNode,
} from '../forest/forest-memory.ts';
import type { Matrix } from '../table.ts';
import { numericOutput, type TabularModel } from '../tabular-model.ts';
import { WeightStore } from '../weight-store.ts';
import { lightgbmCategories } from './lightgbm-categories.ts';
import {
  type LightgbmFile,
  type LightgbmTree,
  type LinearLeaf,
  parseLightgbmFile,
} from './lightgbm-file.ts';
import { lightgbmTransform } from './lightgbm-objective.ts';

/** Largest absolute value that counts as zero (kZeroThreshold, a float32 constant). */
const ZERO = Math.fround(1e-35);
/** Bit of a decision that is by category. */
const IS_CATEGORY = 1;
/** Bit of a decision that sends missing values left. */
const MISSING_LEFT = 2;
/**
 * Values of bits 2 and 3 of a decision, which tell the feature values that are missing; any other means NaN.
 */
const MISSING = { none: 0, zero: 1 };

/**
 * Opens a model from its text.
 * @throws Error when the text is no model of LightGBM, or is one that is not evaluated here.
 */
export function openLightgbm(text: string, store = WeightStore.unshared()): TabularModel {
  return evaluateLightgbm(parseLightgbmFile(text), store);
}

/** Makes a model of what a file holds. @throws Error when it is not evaluated here. */
export function evaluateLightgbm(file: LightgbmFile, store: WeightStore): TabularModel {
  const { features, featureNames, treesPerIteration: groups, trees } = file;
  const transform = lightgbmTransform(file.objective);
  if (groups === 0 || trees.length % groups !== 0) {
    throw new Error(`it has ${trees.length} trees, but grew ${groups} at a time`);
  }
  const forest = new Forest(() => trees.map(readTree), { features, store });
  const values = store.list(trees.map(({ leafValue }) => Float64Array.from(leafValue)));
  const linears = trees.map(({ linear }) => linear);
  const iterations = trees.length / groups;
  const categorical = categoricalFeatures(file);

  function raw(matrix: Matrix): Float64Array {
    const scores = new Float64Array(matrix.rows * groups);
    const ready = { ...matrix, data: preparedFeatures(matrix, categorical) };
    forest.descend(ready, (tree, block) => {
      const linear = linears[tree];
      const added = {
        values: values[tree] as Float64Array,
        size: 1,
        width: groups,
        at: tree % groups,
      };
      if (linear === undefined) addLeaves(scores, block, added);
      else addLinearLeaves(scores, block, { ...added, linear, matrix: ready });
    });
    return scores;
  }

  function predict(matrix: Matrix): Float64Array {
    const scores = raw(matrix);
    for (let i = 0; i < scores.length; i += groups) {
      const row = scores.subarray(i, i + groups);
      if (file.averages) for (let k = 0; k < groups; k++) row[k] = (row[k] as number) / iterations;
      transform(row);
    }
    return scores;
  }

  return {
    platform: 'lightgbm',
    features,
    columns: featureNames.length === features ? featureNames : undefined,
    joinsWords: true,
    categories: lightgbmCategories(file),
    datatype: 'FP64',
    outputs: [
      numericOutput({ name: 'predict', datatype: 'FP64', width: groups }, predict),
      numericOutput({ name: 'raw_score', datatype: 'FP64', width: groups }, raw),
    ],
  };
}

/** Values of a tree's leaves, with their linear models and the features of the rows. */
interface LinearLeaves extends LeafValues {
  readonly linear: readonly LinearLeaf[];
  readonly matrix: Matrix;
}

/**
 * Adds what the linear models of a tree's leaves give. A leaf's value stands in where a feature that its model needs is
 * missing.
 */
function addLinearLeaves(
  sums: Float64Array,
  { start, end, leaves }: Block,
  { values, width, at, linear, matrix }: LinearLeaves,
): void {
  for (let row = start; row < end; row++) {
    const leaf = leaves[row - start] as number;
    const value = linearValue(linear[leaf] as LinearLeaf, matrix, row) ?? (values[leaf] as number);
    sums[row * width + at] = (sums[row * width + at] as number) + value;
  }
}

/** Evaluates a leaf's linear model; undefined when a feature that it needs is missing. */
function linearValue(
  { constant, features, coefficients }: LinearLeaf,
  { data, width }: Matrix,
  row: number,
): number | undefined {
  let sum = constant;
  for (let i = 0; i < features.length; i++) {
    const value = data[row * width + (features[i] as number)] as number;
    if (!Number.isFinite(value)) return undefined;
    sum += (coefficients[i] as number) * value;
  }
  return sum;
}

/** Returns features as the trees expect them: what is nearly zero is zero, and categories between -1 and 0 are zero. */
function preparedFeatures(
  { rows, width, data }: Matrix,
  categorical: readonly number[],
): Float64Array {
  const values = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i] as number;
    values[i] = Math.abs(value) <= ZERO ? 0 : value;
  }
  for (const feature of categorical) {
    for (let at = feature; at < rows * width; at += width) {
      const value = values[at] as number;
      if (value > -1 && value < 0) values[at] = 0;
    }
  }
  return values;
}

/** Returns the features that any tree splits by category. */
function categoricalFeatures({ trees }: LightgbmFile): number[] {
  const found = new Set<number>();
  for (const { decision, feature } of trees) {
    decision.forEach((bits, split) => {
      if (bits & IS_CATEGORY) found.add(feature[split] as number);
    });
  }
  return [...found];
}

/** Reads a tree. LightGBM numbers splits and leaves apart; here the leaves follow the splits. */
function readTree(tree: LightgbmTree): Tree {
  const { leaves, left, right } = tree;
  const splits = leaves - 1;
  const numberOf = (child: number) => (child >= 0 ? child : splits + ~child);
  const nodes: TreeNode[] = [];
  for (let i = 0; i < splits; i++) {
    nodes.push(readSplit(tree, i, numberOf(left[i] as number), numberOf(right[i] as number)));
  }
  for (let leaf = 0; leaf < leaves; leaf++) nodes.push({ leaf });
  return nodes;
}

function readSplit(tree: LightgbmTree, split: number, left: number, right: number): TreeNode {
  const feature = tree.feature[split] as number;
  const threshold = tree.threshold[split] as number;
  const decision = tree.decision[split] as number;
  if (decision & IS_CATEGORY) {
    // LightGBM sends the set left, and all else right, missing values too. A Forest sends sets right: so children swap.
    const categories = categorySet(tree, threshold);
    return { feature, left: right, right: left, kind: Split.CategoryNanLeft, categories };
  }
  const missing = (decision >> 2) & 3;
  const goesRight =
    missing === MISSING.none ? Number(threshold < 0) : decision & MISSING_LEFT ? 0 : 1;
  const kind = (missing === MISSING.zero ? Split.ZeroLeft : Split.NanLeft) + goesRight;
  return { feature, left, right, threshold: nextUp(threshold), kind: kind as SplitKind };
}

/** Returns the categories of a tree's set. @throws Error when the tree has no set of that number. */
function categorySet({ categoryBoundaries, categoryBits }: LightgbmTree, index: number): number[] {
  const [start, end] = categoryBoundaries.slice(index, index + 2);
  if (start === undefined || end === undefined) throw new Error(`it has no set ${index}`);
  return categoryBits
    .slice(start, end)
    .flatMap((word, i) =>
      Array.from({ length: 32 }, (_, bit) => 32 * i + bit).filter((at) => (word >>> (at & 31)) & 1),
    );
}
