/** Reads regressors that predict a transformed target, and undo the transform (sklearn.compose). */
import type { Table } from '../table.ts';
import { ANYTHING, type Estimator, type EstimatorReader, inputOf } from './estimator.ts';
import { type Fitted, show } from './fitted.ts';
import { needed } from './responses.ts';

const transformedTarget: EstimatorReader = (fitted, read) => {
  const regressor = read(fitted.get('regressor_'));
  const transformer = fitted.get('transformer_');
  const { inverseTransform } = read(transformer);
  if (inverseTransform === undefined) fitted.refuse(`transformer=${show(transformer)}`);
  const undo = inverseTransform as (table: Table) => Table;
  const predict = needed(regressor.predict, 'predict');
  const isList = fitted.number('_training_dim', 1) > 1;
  return {
    ...inputOf(regressor),
    accepts: ANYTHING,
    targets: targetsOf(fitted, regressor),
    predict: (table) => {
      const { width, data } = predict(table);
      const undone = undo({ rows: table.rows, width, data });
      return { width, data: undone.data as Float64Array, isList: isList || width > 1 };
    },
  };
};

/** Returns the number of values that are predicted for a row, where they are a list. */
function targetsOf(fitted: Fitted, { targets }: Estimator): number | undefined {
  return fitted.number('_training_dim', 1) > 1 ? (targets ?? 1) : targets;
}

/** Readers by class. */
export const TARGETS: Readonly<Record<string, EstimatorReader>> = {
  TransformedTargetRegressor: transformedTarget,
};
