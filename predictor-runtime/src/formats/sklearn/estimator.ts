/** What a fitted scikit-learn object can do, whichever class it is of. */
import type { NdArray } from '../files/numpy.ts';
import type { Table } from '../table.ts';
import type { Fitted } from './fitted.ts';

/** Values row by row, `width` of them each. */
export interface Values {
  readonly width: number;
  readonly data: Float64Array;
  /** A list a row, even if of one. */
  readonly isList?: boolean;
}

export interface Estimator {
  readonly transform?: (table: Table) => Table;
  /** Of a regressor, its values; of a classifier, the index of the class; of a clusterer, the cluster. */
  readonly predict?: (table: Table) => Values;
  readonly predictProba?: (table: Table) => Values;
  readonly decisionFunction?: (table: Table) => Values;
  /** A classifier's labels. */
  readonly classes?: NdArray;
  readonly isClusterer?: boolean;
  /** Values that a regressor predicts for a row; undefined where it is a single one, in no list. */
  readonly targets?: number;
  /** Columns that it reads as text. */
  readonly textColumns?: readonly number[];
}

/** Reads the object of a class. `read` does so for the objects within it. @throws Error when it cannot be answered for. */
export type EstimatorReader = (fitted: Fitted, read: (value: unknown) => Estimator) => Estimator;

/** A classifier whose classes are told apart by the highest of several scores. */
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

/** Each row exponentiated and divided by its sum, in place; the row's maximum is taken off first. */
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

export function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

/** Of a class's probability, that of both. */
export function bothOf(positive: Float64Array): Values {
  const data = new Float64Array(positive.length * 2);
  positive.forEach((probability, row) => {
    data[2 * row] = 1 - probability;
    data[2 * row + 1] = probability;
  });
  return { width: 2, data };
}

/** One score a row: the second class where it is above zero. */
export function isPositive({ data }: Values): Values {
  return { width: 1, data: data.map((score) => (score > 0 ? 1 : 0)) };
}
