/** Reads ensembles of one estimator that was fitted to other samples or weights each time: Bagging*, AdaBoost*. */
import type { Table } from '../table.ts';
import {
  ANYTHING,
  argmaxRows,
  type Estimator,
  type EstimatorReader,
  isPositive,
  softmaxRows,
  type Values,
} from './estimator.ts';
import { type Fitted, isNumbers } from './fitted.ts';
import {
  columnsBeside,
  givenColumns,
  needed,
  numericClasses,
  predictedNumbers,
  type Response,
  weightedMean,
} from './responses.ts';

/** Returns the columns that each member of an ensemble is given. */
export function readMemberColumns(fitted: Fitted): readonly ArrayLike<number>[] {
  return fitted.list('estimators_features_').map((columns) => {
    return isNumbers(columns) ? columns.data : fitted.refuse('columns that are no numbers');
  });
}

/** Reads a bagging's members, and a function that makes responses of theirs that are given their own columns. */
function readBagging(fitted: Fitted, read: (value: unknown) => Estimator) {
  const members = fitted.list('estimators_').map(read);
  const columns = readMemberColumns(fitted);
  const count = fitted.number('n_features_in_');
  return {
    members,
    each: (responseOf: (member: Estimator) => Response) =>
      members.map((member, i) =>
        givenColumns(responseOf(member), columns[i] as ArrayLike<number>, count),
      ),
  };
}

/** Spreads what a member gives for the classes that it knows, or its votes, over all classes. */
function sharesOfMember(member: Estimator, width: number): Response {
  const places = numericClasses(member);
  const { predictProba } = member;
  const given: Response = predictProba ?? votes(needed(member.predict, 'predict'), places.length);
  if (places.length === width) return given;
  return (table) => {
    const own = given(table);
    const data = new Float64Array(table.rows * width);
    own.data.forEach((share, i) => {
      const place = places[i % own.width] as number;
      data[Math.floor(i / own.width) * width + place] = share;
    });
    return { width, data };
  };
}

/** Makes a function that gives 1 to the class that is predicted, and 0 to others. */
function votes(predict: Response, width: number): Response {
  return (table) => {
    const data = new Float64Array(table.rows * width);
    predict(table).data.forEach((index, row) => {
      data[row * width + index] = 1;
    });
    return { width, data };
  };
}

const baggingClassifier: EstimatorReader = (fitted, read) => {
  const { members, each } = readBagging(fitted, read);
  const classes = fitted.array('classes_');
  const width = classes.shape[0] as number;
  const predictProba = weightedMean(each((member) => sharesOfMember(member, width)));
  const hasDecisions = members.every(({ decisionFunction }) => decisionFunction !== undefined);
  return {
    accepts: ANYTHING,
    classes,
    predictProba,
    predict: (table) => argmaxRows(predictProba(table)),
    ...(hasDecisions && {
      decisionFunction: weightedMean(
        each(({ decisionFunction }) => needed(decisionFunction, 'decision_function')),
      ),
    }),
  };
};

const baggingRegressor: EstimatorReader = (fitted, read) => {
  const { members, each } = readBagging(fitted, read);
  return {
    accepts: ANYTHING,
    targets: members[0]?.targets,
    predict: weightedMean(each(predictedNumbers)),
  };
};

/** Returns the weights of the members that boosting has made; it may have ended before it had made all. */
function readWeights(fitted: Fitted, members: number): Float64Array {
  return fitted.numbers('estimator_weights_').slice(0, members);
}

/** Makes the scores of one member by the rule SAMME.R: its probabilities' logarithms, without their mean. */
function realScores(member: Estimator, width: number): Response {
  const predictProba = needed(member.predictProba, 'predict_proba');
  return (table) => {
    const shares = predictProba(table);
    const logs = shares.data.map((share) => Math.log(Math.max(share, Number.EPSILON)));
    for (let start = 0; start < logs.length; start += width) {
      const row = logs.subarray(start, start + width);
      const mean = row.reduce((sum, log) => sum + log, 0) / width;
      for (let i = 0; i < width; i++) row[i] = (width - 1) * ((row[i] as number) - mean);
    }
    return { width, data: logs };
  };
}

