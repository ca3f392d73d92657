/**
 * Reads linear models: `X @ coef_.T + intercept_`, and what each makes of it (sklearn.linear_model, LinearSVC, LDA).
 */
import type { NdArray } from '../files/numpy.ts';
import { type Matrix, numbersOf } from '../table.ts';
import {
  argmaxRows,
  bothOf,
  type Estimator,
  type EstimatorReader,
  isPositive,
  sigmoid,
  softmaxRows,
  type Values,
} from './estimator.ts';
import type { Fitted } from './fitted.ts';

/** Computes the scores of rows. */
type Scores = (matrix: Matrix) => Values;

/** Reads the scores of a linear model: one for each row of `coef_`, or a single one when it has one dimension. */
export function linearScores(fitted: Fitted): Scores {
  const { shape } = fitted.array('coef_');
  const weights = fitted.numbers('coef_');
  const features = shape[shape.length - 1] as number;
  const width = weights.length / features;
  const given = fitted.has('intercept_') ? fitted.numbers('intercept_') : Float64Array.of(0);
  const intercepts =
    given.length === width ? given : new Float64Array(width).fill(given[0] as number);
  return (matrix) => product(matrix, { weights, intercepts, width });
}

/** Computes `X @ weights.T + intercepts`. The weights are in row-major order, a row for each of `width` results. */
export function product(
  { rows, width: features, data }: Matrix,
  layer: { weights: Float64Array; intercepts: Float64Array; width: number },
): Values {
  const { weights, intercepts, width } = layer;
  const scores = new Float64Array(rows * width);
  let at = 0;
  for (let row = 0; row < rows * features; row += features) {
    let weight = 0;
    for (let i = 0; i < width; i++) {
      let sum = 0;
      for (let cell = row; cell < row + features; cell++) {
        sum += (data[cell] as number) * (weights[weight++] as number);
      }
      scores[at++] = sum + (intercepts[i] as number);
    }
  }
  return { width, data: scores };
}

/** Makes the reader of a regressor whose values are its scores, through the inverse of its link. */
const regressor =
  (inverseLink?: (value: number) => number): EstimatorReader =>
  (fitted) => {
    const scores = linearScores(fitted);
    const { shape } = fitted.array('coef_');
    const targets = shape.length > 1 ? shape[0] : undefined;
    return {
      targets,
      predict: (table) => {
        const { width, data } = scores(numbersOf(table));
        const values = inverseLink === undefined ? data : data.map(inverseLink);
        return { width, data: values, isList: targets !== undefined };
      },
    };
  };

/** Reads a TweedieRegressor. Its link is the logarithm with `link='auto'`, unless the distribution is normal. */
const tweedie: EstimatorReader = (fitted, read) => {
  const link = fitted.oneOf('link', ['auto', 'identity', 'log'], 'auto');
  const isLog = link === 'log' || (link === 'auto' && fitted.number('power') > 0);
  return regressor(isLog ? Math.exp : undefined)(fitted, read);
};

/** Reads a classifier's labels. Ridge classifiers have them in the binarizer that they were fitted with. */
function readClasses(fitted: Fitted): NdArray {
  if (fitted.has('classes_') || !fitted.has('_label_binarizer')) return fitted.array('classes_');
  return fitted.within(fitted.get('_label_binarizer')).array('classes_');
}

/** The rule by which scores become probabilities; `none` where scikit-learn has none. */
type Probability = 'none' | 'one-vs-rest' | 'multinomial' | 'modified-huber';

/** Makes a classifier of a linear model's scores. */
function classifier(fitted: Fitted, probability: Probability): Estimator {
  const scores = linearScores(fitted);
  const classes = readClasses(fitted);
  const count = classes.shape[0] as number;
  const decisionFunction = (table: Parameters<NonNullable<Estimator['predict']>>[0]) => {
    const values = scores(numbersOf(table));
    const expected = count === 2 ? 1 : count;
    if (values.width !== expected) throw new Error(`${values.width} scores for ${count} classes`);
    return values;
  };
  return {
    classes,
    decisionFunction,
    predict: (table) => {
      const values = decisionFunction(table);
      return values.width === 1 ? isPositive(values) : argmaxRows(values);
    },
    ...(probability !== 'none' && {
      predictProba: (table) => probabilities(decisionFunction(table), probability),
    }),
  };
}

