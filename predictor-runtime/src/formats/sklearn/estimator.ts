/** The estimator that every reader of this folder makes of a fitted object, and functions that several readers use. */
import type { Categories } from '../categories.ts';
import type { NdArray } from '../files/numpy.ts';
import type { Table } from '../table.ts';
import type { Fitted } from './fitted.ts';

/** Values of rows, in row-major order. */
export interface Values {
  /** Number of values of a row. */
  readonly width: number;
  readonly data: Float64Array;
  /** True when a row's values are a list, even if there is only one. */
  readonly isList?: boolean;
}

/**
 * The numbers that an estimator takes beside finite ones (`ensure_all_finite` of scikit-learn's `check_array`). It
 * refuses others.
 */
export interface Accepted {
  /** True when it takes NaN. */
  readonly nan?: boolean;
  /** True when it takes infinity. */
  readonly infinity?: boolean;
  /** True when it first converts to single precision, in which numbers beyond 3.4e38 are infinite. */
  readonly isSingle?: boolean;
}

/** The rule of an estimator that leaves the check to those within it, or has none. */
export const ANYTHING: Accepted = { nan: true, infinity: true };
/** The rule of `ensure_all_finite='allow-nan'`. */
export const NAN: Accepted = { nan: true };

/** The columns that an estimator takes. */
export interface InputColumns {
  /** Number of the columns; undefined when it does not say. */
  readonly features?: number;
  /** Names of the columns, where it was fitted with a data frame. */
  readonly columns?: readonly string[];
  /** True when `columns` has `_` for each space in a name. */
  readonly joinsWords?: boolean;
  /** Categories that are looked up where columns come by name. */
  readonly categories?: Categories;
  /** Columns that are read as text. */
  readonly textColumns?: readonly number[];
  /** Columns that it does not read, of a data frame that may have others; undefined where all must come, and no others. */
  readonly spareColumns?: readonly number[];
}

/** Returns the columns of an estimator, for one that hands its own on to it. */
export function inputOf(estimator: Estimator): InputColumns {
  const { features, columns, joinsWords, categories, textColumns, spareColumns } = estimator;
  return { features, columns, joinsWords, categories, textColumns, spareColumns };
}

/** A fitted object of scikit-learn, by what it can compute. */
export interface Estimator extends InputColumns {
  /** The numbers that it takes in its release and with its parameters; finite ones unless it is given. */
  readonly accepts?: Accepted;
  readonly transform?: (table: Table) => Table;
  /** Undoes the transform, for the targets of a regressor. */
  readonly inverseTransform?: (table: Table) => Table;
  /** Predicts a regressor's values, the index of a classifier's class (or of each of several), or the number of a clusterer's cluster. */
  readonly predict?: (table: Table) => Values;
  readonly predictProba?: (table: Table) => Values;
  readonly decisionFunction?: (table: Table) => Values;
  /** Labels of a classifier. */
  readonly classes?: NdArray;
  /** Labels of each value that a classifier predicts for a row, where these are several. */
  readonly labels?: readonly NdArray[];
  readonly isClusterer?: boolean;
  /** Number of values that a regressor predicts for a row; undefined where there is one, which is not in a list. */
  readonly targets?: number;
  /** Names of outputs that are in single precision. */
  readonly single?: readonly string[];
}

/**
 * Reads a fitted object of one class.
 * @param read reads an object within it
 * @throws Error that names what is not evaluated here.
 */
export type EstimatorReader = (fitted: Fitted, read: (value: unknown) => Estimator) => Estimator;

/** Returns the index of the largest value of each row, the first one of equals. */
export function argmaxRows({ width, data }: Values): Values {
  const best = new Float64Array(data.length / width);
  for (let row = 0; row < best.length; row++) {
    let at = 0;
    for (let i = 1; i < width; i++) {
      if ((data[row * width + i] as number) > (data[row * width + at] as number)) at = i;
    }
    best[row] = at;
  }
  return { width: 1, data: best };
}

/** Applies softmax to each row, in place. The row's largest value is subtracted first, as in scikit-learn. */
export function softmaxRows({ width, data }: Values): Values {
  for (let start = 0; start < data.length; start += width) {
    const row = data.subarray(start, start + width);
    const max = row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
    let sum = 0;
    for (let i = 0; i < width; i++) {
      row[i] = Math.exp((row[i] as number) - max);
      sum += row[i] as number;
    }
    for (let i = 0; i < width; i++) row[i] = (row[i] as number) / sum;
  }
  return { width, data };
}

/** Returns 1 / (1 + e^-value). */
export function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

/** Returns the probabilities of both classes of each row, from those of the positive class. */
export function bothOf(positive: Float64Array): Values {
  const data = new Float64Array(positive.length * 2);
  positive.forEach((probability, row) => {
    data[2 * row] = 1 - probability;
    data[2 * row + 1] = probability;
  });
  return { width: 2, data };
}

/** Returns the class of each row, of which there is one score: 1 where the score is above zero. */
export function isPositive({ data }: Values): Values {
  return { width: 1, data: data.map((score) => (score > 0 ? 1 : 0)) };
}

/** Makes a function that gives every row the same values. */
export function constantRows(values: readonly number[]): (table: Table) => Values {
  return ({ rows }) => {
    const data = new Float64Array(rows * values.length);
    for (let row = 0; row < rows; row++) data.set(values, row * values.length);
    return { width: values.length, data };
  };
}
