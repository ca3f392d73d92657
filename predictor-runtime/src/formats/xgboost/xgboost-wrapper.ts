/**
 * Answers as XGBoost's wrapper for scikit-learn (xgboost/sklearn.py): it stops at the best round of an early stop, and a
 * classifier tells labels, which are the numbers of the classes.
 */
import type { Datatype, NumericData } from '../../protocol/v2/datatypes.ts';
import type { Matrix } from '../table.ts';
import { numericOutput, type TabularOutput } from '../tabular-model.ts';
import { checkFinite, type XgboostEvaluator } from './xgboost-evaluator.ts';
import type { XgboostFile } from './xgboost-file.ts';
import { softmax } from './xgboost-objective.ts';

/** Values of rows, of which each has `width`. */
export interface WrapperValues {
  readonly width: number;
  readonly datatype: Datatype;
  readonly compute: (matrix: Matrix) => NumericData;
}

/** The answers of an estimator of the wrapper. */
export interface Wrapper {
  readonly predict: WrapperValues;
  /** Probabilities of a classifier. */
  readonly predictProba?: WrapperValues;
  /** Number of classes of a classifier that gives one label a row. */
  readonly classes?: number;
}

/** Makes the estimator that a file's model is in the wrapper. */
export function wrapperOf(
  booster: XgboostEvaluator,
  file: XgboostFile,
  isClassifier: boolean,
): Wrapper {
  const options = { rounds: file.bestRounds };
  // The wrapper reads rows in place, where infinity is a number, but for gblinear, which needs a DMatrix.
  const readable = file.booster.name === 'gblinear' ? checkFinite : (matrix: Matrix) => matrix;
  const predict = (matrix: Matrix) => booster.predict(readable(matrix), options);
  const { width, groups } = booster;
  if (!isClassifier) return { predict: { width, datatype: 'FP32', compute: predict } };
  const classes = Math.max(file.classes, 2);
  if (booster.isClass) {
    const shares = (matrix: Matrix) =>
      softmaxRows(booster.margins(readable(matrix), options), groups);
    return {
      classes,
      predict: { width, datatype: 'INT32', compute: (matrix) => Int32Array.from(predict(matrix)) },
      predictProba: { width: groups, datatype: 'FP32', compute: shares },
    };
  }
  if (width === 1) {
    return {
      classes,
      predict: { width, datatype: 'INT64', compute: (matrix) => integers(above(predict(matrix))) },
      predictProba: { width: 2, datatype: 'FP32', compute: (matrix) => both(predict(matrix)) },
    };
  }
  const predictProba = { width, datatype: 'FP32', compute: predict } as const;
  if (classes === 2) {
    // Several labels a row, as floats.
    const labels = (matrix: Matrix) => above(predict(matrix));
    return { predict: { width, datatype: 'FP64', compute: labels }, predictProba };
  }
  const labels = (matrix: Matrix) => integers(largest(predict(matrix), width));
  return { classes, predict: { width: 1, datatype: 'INT64', compute: labels }, predictProba };
}

/** Makes the outputs of a file's model that MLServer has. */
export function wrapperOutputs(booster: XgboostEvaluator, file: XgboostFile): TabularOutput[] {
  const { predict, predictProba } = wrapperOf(booster, file, file.isClassifier);
  const output = (name: string, values: WrapperValues) =>
    numericOutput({ name, ...values }, values.compute);
  return [
    output('predict', predict),
    ...(predictProba === undefined ? [] : [output('predict_proba', predictProba)]),
  ];
}

function integers(values: Float64Array): BigInt64Array {
  return BigInt64Array.from(values, BigInt);
}

function softmaxRows(margins: Float32Array, width: number): Float32Array {
  for (let at = 0; at < margins.length; at += width) softmax(margins.subarray(at, at + width));
  return margins;
}

/** Returns 1 for each probability above a half, and 0 for others. */
function above(probabilities: Float32Array): Float64Array {
  return Float64Array.from(probabilities, (probability) => (probability > 0.5 ? 1 : 0));
}

/** Returns the number of each row's largest value, the first of equals. */
function largest(values: Float32Array, width: number): Float64Array {
  return Float64Array.from({ length: values.length / width }, (_, row) => {
    const own = values.subarray(row * width, (row + 1) * width);
    return own.reduce((best, value, i) => (value > (own[best] as number) ? i : best), 0);
  });
}

/** Returns the probabilities of both classes, from those of the second. */
function both(probabilities: Float32Array): Float32Array {
  const pairs = new Float32Array(probabilities.length * 2);
  probabilities.forEach((probability, row) => {
    pairs[2 * row] = 1 - probability;
    pairs[2 * row + 1] = probability;
  });
  return pairs;
}
