/** Reads classifiers that are made of binary ones (sklearn.multiclass). */
import type { NdArray } from '../files/numpy.ts';
import type { Table } from '../table.ts';
import { sharedInput } from './composition.ts';
import {
  ANYTHING,
  argmaxRows,
  bothOf,
  type Estimator,
  type EstimatorReader,
  type Values,
} from './estimator.ts';
import { bruteSearch, METRICS } from './nearest.ts';
import { binaryScore, column, columnsBeside, needed } from './responses.ts';

/** Labels of a column that says whether a row has a label. */
const FLAGS: NdArray = { dtype: 'i8', shape: [2], data: Float64Array.of(0, 1) };

/** Reads a predictor that stands for a class that all samples had, or none. */
const constant: EstimatorReader = (fitted) => {
  const [value = 0] = fitted.numbers('y_');
  const all = ({ rows }: Table) => new Float64Array(rows).fill(value);
  return {
    accepts: ANYTHING,
    classes: FLAGS,
    predict: (table) => ({ width: 1, data: all(table) }),
    decisionFunction: (table) => ({ width: 1, data: all(table) }),
    predictProba: (table) => bothOf(all(table)),
  };
};

const oneVsRest: EstimatorReader = (fitted, read) => {
  const members = fitted.list('estimators_').map(read);
  const binarizer = fitted.within(fitted.get('label_binarizer_'));
  const classes = binarizer.array('classes_');
  const kind = binarizer.oneOf('y_type_', [
    'binary',
    'multiclass',
    'multilabel-indicator',
  ] as const);
  const scores = members.map(binaryScore);
  const threshold = scores[0]?.threshold ?? 0;
  const isLabels = kind === 'multilabel-indicator';
  const all = (table: Table) => columnsBeside(scores.map(({ score }) => score(table)));
  const has = (table: Table): Values => {
    const { width, data } = all(table);
    return { width, data: data.map((score) => (score > threshold ? 1 : 0)) };
  };
  const shared = {
    accepts: ANYTHING,
    ...sharedInput(members),
    ...(members.every(({ decisionFunction }) => decisionFunction !== undefined) && {
      decisionFunction: all,
    }),
  };
  const shares = (table: Table) => {
    const values = oneVsRestShares(table, members);
    return isLabels || members.length === 1 ? values : normalized(values, fitted.isSince(1, 7));
  };
  const largest = fitted.isSince(1, 8) ? argmaxRows : lastLargest;
  const hasShares = members.every(({ predictProba }) => predictProba !== undefined);
  if (isLabels) {
    const labels = members.map(() => FLAGS);
    return { ...shared, labels, predict: has, ...(hasShares && { predictProba: shares }) };
  }
  return {
    ...shared,
    classes,
    predict: (table) => (kind === 'binary' ? has(table) : largest(all(table))),
    ...(hasShares && { predictProba: shares }),
  };
};

/** Returns the probability of each class against all others; those of both classes, where there are two. */
function oneVsRestShares(table: Table, members: readonly Estimator[]): Values {
  const columns = members.map(({ predictProba }) => {
    return column(needed(predictProba, 'predict_proba')(table), 1);
  });
  const [first] = columns as [Float64Array];
  return columns.length === 1 ? bothOf(first) : columnsBeside(columns);
}

/** Gives the probabilities of each row the sum 1. Of a row without any, they stay 0 where `keepsNone` says so. */
function normalized({ width, data }: Values, keepsNone: boolean): Values {
  const shares = new Float64Array(data.length);
  for (let start = 0; start < data.length; start += width) {
    const row = data.subarray(start, start + width);
    const sum = row.reduce((total, share) => total + share, 0);
    const divisor = sum === 0 && keepsNone ? 1 : sum;
    shares.set(
      row.map((share) => share / divisor),
      start,
    );
  }
  return { width, data: shares };
}

