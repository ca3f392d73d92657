/** Reads classifiers of two classes that decide at a threshold of their own (sklearn.model_selection). */
import { ANYTHING, type Estimator, type EstimatorReader, inputOf } from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { binaryScore, column } from './responses.ts';

/** Returns the label that a threshold is of: 1 for the second class, 0 for the first. */
function positiveOf(wanted: unknown, { classes }: Estimator): number {
  if (wanted === undefined) return 1;
  const labels = Array.from(classes?.data ?? [], (label) => String(label));
  return labels.indexOf(String(wanted));
}

/** Returns the score that a threshold is compared with, and the threshold where none is given. */
function scoreOf(fitted: Fitted, member: Estimator, positive: number) {
  const method = fitted.oneOf(
    'response_method',
    ['auto', 'predict_proba', 'decision_function'],
    'auto',
  );
  const { predictProba } = member;
  if (method !== 'decision_function' && predictProba !== undefined) {
    const score = (table: Parameters<typeof predictProba>[0]) => {
      return column(predictProba(table), positive);
    };
    return { score, usual: 0.5 };
  }
  const { score, threshold } = binaryScore(member);
  const sign = positive === 1 ? 1 : -1;
  return {
    score: (table: Parameters<typeof score>[0]) => score(table).map((value) => sign * value),
    usual: threshold,
  };
}

const fixed: EstimatorReader = (fitted, read) => {
  const member = read(fitted.get('estimator_') ?? fitted.get('estimator'));
  const positive = positiveOf(fitted.get('pos_label'), member);
  if (positive < 0) fitted.refuse('a pos_label that is none of its classes');
  const { score, usual } = scoreOf(fitted, member, positive);
  const given = fitted.get('threshold');
  const threshold = given === undefined || given === 'auto' ? usual : Number(given);
  const { classes, predictProba, decisionFunction } = member;
  return {
    accepts: ANYTHING,
    ...inputOf(member),
    classes,
    predictProba,
    decisionFunction,
    predict: (table) => ({
      width: 1,
      data: score(table).map((value) => (value >= threshold ? positive : 1 - positive)),
    }),
  };
};

/** Readers by class. */
export const THRESHOLDS: Readonly<Record<string, EstimatorReader>> = {
  FixedThresholdClassifier: fixed,
};
