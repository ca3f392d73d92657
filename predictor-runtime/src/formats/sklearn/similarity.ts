/** Reads estimators that answer by how similar a row is to some samples: Nystroem, LabelPropagation, LabelSpreading. */
import { numbersOf, type Table } from '../table.ts';
import { argmaxRows, type EstimatorReader, type Values } from './estimator.ts';
import { readKernel, rowsOf } from './kernels.ts';
import { product } from './linear.ts';

const nystroem: EstimatorReader = (fitted) => {
  const [count = 0, features = 0] = fitted.array('components_').shape;
  if (fitted.has('kernel_params')) fitted.refuse('kernel_params');
  const kernel = readKernel(fitted, {
    gamma: fitted.number('gamma', 1 / features),
    coef0: fitted.number('coef0', 1),
    degree: fitted.number('degree', 3),
  });
  const samples = rowsOf(fitted.numbers('components_'), features);
  const layer = {
    weights: fitted.numbers('normalization_'),
    width: count,
    intercepts: new Float64Array(count),
  };
  return {
    transform: (table: Table): Table => {
      const { rows, data } = numbersOf(table);
      const similarities = rowsOf(data, features).flatMap((row) =>
        samples.map((sample) => kernel(row, sample)),
      );
      const matrix = { rows, width: count, data: Float64Array.from(similarities) };
      return { rows, ...product(matrix, layer) };
    },
  };
};

/** Reads a classifier that shares the labels of its samples among rows, by how similar these are. */
const propagation: EstimatorReader = (fitted) => {
  const [, features = 0] = fitted.array('X_').shape;
  const parameters = { gamma: fitted.number('gamma'), coef0: 0, degree: 0 };
  const kernel = readKernel(fitted, parameters, fitted.oneOf('kernel', ['rbf']));
  const samples = rowsOf(fitted.numbers('X_'), features);
  const classes = fitted.array('classes_');
  const width = classes.shape[0] as number;
  const labels = rowsOf(fitted.numbers('label_distributions_'), width);
  const sharesOf = (row: Float64Array): Float64Array => {
    const shares = new Float64Array(width);
    samples.forEach((sample, i) => {
      const similarity = kernel(sample, row);
      (labels[i] as Float64Array).forEach((share, label) => {
        shares[label] = (shares[label] as number) + similarity * share;
      });
    });
    const total = shares.reduce((sum, share) => sum + share, 0);
    return shares.map((share) => share / total);
  };
  const predictProba = (table: Table): Values => {
    const shares = rowsOf(numbersOf(table).data, features).map(sharesOf);
    return { width, data: Float64Array.from(shares.flatMap((row) => [...row])) };
  };
  return {
    classes,
    predictProba,
    // Far from all samples there are no shares, and the first class is the answer.
    predict: (table) => argmaxRows(predictProba(table)),
  };
};

/** Readers by class. */
export const SIMILARITY: Readonly<Record<string, EstimatorReader>> = {
  LabelPropagation: propagation,
  LabelSpreading: propagation,
  Nystroem: nystroem,
};
