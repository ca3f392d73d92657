/**
 * Reads the wrappers that XGBoost and LightGBM have for scikit-learn, and their Boosters: a pickle holds the bytes, or
 * the text, that the framework would save as a file.
 */
import type { NdArray } from '../files/numpy.ts';
import { evaluateLightgbm } from '../lightgbm/lightgbm.ts';
import { parseLightgbmFile } from '../lightgbm/lightgbm-file.ts';
import { type Matrix, numbersOf, type Table } from '../table.ts';
import type { TabularModel, TabularOutput } from '../tabular-model.ts';
import { xgboostColumns } from '../xgboost/xgboost.ts';
import { XgboostEvaluator } from '../xgboost/xgboost-evaluator.ts';
import { parseXgboostFile } from '../xgboost/xgboost-file.ts';
import { type WrapperValues, wrapperOf } from '../xgboost/xgboost-wrapper.ts';
import {
  ANYTHING,
  argmaxRows,
  bothOf,
  type Estimator,
  type EstimatorReader,
  inputOf,
  type Values,
} from './estimator.ts';
import type { Fitted } from './fitted.ts';

/** Returns the Booster of a wrapper. @throws Error when there is none. */
function boosterOf(fitted: Fitted): Fitted {
  if (!fitted.has('_Booster')) throw new Error(`${fitted.name} has no _Booster: it was not fitted`);
  return fitted.within(fitted.get('_Booster'));
}

const xgboost =
  (isClassifier: boolean): EstimatorReader =>
  (fitted) => {
    const bytes = boosterOf(fitted).get('handle');
    if (!Buffer.isBuffer(bytes)) throw new Error(`the Booster of ${fitted.name} holds no model`);
    const file = parseXgboostFile(bytes);
    const wrapper = wrapperOf(new XgboostEvaluator(file, fitted.store), file, isClassifier);
    const { predict, predictProba, classes } = wrapper;
    const missing = fitted.number('missing', Number.NaN);
    const values =
      ({ width, compute }: WrapperValues) =>
      (table: Table): Values => {
        const data = compute(withoutMissing(numbersOf(table), missing));
        return { width, data: Float64Array.from(data as ArrayLike<number>, Number) };
      };
    return {
      ...xgboostColumns(file),
      accepts: ANYTHING,
      predict: values(predict),
      predictProba: predictProba && values(predictProba),
      classes: classes === undefined ? undefined : xgboostLabels(fitted, classes),
      targets: predict.width > 1 ? predict.width : undefined,
      single: [
        ...(predict.datatype === 'FP32' ? ['predict'] : []),
        ...(predictProba === undefined ? [] : ['predict_proba']),
      ],
    };
  };

/** Returns the labels of a classifier: the numbers of its classes, but for versions before 1.6, which keep others. */
function xgboostLabels(fitted: Fitted, classes: number): NdArray {
  if (fitted.has('_le')) return fitted.within(fitted.get('_le')).array('classes_');
  return {
    dtype: 'i8',
    shape: [classes],
    data: Float64Array.from({ length: classes }, (_, i) => i),
  };
}

/** Returns rows with NaN in place of the value that a wrapper takes as missing, in single precision as there. */
function withoutMissing(matrix: Matrix, missing: number): Matrix {
  if (Number.isNaN(missing)) return matrix;
  const single = Math.fround(missing);
  const data = matrix.data.map((value) => (Math.fround(value) === single ? Number.NaN : value));
  return { ...matrix, data };
}

/** Opens the Booster of LightGBM, with the rounds up to the best one where training stopped early. */
function openBooster(booster: Fitted): TabularModel {
  const file = parseLightgbmFile(booster.string(booster.has('handle') ? 'handle' : '_handle'));
  const best = booster.number('best_iteration', 0);
  const count = best > 0 ? best * file.treesPerIteration : file.trees.length;
  return evaluateLightgbm({ ...file, trees: file.trees.slice(0, count) }, booster.store);
}

/** Makes an estimator of a model of LightGBM, which predicts what the model does. */
function lightgbmEstimator(model: TabularModel): Estimator & Required<Pick<Estimator, 'predict'>> {
  const [output] = model.outputs as [TabularOutput];
  const { features, columns, joinsWords, categories } = model;
  return {
    features,
    columns,
    joinsWords,
    categories,
    accepts: ANYTHING,
    predict: (table) => {
      const { width, data } = output.compute(table);
      return { width: width ?? 1, data: data as Float64Array };
    },
    targets: output.shape[1],
  };
}

const lightgbm: EstimatorReader = (fitted) => lightgbmEstimator(openBooster(boosterOf(fitted)));

const lightgbmClassifier: EstimatorReader = (fitted) => {
  const estimator = lightgbmEstimator(openBooster(boosterOf(fitted)));
  const predictProba = (table: Table): Values => {
    const values = estimator.predict(table);
    return values.width === 1 ? bothOf(values.data) : values;
  };
  const classes = fitted.array('_classes');
  const predict = (table: Table) => argmaxRows(predictProba(table));
  return { ...inputOf(estimator), accepts: ANYTHING, classes, predictProba, predict };
};

/** Reads a Booster by itself. @throws Error for XGBoost's, which predicts from a DMatrix only. */
const booster: EstimatorReader = (fitted) => {
  if (fitted.type.startsWith('lightgbm.')) return lightgbmEstimator(openBooster(fitted));
  throw new Error(
    `it holds a ${fitted.type}, which takes no rows: save it with save_model("model.ubj")`,
  );
};

/** Readers by class. */
export const BOOSTERS: Readonly<Record<string, EstimatorReader>> = {
  Booster: booster,
  LGBMClassifier: lightgbmClassifier,
  LGBMRanker: lightgbm,
  LGBMRegressor: lightgbm,
  XGBClassifier: xgboost(true),
  XGBRFClassifier: xgboost(true),
  XGBRFRegressor: xgboost(false),
  XGBRanker: xgboost(false),
  XGBRegressor: xgboost(false),
};
