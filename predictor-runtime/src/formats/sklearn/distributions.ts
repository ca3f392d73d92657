/** Reads transformers that give columns another distribution, with their inverses: PowerTransformer, QuantileTransformer. */
import { cellError, numbersOf, type Table } from '../table.ts';
import { type EstimatorReader, NAN } from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { interpolator } from './interpolation.ts';
import { normalQuantile, normalShare } from './normal.ts';

/** Changes a value of a column. */
type Change = (value: number, column: number) => number;

/** Makes a function that changes each value of a table. */
export function eachValue(change: Change): (table: Table) => Table {
  return (table) => {
    const { data, ...rest } = numbersOf(table);
    return { ...rest, data: data.map((value, i) => change(value, i % rest.width)) };
  };
}

function yeoJohnson(value: number, lambda: number): number {
  if (value >= 0) {
    const log = Math.log1p(value);
    return Math.abs(lambda) < Number.EPSILON ? log : Math.expm1(lambda * log) / lambda;
  }
  const log = Math.log1p(-value);
  const rest = 2 - lambda;
  return Math.abs(rest) <= Number.EPSILON ? -log : -Math.expm1(rest * log) / rest;
}

function yeoJohnsonInverse(value: number, lambda: number): number {
  if (value >= 0) {
    return Math.abs(lambda) < Number.EPSILON
      ? Math.expm1(value)
      : Math.expm1(Math.log1p(value * lambda) / lambda);
  }
  const rest = 2 - lambda;
  return Math.abs(rest) <= Number.EPSILON
    ? -Math.expm1(-value)
    : -Math.expm1(Math.log1p(-value * rest) / rest);
}

function boxCox(value: number, lambda: number): number {
  const log = Math.log(value);
  return lambda === 0 ? log : Math.expm1(lambda * log) / lambda;
}

function boxCoxInverse(value: number, lambda: number): number {
  return lambda === 0 ? Math.exp(value) : Math.exp(Math.log1p(value * lambda) / lambda);
}

/** Reads the mean and scale of a PowerTransformer that standardizes. */
function readStandard(fitted: Fitted): { mean: ArrayLike<number>; scale: ArrayLike<number> } {
  const count = fitted.numbers('lambdas_').length;
  if (!fitted.flag('standardize', true)) {
    return { mean: new Float64Array(count), scale: new Float64Array(count).fill(1) };
  }
  const scaler = fitted.within(fitted.get('_scaler'));
  return { mean: scaler.numbers('mean_'), scale: scaler.numbers('scale_') };
}

const power: EstimatorReader = (fitted) => {
  const lambdas = fitted.numbers('lambdas_');
  const isBoxCox = fitted.oneOf('method', ['yeo-johnson', 'box-cox']) === 'box-cox';
  const { mean, scale } = readStandard(fitted);
  const forward = isBoxCox ? boxCox : yeoJohnson;
  const backward = isBoxCox ? boxCoxInverse : yeoJohnsonInverse;
  // A column that was constant has no lambda, and stays as it is.
  const through = (apply: typeof boxCox, value: number, column: number) => {
    const lambda = lambdas[column] as number;
    return Number.isNaN(lambda) ? value : apply(value, lambda);
  };
  const powered = eachValue((value, column) => through(forward, value, column));
  const standardized = eachValue((value, column) => {
    return (value - (mean[column] as number)) / (scale[column] as number);
  });
  const isStandard = fitted.flag('standardize', true);
  return {
    accepts: NAN,
    transform: (table) => {
      if (isBoxCox) checkPositive(table);
      const changed = powered(table);
      if (isStandard) checkPowers(table, changed);
      return standardized(changed);
    },
    inverseTransform: eachValue((value, column) => {
      return through(
        backward,
        value * (scale[column] as number) + (mean[column] as number),
        column,
      );
    }),
  };
};

/** Checks that all numbers are above zero. @throws RowError for the first that is not. */
function checkPositive(table: Table): void {
  const { data } = numbersOf(table);
  const at = data.findIndex((value) => value <= 0);
  if (at < 0) return;
  const problem = `PowerTransformer with method='box-cox' takes numbers above zero, got ${data[at]}`;
  throw cellError(table, at, problem);
}

/** Checks that no power is infinite, which standardizing refuses. @throws RowError for the first number with one that is. */
function checkPowers(table: Table, changed: Table): void {
  const at = numbersOf(changed).data.findIndex((value) => Math.abs(value) === Infinity);
  if (at < 0) return;
  const problem = `PowerTransformer takes no number whose power is infinite, got ${table.data[at]}`;
  throw cellError(table, at, problem);
}

/** Distance from the ends within which a normal distribution takes a value for the end. */
const NEAR_END = 1e-7;
const [NORMAL_LEAST, NORMAL_MOST] = [
  normalQuantile(NEAR_END - 2 ** -52),
  normalQuantile(1 - (NEAR_END - 2 ** -52)),
];

/** Makes the changes of a column, there and back, by its quantiles. */
function quantileChanges(quantiles: Float64Array, references: Float64Array, isNormal: boolean) {
  const last = quantiles.length - 1;
  const [least, most] = [quantiles[0] as number, quantiles[last] as number];
  const negated = (values: Float64Array) => values.map((value) => -value).reverse();
  const up = interpolator(quantiles, references);
  const down = interpolator(negated(quantiles), negated(references));
  const back = interpolator(references, quantiles);
  const isLow = (value: number, end: number) => (isNormal ? value - NEAR_END < end : value === end);
  const isHigh = (value: number, end: number) =>
    isNormal ? value + NEAR_END > end : value === end;
  return {
    forward: (value: number) => {
      if (Number.isNaN(value)) return value;
      const inner = 0.5 * (up(value) - down(-value));
      const share = isLow(value, least) ? 0 : isHigh(value, most) ? 1 : inner;
      if (!isNormal) return share;
      return Math.min(Math.max(normalQuantile(share), NORMAL_LEAST), NORMAL_MOST);
    },
    backward: (value: number) => {
      const share = isNormal ? normalShare(value) : value;
      if (Number.isNaN(share)) return share;
      return isLow(share, 0) ? least : isHigh(share, 1) ? most : back(share);
    },
  };
}

const quantile: EstimatorReader = (fitted) => {
  const { shape } = fitted.array('quantiles_');
  const [points = 0, width = 0] = shape;
  const all = fitted.numbers('quantiles_');
  const references = fitted.numbers('references_');
  const isNormal = fitted.oneOf('output_distribution', ['uniform', 'normal']) === 'normal';
  const columns = Array.from({ length: width }, (_, column) => {
    const own = Float64Array.from({ length: points }, (_, i) => all[i * width + column] as number);
    return quantileChanges(own, references, isNormal);
  });
  const of = (column: number) => columns[column] as ReturnType<typeof quantileChanges>;
  return {
    accepts: NAN,
    transform: eachValue((value, column) => of(column).forward(value)),
    inverseTransform: eachValue((value, column) => of(column).backward(value)),
  };
};

/** Readers by class. */
export const DISTRIBUTIONS: Readonly<Record<string, EstimatorReader>> = {
  PowerTransformer: power,
  QuantileTransformer: quantile,
};
