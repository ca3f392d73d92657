/** Reads estimators that predict several values, each by an estimator of its own (sklearn.multioutput). */
import type { NdArray } from '../files/numpy.ts';
import { beside, numbersOf, type Table } from '../table.ts';
import { sharedInput } from './composition.ts';
import { ANYTHING, type Estimator, type EstimatorReader } from './estimator.ts';
import { column, columnsBeside, needed, predictedNumbers, type Response } from './responses.ts';

const multiRegressor: EstimatorReader = (fitted, read) => {
  const members = fitted.list('estimators_').map(read);
  const responses = members.map(predictedNumbers);
  return {
    accepts: ANYTHING,
    ...sharedInput(members),
    targets: members.length,
    predict: (table) => ({
      ...columnsBeside(responses.map((response) => response(table).data)),
      isList: true,
    }),
  };
};

const multiClassifier: EstimatorReader = (fitted, read) => {
  const members = fitted.list('estimators_').map(read);
  const predicts = members.map(({ predict }) => needed(predict, 'predict'));
  return {
    accepts: ANYTHING,
    ...sharedInput(members),
    labels: members.map(({ classes }) => needed<NdArray>(classes, 'classes_')),
    predict: (table) => columnsBeside(predicts.map((predict) => predict(table).data)),
  };
};

/** Reads a chain, each member of which is given what those before it predict. */
function readChain(members: readonly Estimator[], order: readonly number[]) {
  const feeds = members.map(predictedNumbers);
  return (responses: readonly Response[]): Response =>
    (table) => {
      const { rows } = table;
      let given: Table = numbersOf(table);
      const columns: Float64Array[] = [];
      responses.forEach((response, i) => {
        columns[order[i] as number] = response(given).data;
        const feed = { rows, width: 1, data: (feeds[i] as Response)(given).data };
        given = beside(rows, [given, feed]);
      });
      return { ...columnsBeside(columns), isList: true };
    };
}

const chain: EstimatorReader = (fitted, read) => {
  fitted.oneOf('chain_method', ['predict'], 'predict');
  const members = fitted.list('estimators_').map(read);
  const along = readChain(members, fitted.list('order_').map(Number));
  const every = (compute: (member: Estimator) => Response | undefined) => {
    const responses = members.map(compute);
    return responses.every((response) => response !== undefined) ? along(responses) : undefined;
  };
  return {
    targets: members.length,
    predict: along(members.map(predictedNumbers)),
    predictProba: every(({ predictProba }) => {
      return predictProba && ((table) => ({ width: 1, data: column(predictProba(table), 1) }));
    }),
    decisionFunction: every(({ decisionFunction }) => decisionFunction),
  };
};

/** Readers by class. */
export const MULTIOUTPUT: Readonly<Record<string, EstimatorReader>> = {
  ClassifierChain: chain,
  MultiOutputClassifier: multiClassifier,
  MultiOutputRegressor: multiRegressor,
  RegressorChain: chain,
};
