/** Reads decision trees and forests (sklearn.tree, sklearn.ensemble). */
import { numbersOf, type Table } from '../table.ts';
import { type Accepted, argmaxRows, type EstimatorReader, type Values } from './estimator.ts';
import type { Fitted } from './fitted.ts';
import {
  type AdderOptions,
  type Grown,
  leafAdder,
  readGrown,
  singlePrecision,
} from './grown-trees.ts';

/** Reads the trees of a forest, or the only one of a tree. */
function readMembers(fitted: Fitted): Grown[] {
  return fitted.has('estimators_')
    ? fitted.list('estimators_').map((tree) => readGrown(fitted.within(tree)))
    : [readGrown(fitted)];
}

/** Makes a function that computes the average of the trees' values. */
function average(
  members: readonly Grown[],
  { features, store }: Pick<AdderOptions, 'features' | 'store'>,
): (table: Table) => Values {
  const [first] = members as [Grown];
  const width = first.width * first.outputs;
  const add = leafAdder(members, { features, store, width });
  return (table) => {
    const matrix = singlePrecision(numbersOf(table));
    const data = new Float64Array(matrix.rows * width);
    add(matrix, data);
    for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) / members.length;
    return { width, data };
  };
}

/** Criteria with which trees took NaN before 1.9, which takes it with all. */
const NAN_CRITERIA: readonly unknown[] = [
  ...['gini', 'log_loss', 'entropy'],
  ...['squared_error', 'friedman_mse', 'poisson'],
];

/** True when a tree, or a forest of them, takes NaN in its release and with its parameters. */
function takesNan(fitted: Fitted): boolean {
  if (fitted.has('estimators_')) {
    return fitted.isSince(1, 4) && takesNan(fitted.within(fitted.list('estimators_')[0]));
  }
  const isRandom = fitted.get('splitter') === 'random';
  const isExtra = fitted.name.startsWith('ExtraTree');
  if (fitted.isSince(1, 6) ? isExtra && !isRandom : isRandom) return false;
  if (fitted.isSince(1, 9)) return true;
  const isPlain = NAN_CRITERIA.includes(fitted.get('criterion')) && !fitted.has('monotonic_cst');
  return fitted.isSince(1, 3) && isPlain;
}

/** Returns the numbers that a tree or a forest takes; all of them compute in single precision. */
function acceptedByTrees(fitted: Fitted): Accepted {
  return { nan: takesNan(fitted), isSingle: true };
}

const treeRegressor: EstimatorReader = (fitted) => {
  const members = readMembers(fitted);
  const { outputs } = members[0] as Grown;
  return {
    accepts: acceptedByTrees(fitted),
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
    accepts: acceptedByTrees(fitted),
    classes: fitted.array('classes_'),
    predictProba,
    predict: (table) => argmaxRows(predictProba(table)),
  };
};

/** Returns a tree whose values are the shares of the classes. Until 1.2 they were the classes' weights. */
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

/** Readers by class. */
export const TREES: Readonly<Record<string, EstimatorReader>> = {
  DecisionTreeClassifier: treeClassifier,
  DecisionTreeRegressor: treeRegressor,
  ExtraTreeClassifier: treeClassifier,
  ExtraTreeRegressor: treeRegressor,
  ExtraTreesClassifier: treeClassifier,
  ExtraTreesRegressor: treeRegressor,
  RandomForestClassifier: treeClassifier,
  RandomForestRegressor: treeRegressor,
};
