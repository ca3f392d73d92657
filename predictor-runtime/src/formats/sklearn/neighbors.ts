/** Reads k nearest neighbours, which are found by looking at all samples (sklearn.neighbors). */
import { type Matrix, numbersOf, type Table } from '../table.ts';
import { argmaxRows, type EstimatorReader, type Values } from './estimator.ts';
import type { Fitted } from './fitted.ts';

/** Samples that are nearest to a row, the nearest first, and their weights. */
interface Neighbors {
  readonly indices: readonly number[];
  readonly weights: readonly number[];
}

/** Returns the distance between a row of `a` and one of `b`, which begin at those indices. */
type Distance = (a: Float64Array, aStart: number, b: Float64Array, bStart: number) => number;

function readDistance(fitted: Fitted, width: number): Distance {
  const metric = fitted.oneOf('effective_metric_', ['euclidean', 'manhattan', 'chebyshev']);
  const [start, add, end] = METRICS[metric];
  return (a, aStart, b, bStart) => {
    let sum = start;
    for (let i = 0; i < width; i++) {
      sum = add(sum, Math.abs((a[aStart + i] as number) - (b[bStart + i] as number)));
    }
    return end(sum);
  };
}

/** A distance: what a sum begins with, how a column's difference is added, and what becomes of the sum. */
type Metric = readonly [
  start: number,
  add: (sum: number, difference: number) => number,
  end: (sum: number) => number,
];

const METRICS: Readonly<Record<'euclidean' | 'manhattan' | 'chebyshev', Metric>> = {
  euclidean: [0, (sum, difference) => sum + difference * difference, Math.sqrt],
  manhattan: [0, (sum, difference) => sum + difference, (sum) => sum],
  chebyshev: [0, Math.max, (sum) => sum],
};

function readNeighbors(fitted: Fitted): (matrix: Matrix, row: number) => Neighbors {
  const [count = 0, width = 0] = fitted.array('_fit_X').shape;
  const samples = fitted.numbers('_fit_X');
  const k = fitted.number('n_neighbors');
  const byDistance = fitted.oneOf('weights', ['uniform', 'distance']) === 'distance';
  const distance = readDistance(fitted, width);
  const distances = new Float64Array(count);
  return ({ data }, row) => {
    for (let i = 0; i < count; i++) distances[i] = distance(data, row * width, samples, i * width);
    const indices = nearest(distances, k);
    const own = indices.map((i) => distances[i] as number);
    return { indices, weights: byDistance ? inverseWeights(own) : own.map(() => 1) };
  };
}

/** Returns the indices of the k smallest distances, the smallest first; of equal ones, the earlier first. */
function nearest(distances: Float64Array, k: number): number[] {
  const best: number[] = [];
  for (let i = 0; i < distances.length; i++) {
    const distance = distances[i] as number;
    if (best.length === k && !(distance < (distances[best[k - 1] as number] as number))) continue;
    let at = best.length;
    while (at > 0 && distance < (distances[best[at - 1] as number] as number)) at--;
    best.splice(at, 0, i);
    if (best.length > k) best.pop();
  }
  return best;
}

/** Returns the inverse of distances as weights. Where one is zero, only samples at distance zero count. */
function inverseWeights(distances: readonly number[]): number[] {
  return distances.includes(0)
    ? distances.map((distance) => (distance === 0 ? 1 : 0))
    : distances.map((distance) => 1 / distance);
}

const classifier: EstimatorReader = (fitted) => {
  const classes = fitted.array('classes_');
  const width = classes.shape[0] as number;
  const neighbors = readNeighbors(fitted);
  const labels = fitted.numbers('_y');
  const predictProba = (table: Table): Values => {
    const matrix = numbersOf(table);
    const data = new Float64Array(matrix.rows * width);
    for (let row = 0; row < matrix.rows; row++) {
      const { indices, weights } = neighbors(matrix, row);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      indices.forEach((index, i) => {
        const at = row * width + (labels[index] as number);
        data[at] = (data[at] as number) + (weights[i] as number);
      });
      for (let i = 0; i < width; i++)
        data[row * width + i] = (data[row * width + i] as number) / total;
    }
    return { width, data };
  };
  return { classes, predictProba, predict: (table) => argmaxRows(predictProba(table)) };
};

const regressor: EstimatorReader = (fitted) => {
  const neighbors = readNeighbors(fitted);
  const { shape } = fitted.array('_y');
  const targets = fitted.numbers('_y');
  const width = shape[1] ?? 1;
  return {
    targets: shape[1],
    predict: (table) => {
      const matrix = numbersOf(table);
      const data = new Float64Array(matrix.rows * width);
      for (let row = 0; row < matrix.rows; row++) {
        const { indices, weights } = neighbors(matrix, row);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (let i = 0; i < width; i++) {
          const sum = indices.reduce(
            (all, index, n) =>
              all + (targets[index * width + i] as number) * (weights[n] as number),
            0,
          );
          data[row * width + i] = sum / total;
        }
      }
      return { width, data, isList: shape[1] !== undefined };
    },
  };
};

/** Readers by class. */
export const NEIGHBORS: Readonly<Record<string, EstimatorReader>> = {
  KNeighborsClassifier: classifier,
  KNeighborsRegressor: regressor,
};
