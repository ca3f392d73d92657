/** Trees, forests and boosted trees (sklearn.tree, sklearn.ensemble). */
import { addLeaves, Forest, type LeafValues } from '../forest/forest.ts';
import { nextUp, Split, type Tree, type TreeNode } from '../forest/forest-memory.ts';
import { type Matrix, numbersOf, type Table } from '../table.ts';
import type { WeightStore } from '../weight-store.ts';
import {
  argmaxRows,
  bothOf,
  type Estimator,
  type EstimatorReader,
  sigmoid,
  softmaxRows,
  type Values,
} from './estimator.ts';
import type { Fitted } from './fitted.ts';

/** A grown tree: its splits, and at each node the values of one output. */
interface Grown {
  readonly tree: Tree;
  readonly values: Float64Array;
  /** Values of a node: classes, or 1. */
  readonly width: number;
  readonly outputs: number;
}

/** `tree_` of a fitted tree. */
function readGrown(fitted: Fitted): Grown {
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
  // Since 1.3; before, a missing value was refused at the door.
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

/** Trees split on float32. */
function rounded(matrix: Matrix): Matrix {
  return { ...matrix, data: matrix.data.map(Math.fround) };
}

function readMembers(fitted: Fitted): Grown[] {
  return fitted.has('estimators_')
    ? fitted.list('estimators_').map((tree) => readGrown(fitted.within(tree)))
    : [readGrown(fitted)];
}

interface AdderOptions {
  readonly features: number;
  readonly store: WeightStore;
  /** The number of sums that a row has. */
  readonly width: number;
  /** What each value is multiplied with. */
  readonly rate?: number;
}

/** Adds the trees' values to a row's sums: `width` of them at once, or one from each tree in turn. */
function adder(
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

/** The average of the trees' values. */
function average(
  members: readonly Grown[],
  { features, store }: Pick<AdderOptions, 'features' | 'store'>,
): (table: Table) => Values {
  const [first] = members as [Grown];
  const width = first.width * first.outputs;
  const add = adder(members, { features, store, width });
  return (table) => {
    const matrix = rounded(numbersOf(table));
    const data = new Float64Array(matrix.rows * width);
    add(matrix, data);
    for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) / members.length;
    return { width, data };
  };
}

const treeRegressor: EstimatorReader = (fitted) => {
  const members = readMembers(fitted);
  const { outputs } = members[0] as Grown;
  return {
    targets: outputs > 1 ? outputs : undefined,
    predict: average(members, { features: fitted.number('n_features_in_'), store: fitted.store }),
  };
};

const treeClassifier: EstimatorReader = (fitted) => {
  const members = readMembers(fitted);
  if ((members[0] as Grown).outputs > 1) fitted.refuse('several outputs');
  const predictProba = average(members.map(withShares), {
    features: fitted.number('n_features_in_'),
    store: fitted.store,
  });
  return {
    classes: fitted.array('classes_'),
    predictProba,
    predict: (table) => argmaxRows(predictProba(table)),
  };
};

/** Until 1.2 a node had the weights of the classes; since then their shares. */
function withShares(grown: Grown): Grown {
  const values = grown.values.slice();
  for (let start = 0; start < values.length; start += grown.width) {
    const row = values.subarray(start, start + grown.width);
    const sum = row.reduce((total, value) => total + value, 0);
    if (Math.abs(sum - 1) < 1e-9 || sum === 0) continue;
    for (let i = 0; i < row.length; i++) row[i] = (row[i] as number) / sum;
  }
  return { ...grown, values };
}

/** Stage after stage, each with a tree for each score, from what boosting begins with. */
function boosting(
  fitted: Fitted,
  { start, width }: { start: (table: Table) => Values; width: number },
): (table: Table) => Values {
  const members = fitted.list('estimators_').map((tree) => readGrown(fitted.within(tree)));
  const rate = fitted.number('learning_rate');
  const features = fitted.number('n_features_in_');
  const add = adder(members, { features, store: fitted.store, width, rate });
  return (table) => {
    const matrix = rounded(numbersOf(table));
    const { data } = start(matrix);
    add(matrix, data);
    return { width, data };
  };
}

const constant =
  (values: readonly number[]) =>
  (table: Table): Values => ({
    width: values.length,
    data: Float64Array.from(
      { length: table.rows * values.length },
      (_, i) => values[i % values.length] as number,
    ),
  });

const boostingRegressor: EstimatorReader = (fitted, read) => {
  const start =
    fitted.get('init') === 'zero' ? constant([0]) : startOfRegressor(read(initOf(fitted)));
  return { predict: boosting(fitted, { start, width: 1 }) };
};

/** scikit-learn's own beginnings; another estimator would have been fitted, and computes, in single precision. */
function initOf(fitted: Fitted): unknown {
  const init = fitted.get('init_');
  const { name } = fitted.within(init);
  if (!name.startsWith('Dummy')) fitted.refuse(`init=${name}`);
  return init;
}

function startOfRegressor({ predict }: Estimator): (table: Table) => Values {
  if (predict === undefined) throw new Error('its init_ does not predict');
  return (table) => {
    const { width, data } = predict(table);
    return { width, data: data.slice() };
  };
}

const boostingClassifier: EstimatorReader = (fitted, read) => {
  const loss = fitted.oneOf('loss', ['log_loss', 'deviance', 'exponential']);
  const classes = fitted.array('classes_');
  const width = (classes.shape[0] as number) > 2 ? (classes.shape[0] as number) : 1;
  const start =
    fitted.get('init') === 'zero'
      ? constant(new Array(width).fill(0))
      : startOfClassifier(read(initOf(fitted)), {
          width,
          isExponential: loss === 'exponential',
          isRecent: fitted.isSince(1, 4),
        });
  const decisionFunction = boosting(fitted, { start, width });
  const steepness = loss === 'exponential' ? 2 : 1;
  return {
    classes,
    decisionFunction,
    predict: (table) => {
      const scores = decisionFunction(table);
      return width === 1 ? atLeastZero(scores) : argmaxRows(scores);
    },
    predictProba: (table) => {
      const scores = decisionFunction(table);
      return width === 1
        ? bothOf(scores.data.map((score) => sigmoid(steepness * score)))
        : softmaxRows(scores);
    },
  };
};

function atLeastZero({ data }: Values): Values {
  return { width: 1, data: data.map((score) => (score >= 0 ? 1 : 0)) };
}

/** The first scores from the shares of the classes, clipped away from 0 and 1. */
function startOfClassifier(
  { predictProba }: Estimator,
  { width, isExponential, isRecent }: { width: number; isExponential: boolean; isRecent: boolean },
): (table: Table) => Values {
  if (predictProba === undefined) throw new Error('its init_ has no predict_proba');
  const least = isRecent ? Number.EPSILON : 2 ** -23;
  return (table) => {
    const given = predictProba(table);
    const data = given.data.map((share) => Math.min(Math.max(share, least), 1 - least));
    if (width > 1) return { width, data: logShares(data, isRecent ? width : undefined) };
    const odds = Float64Array.from({ length: table.rows }, (_, row) => {
      const share = data[2 * row + 1] as number;
      return (isExponential ? 0.5 : 1) * Math.log(share / (1 - share));
    });
    return { width, data: odds };
  };
}

/** Each row's logarithms, less their mean where there is a width. */
function logShares(shares: Float64Array, width: number | undefined): Float64Array {
  const logs = shares.map(Math.log);
  if (width === undefined) return logs;
  for (let start = 0; start < logs.length; start += width) {
    const row = logs.subarray(start, start + width);
    const mean = row.reduce((sum, log) => sum + log, 0) / width;
    for (let i = 0; i < width; i++) row[i] = (row[i] as number) - mean;
  }
  return logs;
}

/** What boosting begins with: the mean, or the shares of the classes. */
const dummyRegressor: EstimatorReader = (fitted) => ({
  predict: constant([...fitted.numbers('constant_')]),
});

const dummyClassifier: EstimatorReader = (fitted) => {
  fitted.oneOf('strategy', ['prior']);
  const predictProba = constant([...fitted.numbers('class_prior_')]);
  return {
    classes: fitted.array('classes_'),
    predictProba,
    predict: (table) => argmaxRows(predictProba(table)),
  };
};

/** Histogram trees split on doubles, and keep their value in the node. */
function readHistogramTree(value: unknown, fitted: Fitted): Grown {
  const nodes = fitted.within(value).array('nodes').fields;
  const column = (name: string) => {
    const data = nodes?.get(name)?.data;
    return data instanceof Float64Array ? data : fitted.refuse(`trees without ${name}`);
  };
  if (column('is_categorical').some((flag) => flag !== 0)) fitted.refuse('categorical features');
  const left = column('left');
  const right = column('right');
  const feature = column('feature_idx');
  const threshold = column('num_threshold');
  const missingLeft = column('missing_go_to_left');
  const splits = Array.from(
    column('is_leaf'),
    (leaf, i): TreeNode =>
      leaf
        ? { leaf: i }
        : {
            left: left[i],
            right: right[i],
            feature: feature[i],
            threshold: nextUp(threshold[i] as number),
            kind: missingLeft[i] ? Split.NanLeft : Split.NanRight,
          },
  );
  return { tree: splits, values: column('value'), width: 1, outputs: 1 };
}

function histogramScores(fitted: Fitted): (table: Table) => Values {
  if (fitted.has('_preprocessor')) fitted.refuse('categorical features');
  const members = fitted
    .list('_predictors')
    .flatMap((stage) => stage as readonly unknown[])
    .map((tree) => readHistogramTree(tree, fitted));
  const base = fitted.numbers('_baseline_prediction');
  const width = base.length;
  const features = fitted.number('n_features_in_');
  const add = adder(members, { features, store: fitted.store, width });
  const start = constant([...base]);
  return (table) => {
    const { data } = start(table);
    add(numbersOf(table), data);
    return { width, data };
  };
}

const histogramRegressor: EstimatorReader = (fitted) => {
  const known = ['squared_error', 'absolute_error', 'quantile', 'poisson', 'gamma'] as const;
  const loss = fitted.oneOf('loss', known);
  const scores = histogramScores(fitted);
  const isLog = loss === 'poisson' || loss === 'gamma';
  return {
    predict: (table) => {
      const { width, data } = scores(table);
      return { width, data: isLog ? data.map(Math.exp) : data };
    },
  };
};

const histogramClassifier: EstimatorReader = (fitted) => {
  fitted.oneOf('loss', ['log_loss', 'auto', 'binary_crossentropy', 'categorical_crossentropy']);
  const decisionFunction = histogramScores(fitted);
  const predictProba = (table: Table) => {
    const scores = decisionFunction(table);
    return scores.width === 1 ? bothOf(scores.data.map(sigmoid)) : softmaxRows(scores);
  };
  return {
    classes: fitted.array('classes_'),
    decisionFunction,
    predictProba,
    predict: (table) => argmaxRows(predictProba(table)),
  };
};

export const TREES: Readonly<Record<string, EstimatorReader>> = {
  DecisionTreeClassifier: treeClassifier,
  DecisionTreeRegressor: treeRegressor,
  DummyClassifier: dummyClassifier,
  DummyRegressor: dummyRegressor,
  ExtraTreeClassifier: treeClassifier,
  ExtraTreeRegressor: treeRegressor,
  ExtraTreesClassifier: treeClassifier,
  ExtraTreesRegressor: treeRegressor,
  GradientBoostingClassifier: boostingClassifier,
  GradientBoostingRegressor: boostingRegressor,
  HistGradientBoostingClassifier: histogramClassifier,
  HistGradientBoostingRegressor: histogramRegressor,
  RandomForestClassifier: treeClassifier,
  RandomForestRegressor: treeRegressor,
};
