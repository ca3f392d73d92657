/** Reads gradient boosting, and the estimators that it begins with (sklearn.ensemble, sklearn.dummy). */
import { numbersOf, type Table } from '../table.ts';
import {
  ANYTHING,
  argmaxRows,
  bothOf,
  constantRows,
  type Estimator,
  type EstimatorReader,
  sigmoid,
  softmaxRows,
  type Values,
} from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { leafAdder, readGrown, singlePrecision } from './grown-trees.ts';

/**
 * Reads the stages, each of which has a tree for each score, as a function that computes the scores.
 * @param start computes the scores that boosting begins with
 * @param width number of scores of a row
 */
function boosting(
  fitted: Fitted,
  { start, width }: { start: (table: Table) => Values; width: number },
): (table: Table) => Values {
  const members = fitted.list('estimators_').map((tree) => readGrown(fitted.within(tree)));
  const rate = fitted.number('learning_rate');
  const features = fitted.number('n_features_in_');
  const add = leafAdder(members, { features, store: fitted.store, width, rate });
  return (table) => {
    const matrix = singlePrecision(numbersOf(table));
    const { data } = start(matrix);
    add(matrix, data);
    return { width, data };
  };
}

const boostingRegressor: EstimatorReader = (fitted, read) => {
  const start =
    fitted.get('init') === 'zero' ? constantRows([0]) : startOfRegressor(read(initOf(fitted)));
  return { accepts: { isSingle: true }, predict: boosting(fitted, { start, width: 1 }) };
};

/**
 * Returns the estimator that boosting begins with, if it is scikit-learn's own. Another one would compute in single
 * precision.
 * @throws UnsupportedModelError for another one.
 */
function initOf(fitted: Fitted): unknown {
  const init = fitted.get('init_');
  const { name } = fitted.within(init);
  if (!name.startsWith('Dummy')) fitted.refuse(`init=${name}`);
  return init;
}

/** Makes the function that computes the first scores of a regressor. */
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
      ? constantRows(new Array(width).fill(0))
      : startOfClassifier(read(initOf(fitted)), {
          width,
          isExponential: loss === 'exponential',
          isRecent: fitted.isSince(1, 4),
        });
  const decisionFunction = boosting(fitted, { start, width });
  const steepness = loss === 'exponential' ? 2 : 1;
  return {
    accepts: { isSingle: true },
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

/** Returns the class of each row, of which there is one score: 1 where the score is not below zero. */
function atLeastZero({ data }: Values): Values {
  return { width: 1, data: data.map((score) => (score >= 0 ? 1 : 0)) };
}

/**
 * Makes the function that computes the first scores of a classifier, from the shares of the classes without 0 and 1.
 */
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

/** Returns the logarithms of shares. Where there is a width, each row's mean is subtracted from them. */
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

/** Reads a DummyRegressor, with which boosting begins: it predicts the mean. */
const dummyRegressor: EstimatorReader = (fitted) => ({
  accepts: ANYTHING,
  predict: constantRows([...fitted.numbers('constant_')]),
});

/** Reads a DummyClassifier, with which boosting begins: it predicts the shares of the classes. */
const dummyClassifier: EstimatorReader = (fitted) => {
  fitted.oneOf('strategy', ['prior']);
  const predictProba = constantRows([...fitted.numbers('class_prior_')]);
  return {
    accepts: ANYTHING,
    classes: fitted.array('classes_'),
    predictProba,
    predict: (table) => argmaxRows(predictProba(table)),
  };
};

/** Readers by class. */
export const BOOSTING: Readonly<Record<string, EstimatorReader>> = {
  DummyClassifier: dummyClassifier,
  DummyRegressor: dummyRegressor,
  GradientBoostingClassifier: boostingClassifier,
  GradientBoostingRegressor: boostingRegressor,
};
