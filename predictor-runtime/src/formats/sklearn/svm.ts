/** Reads support vector machines, which decide as libsvm does (sklearn.svm: SVC, NuSVC, SVR, NuSVR, OneClassSVM). */
import { type Matrix, numbersOf, type Table } from '../table.ts';
import { coupledShares } from './coupling.ts';
import type { EstimatorReader, Values } from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { dot, readKernel, rowsOf } from './kernels.ts';
import { pairScores } from './multiclass.ts';
import { detector } from './outliers.ts';
import { needed } from './responses.ts';

/** A fitted support vector machine. */
interface Machine {
  /** Returns the kernel's value of a row with each support vector. */
  readonly similarities: (matrix: Matrix, row: number) => Float64Array;
  /** Number of support vectors. */
  readonly vectors: number;
  /** Coefficients of the vectors, in the shape `[classes - 1, vectors]`. */
  readonly coefficients: Float64Array;
  /** Intercepts, one for each pair of classes. */
  readonly intercepts: Float64Array;
}

function readMachine(fitted: Fitted): Machine {
  if (fitted.flag('_sparse', false)) fitted.refuse('sparse support vectors');
  const { shape } = fitted.array('support_vectors_');
  const [vectors = 0, features = 0] = shape;
  const data = fitted.numbers('support_vectors_');
  const kernel = readKernel(fitted, {
    gamma: fitted.number('_gamma'),
    coef0: fitted.number('coef0'),
    degree: fitted.number('degree'),
  });
  const rows = rowsOf(data, features);
  return {
    vectors,
    coefficients: fitted.numbers('_dual_coef_'),
    intercepts: fitted.numbers('_intercept_'),
    similarities: ({ data: values, width }, row) => {
      const own = values.subarray(row * width, (row + 1) * width);
      return Float64Array.from(rows, (vector) => kernel(own, vector));
    },
  };
}

const regressor: EstimatorReader = (fitted) => {
  const { similarities, coefficients, intercepts } = readMachine(fitted);
  return {
    predict: (table) => {
      const matrix = numbersOf(table);
      const data = Float64Array.from(
        { length: matrix.rows },
        (_, row) => dot(similarities(matrix, row), coefficients) + (intercepts[0] as number),
      );
      return { width: 1, data };
    },
  };
};

/**
 * Reads a classifier. It decides between each pair of classes, and takes the class with most votes, the first one of
 * equals.
 */
const classifier: EstimatorReader = (fitted) => {
  if (fitted.flag('break_ties', false)) fitted.refuse('break_ties=true');
  const machine = readMachine(fitted);
  const classes = fitted.array('classes_');
  const count = classes.shape[0] as number;
  const starts = classStarts(fitted.numbers('_n_support'));
  const isOneVsRest = fitted.oneOf('decision_function_shape', ['ovr', 'ovo'], 'ovr') === 'ovr';

  function decisions(table: Table): Values {
    const matrix = numbersOf(table);
    const width = (count * (count - 1)) / 2;
    const data = new Float64Array(matrix.rows * width);
    for (let row = 0; row < matrix.rows; row++) {
      pairDecisions(machine, {
        similarities: machine.similarities(matrix, row),
        starts,
        count,
      }).forEach((decision, pair) => {
        data[row * width + pair] = decision;
      });
    }
    return { width, data };
  }

  return {
    classes,
    ...(fitted.has('_probA') &&
      fitted.numbers('_probA').length > 0 && {
        predictProba: coupledShares(fitted, { decisions, count }),
      }),
    predict: (table) => vote(decisions(table), count),
    decisionFunction: (table) => {
      const values = decisions(table);
      // Positive decisions mean the first class in libsvm, and the second in scikit-learn.
      if (count === 2) return { width: 1, data: values.data.map((decision) => -decision) };
      return isOneVsRest ? oneVsRest(values, count) : values;
    },
  };
};

/** Returns the index of each class's first support vector, and at last the number of all. */
function classStarts(counts: Float64Array): number[] {
  const starts = [0];
  for (const count of counts) starts.push((starts[starts.length - 1] as number) + count);
  return starts;
}

/**
 * Returns the decision between each pair of classes, which sums each one's support vectors by their weights against the
 * other.
 */
function pairDecisions(
  { coefficients, intercepts, vectors }: Machine,
  {
    similarities,
    starts,
    count,
  }: { similarities: Float64Array; starts: readonly number[]; count: number },
): number[] {
  const partial = (of: number, against: number) => {
    const line = against > of ? against - 1 : against;
    let sum = 0;
    for (let i = starts[of] as number; i < (starts[of + 1] as number); i++) {
      sum += (coefficients[line * vectors + i] as number) * (similarities[i] as number);
    }
    return sum;
  };
  const decisions: number[] = [];
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      const intercept = intercepts[decisions.length] as number;
      decisions.push(partial(a, b) + partial(b, a) + intercept);
    }
  }
  return decisions;
}

/** Returns the class with most votes of each row. */
function vote({ width, data }: Values, count: number): Values {
  const winners = Float64Array.from({ length: data.length / width }, (_, row) => {
    const votes = new Array<number>(count).fill(0);
    let pair = row * width;
    for (let a = 0; a < count; a++) {
      for (let b = a + 1; b < count; b++) {
        const winner = (data[pair++] as number) > 0 ? a : b;
        votes[winner] = (votes[winner] as number) + 1;
      }
    }
    return votes.indexOf(Math.max(...votes));
  });
  return { width: 1, data: winners };
}

/** Makes a score for each class. Positive decisions mean the first class of a pair. */
function oneVsRest({ width, data }: Values, count: number): Values {
  const confidences = { width, data: data.map((decision) => -decision) };
  const winners = { width, data: data.map((decision) => Number(decision < 0)) };
  return pairScores({ confidences, winners }, count);
}

/** Reads a detector of outliers, which decides as a regressor predicts. */
const oneClass: EstimatorReader = (fitted, read) => {
  const { predict } = regressor(fitted, read);
  return detector(needed(predict, 'predict'), (decision) => decision > 0);
};

/** Readers by class. */
export const SVM: Readonly<Record<string, EstimatorReader>> = {
  NuSVC: classifier,
  NuSVR: regressor,
  OneClassSVM: oneClass,
  SVC: classifier,
  SVR: regressor,
};
