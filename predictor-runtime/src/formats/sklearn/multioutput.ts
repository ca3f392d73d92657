/** Reads estimators that predict several values, each by an estimator of its own (sklearn.multioutput). */
import type { NdArray } from '../files/numpy.ts';
import { beside, numbersOf, type Table } from '../table.ts';
import { sharedInput } from './composition.ts';
import { ANYTHING, type Estimator, type EstimatorReader, type Values } from './estimator.ts';
import { columnsBeside, needed, predictedNumbers } from './responses.ts';

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
const chain: EstimatorReader = (fitted, read) => {
  fitted.oneOf('chain_method', ['predict'], 'predict');
  const members: Estimator[] = fitted.list('estimators_').map(read);
  const responses = members.map(predictedNumbers);
  const order = fitted.list('order_').map(Number);
  return {
    targets: members.length,
    predict: (table) => {
      const { rows } = table;
      let given: Table = numbersOf(table);
      const columns: Float64Array[] = [];
      responses.forEach((response, i) => {
        const { data } = response(given);
        columns[order[i] as number] = data;
        given = beside(rows, [given, { rows, width: 1, data }]);
      });
      const values: Values = columnsBeside(columns);
      return { ...values, isList: true };
    },
  };
};

/** Readers by class. */
export const MULTIOUTPUT: Readonly<Record<string, EstimatorReader>> = {
  ClassifierChain: chain,
  MultiOutputClassifier: multiClassifier,
  MultiOutputRegressor: multiRegressor,
  RegressorChain: chain,
};