/** Makes the scores of one member by the rule SAMME: its weight for the class that it predicts. */
function discreteScores(
  member: Estimator,
  about: {
    readonly width: number;
    readonly weight: number;
    /** Score of the classes that it does not predict. */
    readonly other: number;
    readonly places: readonly number[];
  },
): Response {
  const { width, weight, other, places } = about;
  const predict = needed(member.predict, 'predict');
  return (table) => {
    const data = new Float64Array(table.rows * width).fill(other);
    predict(table).data.forEach((index, row) => {
      data[row * width + (places[index] as number)] = weight;
    });
    return { width, data };
  };
}

/** Makes the sum of what the members score, divided by the sum of their weights. */
function boostedScores(fitted: Fitted, members: readonly Estimator[]): Response {
  const labels = fitted.list('classes_');
  const width = labels.length;
  const weights = readWeights(fitted, members.length);
  const isReal = !fitted.isSince(1, 6) && fitted.get('algorithm') === 'SAMME.R';
  // Since 1.3 classes that a member does not predict lose, so that the scores of a row have the sum 0.
  const share = fitted.isSince(1, 3) ? -1 / (width - 1) : 0;
  const scores = members.map((member, i) => {
    if (isReal) return realScores(member, width);
    const weight = weights[i] as number;
    const places = Array.from(member.classes?.data ?? [], (label) => labels.indexOf(label));
    return discreteScores(member, { width, weight, other: share * weight, places });
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const factor = members.length / total;
  const mean = weightedMean(scores);
  return (table) => {
    const { data } = mean(table);
    return { width, data: data.map((score) => score * factor) };
  };
}

/** Reads an AdaBoostClassifier. The decision of two classes is a single score. */
const adaBoostClassifier: EstimatorReader = (fitted, read) => {
  const members = fitted.list('estimators_').map(read);
  const classes = fitted.array('classes_');
  const width = classes.shape[0] as number;
  if (width < 2) fitted.refuse('a single class');
  const scores = boostedScores(fitted, members);
  const decisionFunction: Response = (table) => {
    const values = scores(table);
    if (width > 2) return values;
    const data = Float64Array.from({ length: table.rows }, (_, row) => {
      return (values.data[2 * row + 1] as number) - (values.data[2 * row] as number);
    });
    return { width: 1, data };
  };
  return {
    classes,
    decisionFunction,
    predictProba: (table) => boostedShares(decisionFunction(table), width),
    predict: (table) => {
      const values = decisionFunction(table);
      return width === 2 ? isPositive(values) : argmaxRows(values);
    },
  };
};

function boostedShares({ data }: Values, width: number): Values {
  if (width > 2) return softmaxRows({ width, data: data.map((score) => score / (width - 1)) });
  return softmaxRows(
    columnsBeside([data.map((score) => -score / 2), data.map((score) => score / 2)]),
  );
}

/** Reads an AdaBoostRegressor, which predicts the weighted median of its members' values. */
const adaBoostRegressor: EstimatorReader = (fitted, read) => {
  const members = fitted.list('estimators_').map(read).map(predictedNumbers);
  const weights = readWeights(fitted, members.length);
  return {
    predict: (table: Table) => {
      const { width, data } = columnsBeside(members.map((member) => member(table).data));
      const medians = Float64Array.from({ length: table.rows }, (_, row) => {
        return weightedMedian(data.subarray(row * width, (row + 1) * width), weights);
      });
      return { width: 1, data: medians };
    },
  };
};

/** Returns the smallest value at which half of the weights are reached. */
function weightedMedian(values: Float64Array, weights: Float64Array): number {
  const order = [...values.keys()].sort((a, b) => (values[a] as number) - (values[b] as number));
  const total = order.reduce((sum, i) => sum + (weights[i] as number), 0);
  let reached = 0;
  for (const i of order) {
    reached += weights[i] as number;
    if (reached >= 0.5 * total) return values[i] as number;
  }
  return values[order[order.length - 1] as number] as number;
}

/** Readers by class. */
export const RESAMPLING: Readonly<Record<string, EstimatorReader>> = {
  AdaBoostClassifier: adaBoostClassifier,
  AdaBoostRegressor: adaBoostRegressor,
  BaggingClassifier: baggingClassifier,
  BaggingRegressor: baggingRegressor,
};
