/** Reads gradient boosting whose trees were grown on histograms (sklearn.ensemble, HistGradientBoosting). */
import { nextUp, Split, type TreeNode } from '../forest/forest-memory.ts';
import { numbersOf, type Table } from '../table.ts';
import {
  ANYTHING,
  argmaxRows,
  bothOf,
  constantRows,
  type Estimator,
  type EstimatorReader,
  inputOf,
  sigmoid,
  softmaxRows,
  type Values,
} from './estimator.ts';
import { elementsOf, type Fitted } from './fitted.ts';
import { type Grown, leafAdder } from './grown-trees.ts';

/** Reads a tree, which splits on doubles or categories, and has its values in its nodes. */
function readHistogramTree(value: unknown, fitted: Fitted, known: readonly Bits[]): Grown {
  const nodes = fitted.within(value).array('nodes').fields;
  const column = (name: string) => {
    const data = nodes?.get(name)?.data;
    return data instanceof Float64Array ? data : fitted.refuse(`trees without ${name}`);
  };
  const isCategorical = column('is_categorical');
  const sets = isCategorical.includes(1) ? readSets(fitted.within(value)) : [];
  const set = column('bitset_idx');
  const left = column('left');
  const right = column('right');
  const feature = column('feature_idx');
  const threshold = column('num_threshold');
  const missingLeft = column('missing_go_to_left');
  const splits = Array.from(column('is_leaf'), (leaf, i): TreeNode => {
    if (leaf) return { leaf: i };
    const node = { left: left[i], right: right[i], feature: feature[i] };
    if (isCategorical[i]) {
      const goLeft = sets[set[i] as number] as Bits;
      const all = known[feature[i] as number] as Bits;
      return categorySplit(node, { goLeft, known: all, isMissingLeft: Boolean(missingLeft[i]) });
    }
    const kind = missingLeft[i] ? Split.NanLeft : Split.NanRight;
    return { ...node, threshold: nextUp(threshold[i] as number), kind };
  });
  return { tree: splits, values: column('value'), width: 1, outputs: 1 };
}

/** Categories of a feature. */
type Bits = ReadonlySet<number>;

/** Reads the sets of categories that splits of a tree send left, each of which is a row of 256 bits. */
function readSets(tree: Fitted): Bits[] {
  const [count = 0, words = 0] = tree.array('raw_left_cat_bitsets').shape;
  const all = tree.numbers('raw_left_cat_bitsets');
  return Array.from({ length: count }, (_, i) => {
    const bits = [...new Array(words * 32).keys()].filter((bit) => {
      return ((all[i * words + (bit >> 5)] as number) >>> (bit & 31)) & 1;
    });
    return new Set(bits);
  });
}

/** Reads the categories that each feature had when it was fitted; none for a feature that is a number. */
function readKnown(fitted: Fitted): Bits[] {
  if (!fitted.has('_bin_mapper')) return [];
  const mapper = fitted.within(fitted.get('_bin_mapper'));
  const isCategorical = mapper.list('is_categorical_', []);
  return mapper
    .list('bin_thresholds_', [])
    .map((values, i) => new Set(isCategorical[i] ? (elementsOf(values) ?? []).map(Number) : []));
}

/**
 * Makes a split by categories. One that was not known goes where a missing value goes, which is to the left of the
 * forest's splits; so where that is the right child, the children change places.
 */
function categorySplit(
  node: TreeNode,
  {
    goLeft,
    known,
    isMissingLeft,
  }: { readonly goLeft: Bits; readonly known: Bits; readonly isMissingLeft: boolean },
): TreeNode {
  const kind = Split.CategoryNanLeft;
  if (!isMissingLeft)
    return { ...node, left: node.right, right: node.left, kind, categories: goLeft };
  return { ...node, kind, categories: [...known].filter((category) => !goLeft.has(category)) };
}

/** Reads how categories become numbers before the trees see them, since 1.4. */
function readPreparation(fitted: Fitted, read: (value: unknown) => Estimator): Estimator {
  if (!fitted.has('_preprocessor')) return {};
  return read(fitted.get('_preprocessor'));
}

/** Reads the trees, as a function that computes the scores. */
function histogramScores(fitted: Fitted, preparation: Estimator): (table: Table) => Values {
  const known = readKnown(fitted);
  const members = fitted
    .list('_predictors')
    .flatMap((stage) => stage as readonly unknown[])
    .map((tree) => readHistogramTree(tree, fitted, known));
  const base = fitted.numbers('_baseline_prediction');
  const width = base.length;
  const features = fitted.number('n_features_in_');
  const add = leafAdder(members, { features, store: fitted.store, width });
  const start = constantRows([...base]);
  return (table) => {
    const { data } = start(table);
    add(numbersOf(preparation.transform?.(table) ?? table), data);
    return { width, data };
  };
}

const histogramRegressor: EstimatorReader = (fitted, read) => {
  const known = [
    ...(['squared_error', 'absolute_error', 'quantile', 'poisson', 'gamma'] as const),
    ...(['least_squares', 'least_absolute_deviation'] as const),
  ];
  const loss = fitted.oneOf('loss', known);
  const preparation = readPreparation(fitted, read);
  const scores = histogramScores(fitted, preparation);
  const isLog = loss === 'poisson' || loss === 'gamma';
  return {
    ...inputOf(preparation),
    accepts: ANYTHING,
    predict: (table) => {
      const { width, data } = scores(table);
      return { width, data: isLog ? data.map(Math.exp) : data };
    },
  };
};

const histogramClassifier: EstimatorReader = (fitted, read) => {
  fitted.oneOf('loss', ['log_loss', 'auto', 'binary_crossentropy', 'categorical_crossentropy']);
  const preparation = readPreparation(fitted, read);
  const decisionFunction = histogramScores(fitted, preparation);
  const predictProba = (table: Table) => {
    const scores = decisionFunction(table);
    return scores.width === 1 ? bothOf(scores.data.map(sigmoid)) : softmaxRows(scores);
  };
  return {
    ...inputOf(preparation),
    accepts: ANYTHING,
    classes: fitted.array('classes_'),
    decisionFunction,
    predictProba,
    predict: (table) => argmaxRows(predictProba(table)),
  };
};

/** Readers by class. */
export const HISTOGRAM_BOOSTING: Readonly<Record<string, EstimatorReader>> = {
  HistGradientBoostingClassifier: histogramClassifier,
  HistGradientBoostingRegressor: histogramRegressor,
};
