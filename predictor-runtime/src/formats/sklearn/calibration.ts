/** Reads classifiers whose scores were made probabilities (sklearn.calibration), and isotonic regression. */
import { RowError } from '../../protocol/errors.ts';
import { cellError, numbersOf, type Table } from '../table.ts';
import { sharedInput } from './composition.ts';
import {
  ANYTHING,
  argmaxRows,
  type Estimator,
  type EstimatorReader,
  inputOf,
  sigmoid,
  softmaxRows,
  type Values,
} from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { interpolator } from './interpolation.ts';
import { column, needed, type Response, weightedMean } from './responses.ts';

/** Makes a probability of a score. */
type Calibrator = (score: number) => number;

/** Reads an isotonic regression. Beyond its ends it stays at their values, or is NaN. */
function readIsotonic(fitted: Fitted): Calibrator {
  const xs = fitted.numbers('X_thresholds_');
  const ys = fitted.numbers('y_thresholds_');
  const isClipped = fitted.get('out_of_bounds') === 'clip';
  const between = interpolator(xs, ys);
  const { least, most } = endsOf(fitted);
  return (value) => {
    if (ys.length === 1) return ys[0] as number;
    return isClipped || (value >= least && value <= most) ? between(value) : Number.NaN;
  };
}

/** Returns the ends of the values to which an isotonic regression was fitted. */
function endsOf(fitted: Fitted): { least: number; most: number } {
  return { least: fitted.number('X_min_'), most: fitted.number('X_max_') };
}

function readCalibrator(fitted: Fitted): Calibrator {
  if (fitted.name === 'IsotonicRegression') return readIsotonic(fitted);
  if (fitted.name !== '_SigmoidCalibration') return fitted.refuse('a calibrator of another kind');
  const slope = fitted.number('a_');
  const offset = fitted.number('b_');
  return (score) => sigmoid(-(slope * score + offset));
}

/** Returns the scores that are calibrated: decisions, or probabilities, of two classes only those of the second. */
function scoresOf({ decisionFunction, predictProba }: Estimator): Response {
  if (decisionFunction !== undefined) return decisionFunction;
  const shares = needed(predictProba, 'decision_function and no predict_proba');
  return (table) => {
    const values = shares(table);
    return values.width === 2 ? { width: 1, data: column(values, 1) } : values;
  };
}

/** Returns scores of which each is a number, as isotonic regression and temperature scaling demand. */
function finite(scores: Response, name: string): Response {
  return (table) => {
    const values = scores(table);
    const odd = values.data.findIndex((score) => !Number.isFinite(score));
    if (odd === -1) return values;
    const row = Math.floor(odd / values.width);
    throw new RowError(
      row,
      `${name} is given the score ${values.data[odd]} by the classifier within: send numbers of the size that it was fitted with`,
    );
  };
}

/** Reads a member: a classifier with a calibrator for each of its classes. */
function readMember(fitted: Fitted, read: (value: unknown) => Estimator, outer: Fitted): Estimator {
  const estimator = read(fitted.get('estimator') ?? fitted.get('base_estimator'));
  const scores = scoresOf(estimator);
  const calibrators = fitted.list('calibrators').map((value) => fitted.within(value));
  const [first] = calibrators;
  if (first?.name === '_TemperatureScaling') {
    const steepness = first.number('beta_');
    const isShares = estimator.decisionFunction === undefined;
    const given = isShares ? needed(estimator.predictProba, 'predict_proba') : scores;
    return {
      ...inputOf(estimator),
      predictProba: (table) => withTemperature(finite(given, first.name)(table), steepness),
    };
  }
  const classes = outer.list('classes_');
  const places = estimator.classes?.data ?? [];
  const columns = Array.from(places, (label) => classes.indexOf(label));
  const calibrate = calibrators.map(readCalibrator);
  const isSigmoid = first?.name === '_SigmoidCalibration';
  const calibrated = isSigmoid ? scores : finite(scores, 'IsotonicRegression');
  return {
    ...inputOf(estimator),
    predictProba: (table) => {
      const given = calibrated(table);
      return classes.length === 2
        ? binaryShares(given, calibrate[0] as Calibrator)
        : sharesOf(given, { calibrate, columns, width: classes.length });
    },
  };
}