function probabilities(scores: Values, probability: Exclude<Probability, 'none'>): Values {
  const isBinary = scores.width === 1;
  if (probability === 'multinomial') {
    // With two classes it is the softmax of the score and its negative.
    return isBinary ? bothOf(scores.data.map((score) => sigmoid(2 * score))) : softmaxRows(scores);
  }
  const share = probability === 'modified-huber' ? modifiedHuber : sigmoid;
  return isBinary
    ? bothOf(scores.data.map(share))
    : normalizedRows({ ...scores, data: scores.data.map(share) });
}

function modifiedHuber(score: number): number {
  return (Math.min(Math.max(score, -1), 1) + 1) / 2;
}

/** Divides each row by its sum, in place. Where that is zero, all values become alike, as in scikit-learn since 1.8. */
function normalizedRows({ width, data }: Values): Values {
  for (let start = 0; start < data.length; start += width) {
    const row = data.subarray(start, start + width);
    const sum = row.reduce((total, value) => total + value, 0);
    for (let i = 0; i < width; i++) row[i] = sum === 0 ? 1 / width : (row[i] as number) / sum;
  }
  return { width, data };
}

/**
 * Reads a logistic regression. Before 1.8 `multi_class` said how classes are told apart. Since then three classes and
 * more are multinomial, except with liblinear.
 */
const logistic: EstimatorReader = (fitted) => {
  const known = ['auto', 'deprecated', 'ovr', 'warn', 'multinomial'] as const;
  const choice = fitted.oneOf('multi_class', known, 'deprecated');
  const isBinary = (fitted.array('classes_').shape[0] as number) <= 2;
  const isOneVsRest =
    choice === 'ovr' ||
    choice === 'warn' ||
    (choice !== 'multinomial' && (isBinary || fitted.string('solver') === 'liblinear'));
  return classifier(fitted, isOneVsRest ? 'one-vs-rest' : 'multinomial');
};

/** Reads an SGDClassifier, whose loss says whether there are probabilities. */
const stochastic: EstimatorReader = (fitted) => {
  const loss = fitted.string('loss');
  if (loss === 'log_loss' || loss === 'log') return classifier(fitted, 'one-vs-rest');
  return classifier(fitted, loss === 'modified_huber' ? 'modified-huber' : 'none');
};

/** Reads a LinearDiscriminantAnalysis. The probabilities of two classes are a sigmoid, and those of more a softmax. */
const discriminant: EstimatorReader = (fitted) => {
  const isBinary = (fitted.array('classes_').shape[0] as number) === 2;
  return classifier(fitted, isBinary ? 'one-vs-rest' : 'multinomial');
};

const scoresOnly: EstimatorReader = (fitted) => classifier(fitted, 'none');

/** Readers by class. */
export const LINEAR: Readonly<Record<string, EstimatorReader>> = {
  ARDRegression: regressor(),
  BayesianRidge: regressor(),
  ElasticNet: regressor(),
  ElasticNetCV: regressor(),
  GammaRegressor: regressor(Math.exp),
  HuberRegressor: regressor(),
  Lars: regressor(),
  Lasso: regressor(),
  LassoCV: regressor(),
  LassoLars: regressor(),
  LinearRegression: regressor(),
  LinearSVR: regressor(),
  OrthogonalMatchingPursuit: regressor(),
  PassiveAggressiveRegressor: regressor(),
  PoissonRegressor: regressor(Math.exp),
  QuantileRegressor: regressor(),
  Ridge: regressor(),
  RidgeCV: regressor(),
  SGDRegressor: regressor(),
  TheilSenRegressor: regressor(),
  TweedieRegressor: tweedie,
  LinearDiscriminantAnalysis: discriminant,
  LinearSVC: scoresOnly,
  LogisticRegression: logistic,
  LogisticRegressionCV: logistic,
  PassiveAggressiveClassifier: scoresOnly,
  Perceptron: scoresOnly,
  RidgeClassifier: scoresOnly,
  RidgeClassifierCV: scoresOnly,
  SGDClassifier: stochastic,
};
