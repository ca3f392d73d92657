/** Reads scalers, which change element by element, and products of features (sklearn.preprocessing). */
import { numbersOf, type Table } from '../table.ts';
import { type Accepted, type Estimator, type EstimatorReader, NAN } from './estimator.ts';
import type { Fitted } from './fitted.ts';

/** Changes a value of a column. */
type Step = (value: number, column: number) => number;

/** Makes a transformer of steps that each value takes. */
function steps(accepts: Accepted | undefined, ...all: readonly (Step | undefined)[]): Estimator {
  const own = all.filter((step) => step !== undefined);
  return {
    accepts,
    transform: (table) => {
      const { data, ...rest } = numbersOf(table);
      const result = data.slice();
      for (const step of own) {
        for (let i = 0; i < result.length; i++)
          result[i] = step(result[i] as number, i % rest.width);
      }
      return { ...rest, data: result };
    },
  };
}

const subtract =
  (by: Float64Array): Step =>
  (value, column) =>
    value - (by[column] as number);
const divide =
  (by: Float64Array): Step =>
  (value, column) =>
    value / (by[column] as number);
const multiply =
  (by: Float64Array): Step =>
  (value, column) =>
    value * (by[column] as number);
const add =
  (by: Float64Array): Step =>
  (value, column) =>
    value + (by[column] as number);

/** Returns an attribute, where the parameter asks for it and fitting found it. */
function wantedNumbers(
  fitted: Fitted,
  parameter: string,
  attribute: string,
): Float64Array | undefined {
  const isWanted = fitted.flag(parameter, true) && fitted.has(attribute);
  return isWanted ? fitted.numbers(attribute) : undefined;
}

/** Makes the reader of a scaler that subtracts a centre and divides by a scale, each of which may be switched off. */
const centred =
  ({
    center,
    centerFlag,
    scaleFlag,
  }: {
    center: string;
    centerFlag: string;
    scaleFlag: string;
  }): EstimatorReader =>
  (fitted) => {
    const by = wantedNumbers(fitted, centerFlag, center);
    const scale = wantedNumbers(fitted, scaleFlag, 'scale_');
    return {
      ...steps(NAN, by && subtract(by), scale && divide(scale)),
      inverseTransform: steps(NAN, scale && multiply(scale), by && add(by)).transform,
    };
  };

const minMax: EstimatorReader = (fitted) => {
  const [low, high] = fitted.list('feature_range') as [number, number];
  const clip: Step | undefined = fitted.flag('clip', false)
    ? (value) => Math.min(Math.max(value, low), high)
    : undefined;
  const [scale, least] = [fitted.numbers('scale_'), fitted.numbers('min_')];
  return {
    ...steps(NAN, multiply(scale), add(least), clip),
    inverseTransform: steps(NAN, subtract(least), divide(scale)).transform,
  };
};

const maxAbs: EstimatorReader = (fitted) => {
  if (fitted.flag('clip', false)) return fitted.refuse('clip=true');
  const scale = fitted.numbers('scale_');
  return {
    ...steps(NAN, divide(scale)),
    inverseTransform: steps(NAN, multiply(scale)).transform,
  };
};

const binarizer: EstimatorReader = (fitted) => {
  const threshold = fitted.number('threshold');
  return steps(undefined, (value) => (value > threshold ? 1 : 0));
};

/** Reads a Normalizer, which leaves rows of zeros as they are. */
const normalizer: EstimatorReader = (fitted) => {
  const norm = fitted.oneOf('norm', ['l1', 'l2', 'max']);
  return { transform: (table) => normalized(table, norm) };
};

/** A norm of a row. */
export type Norm = 'l1' | 'l2' | 'max';

const NORMS: Readonly<Record<Norm, (row: Float64Array) => number>> = {
  l1: (row) => row.reduce((sum, value) => sum + Math.abs(value), 0),
  l2: (row) => Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)),
  max: (row) => row.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
};

/** Divides each row by its norm. Rows of zeros stay as they are. */
export function normalized(table: Table, norm: Norm): Table {
  const { data, ...rest } = numbersOf(table);
  const { width } = rest;
  const result = data.slice();
  for (let start = 0; start < result.length; start += width) {
    const row = result.subarray(start, start + width);
    const length = NORMS[norm](row) || 1;
    for (let i = 0; i < width; i++) row[i] = (row[i] as number) / length;
  }
  return { ...rest, data: result };
}

/** Reads PolynomialFeatures: products of features, degree by degree, and within one in the order of the columns. */
const polynomial: EstimatorReader = (fitted) => {
  const range = fitted.get('degree');
  const [least, most] = Array.isArray(range)
    ? (range as [number, number])
    : [0, fitted.number('degree')];
  const features = fitted.number('n_features_in_');
  const isOnce = fitted.flag('interaction_only');
  const terms: number[][] = fitted.flag('include_bias') ? [[]] : [];
  for (let degree = Math.max(least, 1); degree <= most; degree++) {
    terms.push(...combinations(features, degree, isOnce));
  }
  return {
    transform: (table) => {
      const { rows, width, data } = numbersOf(table);
      const result = new Float64Array(rows * terms.length);
      for (let row = 0; row < rows; row++) {
        terms.forEach((columns, i) => {
          result[row * terms.length + i] = columns.reduce((value, column) => {
            return value * (data[row * width + column] as number);
          }, 1);
        });
      }
      return { rows, width: terms.length, data: result };
    },
  };
};

/** Returns the columns of each product of a degree. @param isOnce true when a product has a column at most once */
function combinations(features: number, degree: number, isOnce: boolean): number[][] {
  if (degree === 0) return [[]];
  return combinations(features, degree - 1, isOnce).flatMap((start) => {
    const last = start[start.length - 1] ?? (isOnce ? -1 : 0);
    const from = isOnce ? last + 1 : last;
    return Array.from({ length: Math.max(features - from, 0) }, (_, i) => [...start, from + i]);
  });
}

/** Readers by class. */
export const SCALING: Readonly<Record<string, EstimatorReader>> = {
  Binarizer: binarizer,
  MaxAbsScaler: maxAbs,
  MinMaxScaler: minMax,
  Normalizer: normalizer,
  PolynomialFeatures: polynomial,
  RobustScaler: centred({
    center: 'center_',
    centerFlag: 'with_centering',
    scaleFlag: 'with_scaling',
  }),
  StandardScaler: centred({ center: 'mean_', centerFlag: 'with_mean', scaleFlag: 'with_std' }),
};