function binaryShares({ data }: Values, calibrate: Calibrator): Values {
  const shares = new Float64Array(data.length * 2);
  data.forEach((score, row) => {
    const share = calibrate(score);
    shares[2 * row] = 1 - share;
    shares[2 * row + 1] = share;
  });
  return { width: 2, data: shares };
}

/** Calibrates the score of each class, and divides by their sum. Where that is zero, all classes are alike. */
function sharesOf(
  { width: given, data }: Values,
  about: {
    readonly calibrate: readonly Calibrator[];
    readonly columns: readonly number[];
    readonly width: number;
  },
): Values {
  const { calibrate, columns, width } = about;
  const rows = data.length / given;
  const shares = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    calibrate.forEach((calibrator, i) => {
      const share = calibrator(data[row * given + i] as number);
      shares[row * width + (columns[i] as number)] = share;
      sum += share;
    });
    for (let i = row * width; i < (row + 1) * width; i++) {
      shares[i] = sum === 0 ? 1 / width : (shares[i] as number) / sum;
    }
  }
  return { width, data: shares };
}

/** Applies softmax to scores that are multiplied by a factor. Probabilities count as their logarithms. */
function withTemperature({ width, data }: Values, steepness: number): Values {
  if (width === 1) {
    const both = new Float64Array(data.length * 2);
    data.forEach((score, row) => {
      both[2 * row] = -steepness * score;
      both[2 * row + 1] = steepness * score;
    });
    return softmaxRows({ width: 2, data: both });
  }
  const logits = isShares({ width, data }) ? data.map((share) => Math.log(share + 1e-12)) : data;
  return softmaxRows({ width, data: logits.map((logit) => steepness * logit) });
}

/** True when all values are probabilities, as scikit-learn tells it: within 0 and 1, and of sum 1 in every row. */
function isShares({ width, data }: Values): boolean {
  if (data.some((value) => !(value >= 0 && value <= 1))) return false;
  for (let start = 0; start < data.length; start += width) {
    const sum = data.subarray(start, start + width).reduce((total, value) => total + value, 0);
    if (Math.abs(sum - 1) > 1e-8 + 1e-5) return false;
  }
  return true;
}

const calibratedClassifier: EstimatorReader = (fitted, read) => {
  const members = fitted
    .list('calibrated_classifiers_')
    .map((member) => readMember(fitted.within(member), read, fitted));
  const predictProba = weightedMean(
    members.map((member) => needed(member.predictProba, 'predict_proba')),
  );
  return {
    accepts: ANYTHING,
    ...sharedInput(members),
    classes: fitted.array('classes_'),
    predictProba,
    predict: (table) => argmaxRows(predictProba(table)),
  };
};

const isotonic: EstimatorReader = (fitted) => {
  const calibrate = readIsotonic(fitted);
  const policy = fitted.oneOf('out_of_bounds', ['nan', 'clip', 'raise']);
  const { least, most } = endsOf(fitted);
  const isSingle = fitted.numbers('y_thresholds_').length === 1;
  const values = (table: Table): Float64Array => {
    const { data } = numbersOf(table);
    const odd = data.findIndex((value) => value < least || value > most);
    if (policy !== 'raise' || isSingle || odd === -1) return data.map(calibrate);
    const problem = `IsotonicRegression takes values from ${least} to ${most}, got ${data[odd]}: fit it with out_of_bounds='clip', or send a value within them`;
    throw cellError(table, odd, problem);
  };
  return {
    features: 1,
    predict: (table) => ({ width: 1, data: values(table) }),
    transform: (table) => ({ rows: table.rows, width: 1, data: values(table) }),
  };
};

/** Readers by class. */
export const CALIBRATION: Readonly<Record<string, EstimatorReader>> = {
  CalibratedClassifierCV: calibratedClassifier,
  IsotonicRegression: isotonic,
};
