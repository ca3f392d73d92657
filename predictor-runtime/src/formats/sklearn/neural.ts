/** Reads multi-layer perceptrons (sklearn.neural_network). */
import { isNdArray } from '../files/numpy.ts';
import { numbersOf, type Table } from '../table.ts';
import {
  argmaxRows,
  bothOf,
  type EstimatorReader,
  sigmoid,
  softmaxRows,
  type Values,
} from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { product } from './linear.ts';

const ACTIVATIONS: Readonly<Record<string, (value: number) => number>> = {
  identity: (value) => value,
  logistic: sigmoid,
  tanh: Math.tanh,
  relu: (value) => Math.max(value, 0),
};

/** A layer of the network. The weights are in row-major order, a row for each of `width` outputs. */
interface Layer {
  readonly weights: Float64Array;
  readonly intercepts: Float64Array;
  readonly width: number;
}

function readLayers(fitted: Fitted): Layer[] {
  const intercepts = fitted.list('intercepts_');
  return fitted.list('coefs_').map((value, i) => {
    const bias = intercepts[i];
    const isLayer = isNdArray(value) && isNdArray(bias);
    if (!isLayer || !(value.data instanceof Float64Array) || !(bias.data instanceof Float64Array)) {
      return fitted.refuse(`a layer ${i} that is no array`);
    }
    const [inputs = 0, width = 0] = value.shape;
    return { weights: transposed(value.data, inputs, width), intercepts: bias.data, width };
  });
}

function transposed(data: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = data[row * columns + column] as number;
    }
  }
  return result;
}

/** Reads the layers, as a function that computes what the last one gives before its own activation. */
function readForward(fitted: Fitted): (table: Table) => Values {
  const layers = readLayers(fitted);
  const activation = ACTIVATIONS[fitted.oneOf('activation', Object.keys(ACTIVATIONS))];
  return (table) => {
    let { rows, width, data } = numbersOf(table);
    layers.forEach((layer, i) => {
      const next = product({ rows, width, data }, layer);
      const isLast = i === layers.length - 1;
      data = isLast ? next.data : next.data.map(activation as (value: number) => number);
      width = next.width;
    });
    return { width, data };
  };
}

const regressor: EstimatorReader = (fitted) => {
  const forward = readForward(fitted);
  const last = fitted.oneOf('out_activation_', ['identity', 'exp'], 'identity');
  const outputs = fitted.number('n_outputs_');
  return {
    targets: outputs > 1 ? outputs : undefined,
    predict: (table) => {
      const { width, data } = forward(table);
      return { width, data: last === 'exp' ? data.map(Math.exp) : data };
    },
  };
};

const classifier: EstimatorReader = (fitted) => {
  const binarizer = fitted.within(fitted.get('_label_binarizer'));
  if (binarizer.string('y_type_').startsWith('multilabel')) fitted.refuse('several labels a row');
  const last = fitted.oneOf('out_activation_', ['logistic', 'softmax']);
  const forward = readForward(fitted);
  const predictProba = (table: Table) => {
    const scores = forward(table);
    return last === 'softmax' ? softmaxRows(scores) : bothOf(scores.data.map(sigmoid));
  };
  return {
    classes: fitted.array('classes_'),
    predictProba,
    predict: (table) => argmaxRows(predictProba(table)),
  };
};

/** Readers by class. */
export const NEURAL: Readonly<Record<string, EstimatorReader>> = {
  MLPClassifier: classifier,
  MLPRegressor: regressor,
};
