/** Reads gradient boosting whose trees were grown on histograms (sklearn.ensemble, HistGradientBoosting). */
import { nextUp, Split, type TreeNode } from '../forest/forest-memory.ts';
import { numbersOf, type Table } from '../table.ts';
import {
  ANYTHING,
  argmaxRows,
  bothOf,
  constantRows,
  type EstimatorReader,
  sigmoid,
  softmaxRows,
  type Values,
} from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { type Grown, leafAdder } from './grown-trees.ts';

/**
 * Reads a tree, which splits on doubles and has its values in its nodes.
 * @throws UnsupportedModelError for categories.
 */
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

/** Reads the trees, as a function that computes the scores. */
function histogramScores(fitted: Fitted): (table: Table) => Values {
  if (fitted.has('_preprocessor')) fitted.refuse('categorical features');
  const members = fitted
    .list('_predictors')
    .flatMap((stage) => stage as readonly unknown[])
    .map((tree) => readHistogramTree(tree, fitted));
  const base = fitted.numbers('_baseline_prediction');
  const width = base.length;
  const features = fitted.number('n_features_in_');
  const add = leafAdder(members, { features, store: fitted.store, width });
  const start = constantRows([...base]);
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
    accepts: ANYTHING,
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
