/** Reads searches of parameters, which answer as their best estimator does (sklearn.model_selection, sklearn.frozen). */
import { ANYTHING, type EstimatorReader } from './estimator.ts';

const search: EstimatorReader = (fitted, read) => {
  if (!fitted.has('best_estimator_')) fitted.refuse('refit=False, which keeps no best_estimator_,');
  return { ...read(fitted.get('best_estimator_')), accepts: ANYTHING };
};

/** Reads an estimator that is frozen: fitting does not change it. */
const frozen: EstimatorReader = (fitted, read) => ({
  ...read(fitted.get('estimator')),
  accepts: ANYTHING,
});

/** Readers by class. */
export const SEARCH: Readonly<Record<string, EstimatorReader>> = {
  FrozenEstimator: frozen,
  GridSearchCV: search,
  HalvingGridSearchCV: search,
  HalvingRandomSearchCV: search,
  RandomizedSearchCV: search,
};
