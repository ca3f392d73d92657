/** Reads naive Bayes classifiers: the joint log likelihood of each class (sklearn.naive_bayes). */
import { type Matrix, numbersOf, type Table } from '../table.ts';
import { argmaxRows, type EstimatorReader, softmaxRows, type Values } from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { product } from './linear.ts';

/** Computes the joint log likelihood of each class, for each row. */
type Likelihood = (matrix: Matrix) => Values;

/** Makes the reader of a classifier. */
const classifier =
  (readLikelihood: (fitted: Fitted, classes: number) => Likelihood): EstimatorReader =>
  (fitted) => {
    const classes = fitted.array('classes_');
    const likelihood = readLikelihood(fitted, classes.shape[0] as number);
    return {
      classes,
      predict: (table: Table) => argmaxRows(likelihood(numbersOf(table))),
      predictProba: (table: Table) => softmaxRows(likelihood(numbersOf(table))),
    };
  };

const gaussian = (fitted: Fitted, width: number): Likelihood => {
  const means = fitted.numbers('theta_');
  // Until 1.0 the variances were `sigma_`.
  const variances = fitted.numbers(fitted.has('var_') ? 'var_' : 'sigma_');
  const priors = fitted.numbers('class_prior_').map(Math.log);
  const features = means.length / width;
  const constants = Float64Array.from({ length: width }, (_, i) => {
    const own = variances.subarray(i * features, (i + 1) * features);
    return -0.5 * own.reduce((sum, variance) => sum + Math.log(2 * Math.PI * variance), 0);
  });
  return ({ rows, width: given, data }) => {
    const scores = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < width; i++) {
        let sum = 0;
        for (let feature = 0; feature < features; feature++) {
          const at = i * features + feature;
          const difference = (data[row * given + feature] as number) - (means[at] as number);
          sum += (difference * difference) / (variances[at] as number);
        }
        scores[row * width + i] = (priors[i] as number) + (constants[i] as number) - 0.5 * sum;
      }
    }
    return { width, data: scores };
  };
};

const multinomial = (fitted: Fitted, width: number): Likelihood => {
  const weights = fitted.numbers('feature_log_prob_');
  const intercepts = fitted.numbers('class_log_prior_');
  return (matrix) => product(matrix, { weights, intercepts, width });
};

/** Reads a ComplementNB. The priors count only where there is a single class. */
const complement = (fitted: Fitted, width: number): Likelihood => {
  const weights = fitted.numbers('feature_log_prob_');
  const intercepts = width === 1 ? fitted.numbers('class_log_prior_') : new Float64Array(width);
  return (matrix) => product(matrix, { weights, intercepts, width });
};

const bernoulli = (fitted: Fitted, width: number): Likelihood => {
  const present = fitted.numbers('feature_log_prob_');
  const absent = present.map((log) => Math.log(1 - Math.exp(log)));
  const features = present.length / width;
  const weights = present.map((log, i) => log - (absent[i] as number));
  const intercepts = fitted.numbers('class_log_prior_').map((prior, i) => {
    const own = absent.subarray(i * features, (i + 1) * features);
    return prior + own.reduce((sum, log) => sum + log, 0);
  });
  const threshold = fitted.get('binarize');
  return (matrix) => {
    const data =
      typeof threshold === 'number'
        ? matrix.data.map((value) => (value > threshold ? 1 : 0))
        : matrix.data;
    return product({ ...matrix, data }, { weights, intercepts, width });
  };
};

/** Readers by class. */
export const NAIVE_BAYES: Readonly<Record<string, EstimatorReader>> = {
  BernoulliNB: classifier(bernoulli),
  ComplementNB: classifier(complement),
  GaussianNB: classifier(gaussian),
  MultinomialNB: classifier(multinomial),
};
