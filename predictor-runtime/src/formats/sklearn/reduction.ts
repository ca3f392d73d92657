/** Reads clusters and projections (sklearn.cluster, sklearn.decomposition). */
import { numbersOf, type Table } from '../table.ts';
import type { EstimatorReader, Values } from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { product } from './linear.ts';

/** Reads the centres of clusters, as a function that computes the distance of each row to each centre. */
function readDistances(fitted: Fitted): (table: Table) => Values {
  const [width = 0, features = 0] = fitted.array('cluster_centers_').shape;
  const centers = fitted.numbers('cluster_centers_');
  return (table) => {
    const { rows, data } = numbersOf(table);
    const distances = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < width; i++) {
        let sum = 0;
        for (let feature = 0; feature < features; feature++) {
          const value = data[row * features + feature] as number;
          sum += (value - (centers[i * features + feature] as number)) ** 2;
        }
        distances[row * width + i] = Math.sqrt(sum);
      }
    }
    return { width, data: distances };
  };
}

/**
 * Reads the centres of clusters, as a function that finds the nearest one to each row by scikit-learn's formula: the
 * squared distance without the row's own square, beside which that of a large number would hide the rest.
 */
function readNearest(fitted: Fitted): (table: Table) => Values {
  const [width = 0, features = 0] = fitted.array('cluster_centers_').shape;
  const centers = fitted.numbers('cluster_centers_');
  return (table) => {
    const { rows, data } = numbersOf(table);
    const nearest = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      let least = Number.NaN;
      for (let i = 0; i < width; i++) {
        let [square, product] = [0, 0];
        for (let feature = 0; feature < features; feature++) {
          const center = centers[i * features + feature] as number;
          square += center * center;
          product += (data[row * features + feature] as number) * center;
        }
        const score = square - 2 * product;
        if (i > 0 && !(score < least)) continue;
        least = score;
        nearest[row] = i;
      }
    }
    return { width: 1, data: nearest };
  };
}

const kMeans: EstimatorReader = (fitted) => {
  const distances = readDistances(fitted);
  return {
    isClusterer: true,
    predict: readNearest(fitted),
    transform: (table) => tableOf(table, distances(table)),
  };
};

function tableOf({ rows }: Table, { width, data }: Values): Table {
  return { rows, width, data };
}

/** Reads a projection: `(X - mean_) @ components_.T`, with unit variance in each direction where it whitens. */
const projection: EstimatorReader = (fitted) => {
  const [width = 0, features = 0] = fitted.array('components_').shape;
  const weights = fitted.numbers('components_');
  const means = fitted.has('mean_') ? fitted.numbers('mean_') : new Float64Array(features);
  const shift = product({ rows: 1, width: features, data: means }, unbiased(weights, width)).data;
  const scales = fitted.flag('whiten', false)
    ? fitted.numbers('explained_variance_').map(Math.sqrt)
    : undefined;
  const layer = { weights, width, intercepts: shift.map((value) => -value) };
  return {
    transform: (table) => {
      const values = product(numbersOf(table), layer);
      if (scales === undefined) return tableOf(table, values);
      const data = values.data.map((value, i) => value / (scales[i % width] as number));
      return tableOf(table, { width, data });
    },
  };
};

/** Makes a layer without intercepts. */
function unbiased(weights: Float64Array, width: number) {
  return { weights, width, intercepts: new Float64Array(width) };
}

/** Readers by class. */
export const REDUCTION: Readonly<Record<string, EstimatorReader>> = {
  IncrementalPCA: projection,
  KMeans: kMeans,
  MiniBatchKMeans: kMeans,
  NeighborhoodComponentsAnalysis: projection,
  PCA: projection,
  TruncatedSVD: projection,
};
