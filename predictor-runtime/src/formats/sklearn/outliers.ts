/** Reads detectors of outliers, which predict 1 for rows like the others and -1 for outliers (sklearn.ensemble, covariance). */
import type { NdArray } from '../files/numpy.ts';
import { numbersOf, type Table } from '../table.ts';
import { ANYTHING, type Estimator, type EstimatorReader } from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { type Grown, leafAdder, readGrown, singlePrecision } from './grown-trees.ts';
import { readMemberColumns } from './resampling.ts';
import type { Response } from './responses.ts';

/** Labels of outliers and of other rows. */
const SIDES: NdArray = { dtype: 'i8', shape: [2], data: Float64Array.of(-1, 1) };

/** Makes a detector of a decision. @param isInside tells by a decision whether a row is like the others */
export function detector(
  decisionFunction: Response,
  isInside: (decision: number) => boolean = (decision) => decision >= 0,
): Estimator {
  return {
    classes: SIDES,
    decisionFunction,
    predict: (table) => {
      const { data } = decisionFunction(table);
      return { width: 1, data: data.map((decision) => (isInside(decision) ? 1 : 0)) };
    },
  };
}

const EULER_GAMMA = 0.5772156649015329;

/** Returns the average length of a path in a tree that has isolated that many samples. */
function averagePath(samples: number): number {
  if (samples <= 1) return 0;
  if (samples === 2) return 1;
  return 2 * (Math.log(samples - 1) + EULER_GAMMA) - (2 * (samples - 1)) / samples;
}

/** Reads a tree whose leaves' values are the lengths of the paths to them, and on to a single sample. */
function readIsolation(fitted: Fitted, columns: ArrayLike<number>): Grown {
  const grown = readGrown(fitted);
  const counts = fitted.within(fitted.get('tree_')).array('nodes').fields?.get('n_node_samples')
    ?.data as Float64Array;
  const lengths = new Float64Array(grown.tree.length);
  // Children come behind their parents.
  const depths = new Float64Array(grown.tree.length);
  const tree = grown.tree.map((node, i) => {
    if (node.leaf !== undefined) {
      lengths[i] = (depths[i] as number) + averagePath(counts[i] as number);
      return node;
    }
    for (const child of [node.left, node.right]) {
      depths[child as number] = (depths[i] as number) + 1;
    }
    return { ...node, feature: columns[node.feature as number] as number };
  });
  return { tree, values: lengths, width: 1, outputs: 1 };
}

const isolationForest: EstimatorReader = (fitted) => {
  const columns = readMemberColumns(fitted);
  const members = fitted
    .list('estimators_')
    .map((tree, i) => readIsolation(fitted.within(tree), columns[i] as ArrayLike<number>));
  const features = fitted.number('n_features_in_');
  const add = leafAdder(members, { features, store: fitted.store, width: 1 });
  const whole = members.length * averagePath(fitted.number('max_samples_'));
  const offset = fitted.number('offset_');
  const decide: Response = (table) => {
    const matrix = singlePrecision(numbersOf(table));
    const lengths = new Float64Array(matrix.rows);
    add(matrix, lengths);
    const data = lengths.map((length) => -(2 ** -(whole === 0 ? 1 : length / whole)) - offset);
    return { width: 1, data };
  };
  const accepts = fitted.isSince(1, 6) ? ANYTHING : { isSingle: true };
  return { ...detector(decide), accepts };
};

/** Reads an EllipticEnvelope: the squared Mahalanobis distance from the centre. */
const ellipticEnvelope: EstimatorReader = (fitted) => {
  const center = fitted.numbers('location_');
  const precision = fitted.numbers('precision_');
  const offset = fitted.number('offset_');
  const width = center.length;
  return detector((table: Table) => {
    const { rows, data } = numbersOf(table);
    const decisions = Float64Array.from({ length: rows }, (_, row) => {
      const own = center.map((mean, i) => (data[row * width + i] as number) - mean);
      let sum = 0;
      for (let i = 0; i < width; i++) {
        for (let j = 0; j < width; j++) {
          sum += (own[i] as number) * (precision[i * width + j] as number) * (own[j] as number);
        }
      }
      return -sum - offset;
    });
    return { width: 1, data: decisions };
  });
};

/** Readers by class. */
export const OUTLIERS: Readonly<Record<string, EstimatorReader>> = {
  EllipticEnvelope: ellipticEnvelope,
  IsolationForest: isolationForest,
};