/** Returns the index of the largest value of each row, the last one of equals: scikit-learn's rule until 1.8. */
function lastLargest({ width, data }: Values): Values {
  const best = Float64Array.from({ length: data.length / width }, (_, row) => {
    let at = 0;
    for (let i = 1; i < width; i++) {
      if ((data[row * width + i] as number) >= (data[row * width + at] as number)) at = i;
    }
    return at;
  });
  return { width: 1, data: best };
}

const oneVsOne: EstimatorReader = (fitted, read) => {
  const members = fitted.list('estimators_').map(read);
  if (fitted.has('pairwise_indices_')) fitted.refuse('a kernel that was computed before');
  const classes = fitted.array('classes_');
  const count = classes.shape[0] as number;
  const scores = members.map(binaryScore);
  const predicts = members.map(({ predict }) => needed(predict, 'predict'));
  const pairs = (table: Table) =>
    pairScores(
      {
        confidences: columnsBeside(scores.map(({ score }) => score(table))),
        winners: columnsBeside(predicts.map((predict) => predict(table).data)),
      },
      count,
    );
  const decisionFunction = (table: Table): Values => {
    const values = pairs(table);
    return count === 2 ? { width: 1, data: column(values, 1) } : values;
  };
  const threshold = scores[0]?.threshold ?? 0;
  return {
    accepts: ANYTHING,
    ...sharedInput(members),
    classes,
    decisionFunction,
    predict: (table) => {
      const values = decisionFunction(table);
      if (count > 2) return argmaxRows(values);
      return { width: 1, data: values.data.map((score) => (score > threshold ? 1 : 0)) };
    },
  };
};

/**
 * Makes a score for each class of what each pair of classes says: its votes, and its confidences' sum within
 * (-1/3, 1/3), which parts equals (_ovr_decision_function). A positive confidence, and 1 as a winner, mean the second.
 */
export function pairScores(
  { confidences, winners }: { confidences: Values; winners: Values },
  count: number,
): Values {
  const { width, data } = confidences;
  const rows = data.length / width;
  const scores = new Float64Array(rows * count);
  const add = (to: Float64Array, at: number, value: number) => {
    to[at] = (to[at] as number) + value;
  };
  for (let row = 0; row < rows; row++) {
    const votes = new Float64Array(count);
    const sums = new Float64Array(count);
    let pair = row * width;
    for (let a = 0; a < count; a++) {
      for (let b = a + 1; b < count; b++) {
        add(sums, a, -(data[pair] as number));
        add(sums, b, data[pair] as number);
        add(votes, winners.data[pair++] === 1 ? b : a, 1);
      }
    }
    for (let i = 0; i < count; i++) {
      const sum = sums[i] as number;
      scores[row * count + i] = (votes[i] as number) + sum / (3 * (Math.abs(sum) + 1));
    }
  }
  return { width: count, data: scores };
}

/** Reads an OutputCodeClassifier: the class whose code is nearest to what its members answer. */
const outputCode: EstimatorReader = (fitted, read) => {
  const members = fitted.list('estimators_').map(read);
  const scores = members.map(binaryScore);
  const codes = { data: fitted.numbers('code_book_'), width: members.length };
  const nearest = bruteSearch(codes, { k: 1, metric: METRICS.euclidean, isDecided: true });
  return {
    accepts: ANYTHING,
    ...sharedInput(members),
    classes: fitted.array('classes_'),
    predict: (table) => {
      const { data, width } = columnsBeside(scores.map(({ score }) => score(table)));
      const found = Float64Array.from({ length: table.rows }, (_, row) => {
        return nearest(data.subarray(row * width, (row + 1) * width))?.indices[0] as number;
      });
      return { width: 1, data: found };
    },
  };
};

/** Readers by class. */
export const MULTICLASS: Readonly<Record<string, EstimatorReader>> = {
  OneVsOneClassifier: oneVsOne,
  OneVsRestClassifier: oneVsRest,
  OutputCodeClassifier: outputCode,
  _ConstantPredictor: constant,
};
