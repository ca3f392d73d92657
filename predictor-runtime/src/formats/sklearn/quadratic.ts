/** Reads models of Gaussians with covariances of their own: QuadraticDiscriminantAnalysis, GaussianMixture. */
import { type Matrix, numbersOf, type Table } from '../table.ts';
import { argmaxRows, type EstimatorReader, softmaxRows, type Values } from './estimator.ts';
import { type Fitted, isNumbers } from './fitted.ts';

/** A Gaussian: `constant - |(x - mean) @ axes|^2 / 2` is the logarithm of its density. */
interface Gaussian {
  readonly mean: Float64Array;
  /** Directions, each by the inverse of its standard deviation: `axes[feature * width + direction]`. */
  readonly axes: Float64Array;
  readonly constant: number;
}

/** Makes a function that computes the logarithms of the densities of Gaussians. */
function logDensities(gaussians: readonly Gaussian[]): (matrix: Matrix) => Values {
  const width = gaussians.length;
  return ({ rows, width: features, data }) => {
    const result = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const own = data.subarray(row * features, (row + 1) * features);
      gaussians.forEach((gaussian, i) => {
        result[row * width + i] = gaussian.constant - squaredLength(own, gaussian) / 2;
      });
    }
    return { width, data: result };
  };
}

function squaredLength(row: Float64Array, { mean, axes }: Gaussian): number {
  const directions = axes.length / row.length;
  let length = 0;
  for (let direction = 0; direction < directions; direction++) {
    let sum = 0;
    for (let i = 0; i < row.length; i++) {
      const own = (row[i] as number) - (mean[i] as number);
      sum += own * (axes[i * directions + direction] as number);
    }
    length += sum * sum;
  }
  return length;
}

/** Reads the matrices or rows of a list, as a list of arrays of numbers. */
function readArrays(fitted: Fitted, name: string): Float64Array[] {
  return fitted.list(name).map((values) => {
    return isNumbers(values) ? values.data : fitted.refuse(`${name} that are no numbers`);
  });
}

/** Returns the parts of an array by its first dimension. */
function parts(data: Float64Array, count: number): Float64Array[] {
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => data.subarray(i * size, (i + 1) * size));
}

/** Share of the largest variance below which a variance is nothing but rounding. */
const NO_SPREAD = 1e-20;

const discriminant: EstimatorReader = (fitted) => {
  const classes = fitted.array('classes_');
  const count = classes.shape[0] as number;
  const priors = fitted.numbers('priors_');
  const means = parts(fitted.numbers('means_'), count);
  const scalings = readArrays(fitted, 'scalings_');
  const gaussians = readArrays(fitted, 'rotations_').map((rotation, i): Gaussian => {
    const scaling = scalings[i] as Float64Array;
    // In a direction without a spread, scikit-learn's answers are rounding, too; since 1.8 it does not fit such data.
    const least = scaling.reduce((all, value) => Math.min(all, value));
    if (least < NO_SPREAD * scaling.reduce((all, value) => Math.max(all, value)))
      fitted.refuse('columns that are collinear within a class (set reg_param)');
    const width = scaling.length;
    return {
      mean: means[i] as Float64Array,
      axes: rotation.map((value, at) => value / Math.sqrt(scaling[at % width] as number)),
      constant:
        Math.log(priors[i] as number) -
        scaling.reduce((sum, value) => sum + Math.log(value), 0) / 2,
    };
  });
  const densities = logDensities(gaussians);
  const scores = (table: Table) => densities(numbersOf(table));
  return {
    classes,
    predict: (table) => argmaxRows(scores(table)),
    predictProba: (table) => softmaxRows(scores(table)),
    decisionFunction: (table) => {
      const values = scores(table);
      if (count > 2) return values;
      const data = Float64Array.from({ length: table.rows }, (_, row) => {
        return (values.data[2 * row + 1] as number) - (values.data[2 * row] as number);
      });
      return { width: 1, data };
    },
  };
};

/** Returns a square matrix of its diagonal. */
function diagonal(values: ArrayLike<number>): Float64Array {
  const { length } = values;
  return Float64Array.from({ length: length * length }, (_, i) =>
    i % (length + 1) === 0 ? (values[i / (length + 1)] as number) : 0,
  );
}

/** Reads the factor of each component's precision matrix, in whichever form the mixture keeps them. */
function readFactors(fitted: Fitted, count: number, features: number): Float64Array[] {
  const kind = fitted.oneOf('covariance_type', ['full', 'tied', 'diag', 'spherical']);
  const all = fitted.numbers('precisions_cholesky_');
  if (kind === 'tied') return Array.from({ length: count }, () => all);
  if (kind === 'full') return parts(all, count);
  return parts(all, count).map((own) => {
    return diagonal(kind === 'diag' ? own : new Float64Array(features).fill(own[0] as number));
  });
}

/** Reads a GaussianMixture, which predicts the component of a row, as a cluster. */
const mixture: EstimatorReader = (fitted) => {
  const [count = 0, features = 0] = fitted.array('means_').shape;
  const means = parts(fitted.numbers('means_'), count);
  const weights = fitted.numbers('weights_');
  const gaussians = readFactors(fitted, count, features).map((axes, i): Gaussian => {
    const logs = axes.filter((_, at) => at % (features + 1) === 0).map(Math.log);
    return {
      mean: means[i] as Float64Array,
      axes,
      constant:
        Math.log(weights[i] as number) +
        logs.reduce((sum, log) => sum + log, 0) -
        (features * Math.log(2 * Math.PI)) / 2,
    };
  });
  const densities = logDensities(gaussians);
  return {
    isClusterer: true,
    predict: (table) => argmaxRows(densities(numbersOf(table))),
    predictProba: (table) => softmaxRows(densities(numbersOf(table))),
  };
};

/** Readers by class. */
export const QUADRATIC: Readonly<Record<string, EstimatorReader>> = {
  GaussianMixture: mixture,
  QuadraticDiscriminantAnalysis: discriminant,
};
