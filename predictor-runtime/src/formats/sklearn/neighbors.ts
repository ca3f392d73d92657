/** Reads estimators that answer with what their samples nearest to a row have (sklearn.neighbors). */
import type { RowError } from '../../protocol/errors.ts';
import { PickleObject } from '../files/pickle.ts';
import { cellError, type Matrix, numbersOf, type Table } from '../table.ts';
import { argmaxRows, type EstimatorReader, type Values } from './estimator.ts';
import { type Fitted, isNumbers } from './fitted.ts';
import { bruteSearch, METRICS, type Samples, type SampleTree, treeSearch } from './nearest.ts';

/** Samples that are nearest to a row, and their weights. */
interface Neighbors {
  readonly indices: readonly number[];
  readonly weights: readonly number[];
}

/** Reads the tree that fitting has made. */
function readTree(fitted: Fitted, samples: Samples, kind: SampleTree['kind']): SampleTree {
  const value = fitted.get('_tree');
  const state = value instanceof PickleObject && Array.isArray(value.state) ? value.state : [];
  const [, order, , bounds, , , nodes] = state;
  if (!isNumbers(order) || !isNumbers(bounds)) fitted.refuse(`such a ${kind}`);
  return { ...samples, kind, order: order.data, bounds: bounds.data, nodes: Number(nodes) };
}

function readNeighbors(fitted: Fitted): (matrix: Matrix, row: number) => Neighbors {
  const [, width = 0] = fitted.array('_fit_X').shape;
  const samples = { data: fitted.numbers('_fit_X'), width };
  const k = fitted.number('n_neighbors');
  const byDistance = fitted.oneOf('weights', ['uniform', 'distance']) === 'distance';
  const known = ['euclidean', 'manhattan', 'chebyshev'] as const;
  const metric = METRICS[fitted.oneOf('effective_metric_', known)];
  const method = fitted.oneOf('_fit_method', ['brute', 'kd_tree', 'ball_tree']);
  const search =
    method === 'brute'
      ? bruteSearch(samples, { k, metric, isDecided: fitted.isSince(1, 1) })
      : treeSearch(readTree(fitted, samples, method), { k, metric });
  return (matrix, row) => {
    const { data } = matrix;
    const found = search(data.subarray(row * width, (row + 1) * width));
    if (found === undefined) throw tieError(matrix, row, fitted.name);
    const { indices, distances } = found;
    return { indices, weights: byDistance ? inverseWeights(distances) : indices.map(() => 1) };
  };
}

/** Makes the error of a row for which it is open which samples are the nearest. */
function tieError(matrix: Matrix, row: number, name: string): RowError {
  const problem = `with the others: ${name} of scikit-learn before 1.1 leaves it open which of several samples as near counts: train it anew with a later one`;
  return cellError(matrix, row * matrix.width, problem);
}

/** Returns the inverse of distances as weights. Where one is infinite, only samples as near count. */
function inverseWeights(distances: readonly number[]): number[] {
  const weights = distances.map((distance) => 1 / distance);
  return weights.includes(Infinity)
    ? weights.map((weight) => Number(weight === Infinity))
    : weights;
}

const classifier: EstimatorReader = (fitted) => {
  const classes = fitted.array('classes_');
  const width = classes.shape[0] as number;
  const neighbors = readNeighbors(fitted);
  const labels = fitted.numbers('_y');
  const refusesFar = fitted.isSince(1, 3);
  const predictProba = (table: Table): Values => {
    const matrix = numbersOf(table);
    const data = new Float64Array(matrix.rows * width);
    for (let row = 0; row < matrix.rows; row++) {
      const { indices, weights } = neighbors(matrix, row);
      const sum = weights.reduce((all, weight) => all + weight, 0);
      if (sum === 0 && refusesFar) throw farError(matrix, row);
      const total = sum || 1;
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

/** Makes the error of a row that is so far from all samples that none of them counts. */
function farError(matrix: Matrix, row: number): RowError {
  const { width, data } = matrix;
  const own = data.subarray(row * width, (row + 1) * width);
  const largest = own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const at = own.findIndex((value) => Math.abs(value) === largest);
  const problem = `KNeighborsClassifier weighs by distance, and all samples are too far from ${own[at]}`;
  return cellError(matrix, row * width + at, problem);
}

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
