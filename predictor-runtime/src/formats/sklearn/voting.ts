/** Reads estimators that let others vote, or a last one decide over what they predict (sklearn.ensemble). */
import { beside, type Table } from '../table.ts';
import { sharedInput } from './composition.ts';
import {
  ANYTHING,
  argmaxRows,
  type Estimator,
  type EstimatorReader,
  type InputColumns,
  type Values,
} from './estimator.ts';
import type { Fitted } from './fitted.ts';
import {
  column,
  needed,
  numericClasses,
  predictedNumbers,
  type Response,
  weightedMean,
} from './responses.ts';

type Read = (value: unknown) => Estimator;

/** Returns the weights of the members that take part; undefined where all are alike. */
function readWeights(fitted: Fitted): number[] | undefined {
  if (!fitted.has('weights')) return undefined;
  const members = fitted.list('estimators') as readonly [string, unknown][];
  return fitted
    .list('weights')
    .filter((_, i) => members[i]?.[1] !== 'drop' && members[i]?.[1] !== null)
    .map(Number);
}

const votingClassifier: EstimatorReader = (fitted, read) => {
  const members = fitted.list('estimators_').map(read);
  const weights = readWeights(fitted);
  const classes = fitted.array('classes_');
  const shared = { accepts: ANYTHING, classes, ...sharedInput(members) };
  if (fitted.oneOf('voting', ['hard', 'soft']) === 'hard') {
    const count = classes.shape[0] as number;
    return { ...shared, predict: majority(members.map(predictedNumbers), count, weights) };
  }
  const predictProba = weightedMean(
    members.map((member) => needed(member.predictProba, 'predict_proba')),
    weights,
  );
  return { ...shared, predictProba, predict: (table) => argmaxRows(predictProba(table)) };
};

/** Makes a function that takes the class with most votes, the first one of equals. */
function majority(
  members: readonly Response[],
  count: number,
  weights: readonly number[] = members.map(() => 1),
): Response {
  return (table) => {
    const votes = new Float64Array(table.rows * count);
    members.forEach((member, i) => {
      member(table).data.forEach((index, row) => {
        votes[row * count + index] =
          (votes[row * count + index] as number) + (weights[i] as number);
      });
    });
    return argmaxRows({ width: count, data: votes });
  };
}

const votingRegressor: EstimatorReader = (fitted, read) => {
  const members = fitted.list('estimators_').map(read);
  return {
    accepts: ANYTHING,
    ...sharedInput(members),
    predict: weightedMean(members.map(predictedNumbers), readWeights(fitted)),
  };
};

/** Reads the columns that a stack's member gives its last estimator. */
function stackColumns(member: Estimator, method: unknown, isBinary: boolean): Response {
  if (method === 'predict') return predictedNumbers(member);
  if (method === 'decision_function') return needed(member.decisionFunction, 'decision_function');
  const shares = needed(member.predictProba, 'predict_proba');
  if (!isBinary) return shares;
  return (table) => ({ width: 1, data: column(shares(table), 1) });
}

/** Reads the members of a stack, as a function that makes the columns that its last estimator is given. */
function readStack(
  fitted: Fitted,
  read: Read,
  isBinary: boolean,
): { prepare: (table: Table) => Table; input: InputColumns } {
  const members = fitted.list('estimators_').map(read);
  const methods = fitted.list('stack_method_');
  const columns = members.map((member, i) => stackColumns(member, methods[i], isBinary));
  const keepsFeatures = fitted.flag('passthrough', false);
  const prepare = (table: Table) => {
    const { rows } = table;
    const tables = columns.map((own): Table => {
      const { width, data } = own(table);
      return { rows, width, data };
    });
    return beside(rows, keepsFeatures ? [...tables, table] : tables);
  };
  const input = sharedInput(members);
  // The last estimator is given all columns, read or not.
  return { prepare, input: keepsFeatures ? { ...input, spareColumns: undefined } : input };
}

const stackingClassifier: EstimatorReader = (fitted, read) => {
  if (Array.isArray(fitted.get('classes_'))) fitted.refuse('several outputs');
  const classes = fitted.array('classes_');
  const { prepare, input } = readStack(fitted, read, classes.shape[0] === 2);
  const last = read(fitted.get('final_estimator_'));
  const after = (compute: Response | undefined) =>
    compute && ((table: Table): Values => compute(prepare(table)));
  const predict = needed(last.predict, 'predict');
  // The last estimator's labels are the numbers of the classes.
  const isEncoded = last.classes !== undefined;
  const indices = isEncoded ? numericClasses(last) : undefined;
  return {
    accepts: ANYTHING,
    ...input,
    classes,
    predict: (table) => {
      const { width, data } = predict(prepare(table));
      return { width, data: indices ? data.map((index) => indices[index] as number) : data };
    },
    predictProba: after(last.predictProba),
    decisionFunction: after(last.decisionFunction),
  };
};

const stackingRegressor: EstimatorReader = (fitted, read) => {
  const { prepare, input } = readStack(fitted, read, false);
  const last = read(fitted.get('final_estimator_'));
  const predict = needed(last.predict, 'predict');
  return {
    accepts: ANYTHING,
    ...input,
    targets: last.targets,
    predict: (table) => predict(prepare(table)),
  };
};

/** Readers by class. */
export const VOTING: Readonly<Record<string, EstimatorReader>> = {
  StackingClassifier: stackingClassifier,
  StackingRegressor: stackingRegressor,
  VotingClassifier: votingClassifier,
  VotingRegressor: votingRegressor,
};
