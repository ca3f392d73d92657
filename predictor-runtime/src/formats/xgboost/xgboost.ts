/** Opens XGBoost models. */
import { DEFAULT_OUTPUT, numericOutput, type TabularModel } from '../tabular-model.ts';
import { WeightStore } from '../weight-store.ts';
import { xgboostCategories } from './xgboost-categories.ts';
import { checkFinite, XgboostEvaluator } from './xgboost-evaluator.ts';
import { parseXgboostFile, type XgboostFile } from './xgboost-file.ts';
import { wrapperOutputs } from './xgboost-wrapper.ts';

/**
 * Opens a model from its file. KServe's server answers with the Booster, and MLServer as the wrapper for scikit-learn.
 * @throws Error when the bytes are no model of XGBoost, or one that is not evaluated here.
 */
export function openXgboost(bytes: Buffer, store = WeightStore.unshared()): TabularModel {
  const file = parseXgboostFile(bytes);
  const booster = new XgboostEvaluator(file, store);
  const { width, groups } = booster;
  return {
    platform: 'xgboost',
    ...xgboostColumns(file),
    datatype: 'FP32',
    outputs: [
      numericOutput({ name: DEFAULT_OUTPUT, datatype: 'FP32', width }, (matrix) =>
        booster.predict(checkFinite(matrix)),
      ),
      ...wrapperOutputs(booster, file),
      numericOutput({ name: 'margin', datatype: 'FP32', width: groups }, (matrix) =>
        booster.margins(checkFinite(matrix)),
      ),
    ],
  };
}

/** Returns what a file tells of the columns. */
export function xgboostColumns(
  file: XgboostFile,
): Pick<TabularModel, 'features' | 'columns' | 'categories'> {
  const { features, featureNames } = file;
  const columns = featureNames.length === features ? featureNames : undefined;
  return { features, columns, categories: columns && xgboostCategories(file) };
}
