/**
 * Opens scikit-learn models from joblib or pickle files. Nothing in the file runs: the attributes that fitting left are
 * read, and what scikit-learn would compute from them is computed here, for the classes that a test holds against it.
 */
import { allocate, type Datatype, type NumericData } from '../../protocol/v2/datatypes.ts';
import { readJoblib } from '../files/joblib.ts';
import type { NdArray } from '../files/numpy.ts';
import { PickleObject } from '../files/pickle.ts';
import { numbersOf, type Table } from '../table.ts';
import type { TabularModel, TabularOutput } from '../tabular-model.ts';
import { UnsupportedModelError } from '../unsupported.ts';
import { WeightStore } from '../weight-store.ts';
import { BOOSTERS } from './boosters.ts';
import { BOOSTING } from './boosting.ts';
import { CALIBRATION } from './calibration.ts';
import { checked } from './checked.ts';
import { COMPOSITION } from './composition.ts';
import { DISCRETIZATION } from './discretization.ts';
import { DISTRIBUTIONS } from './distributions.ts';
import { ENCODING } from './encoding.ts';
import type { Estimator, EstimatorReader, InputColumns, Values } from './estimator.ts';
import { Fitted, show } from './fitted.ts';
import { FUNCTIONS } from './functions.ts';
import { HISTOGRAM_BOOSTING } from './histogram-boosting.ts';
import { IMPUTATION } from './imputation.ts';
import { LINEAR } from './linear.ts';
import { MULTICLASS } from './multiclass.ts';
import { MULTIOUTPUT } from './multioutput.ts';
import { NAIVE_BAYES } from './naive-bayes.ts';
import { NEIGHBORS } from './neighbors.ts';
import { NEURAL } from './neural.ts';
import { OUTLIERS } from './outliers.ts';
import { QUADRATIC } from './quadratic.ts';
import { REDUCTION } from './reduction.ts';
import { RESAMPLING } from './resampling.ts';
import { SCALING } from './scaling.ts';
import { SEARCH } from './search.ts';
import { SELECTION } from './selection.ts';
import { SIMILARITY } from './similarity.ts';
import { SVM } from './svm.ts';
import { TARGET_ENCODING } from './target-encoding.ts';
import { TARGETS } from './targets.ts';
import { TEXT } from './text.ts';
import { THRESHOLDS } from './thresholds.ts';
import { TREES } from './trees.ts';
import { VOTING } from './voting.ts';

/** Readers by class, without its module. */
const ESTIMATORS: ReadonlyMap<string, EstimatorReader> = new Map(
  [
    BOOSTERS,
    BOOSTING,
    CALIBRATION,
    COMPOSITION,
    DISCRETIZATION,
    DISTRIBUTIONS,
    ENCODING,
    FUNCTIONS,
    HISTOGRAM_BOOSTING,
    IMPUTATION,
    LINEAR,
    MULTICLASS,
    MULTIOUTPUT,
    NAIVE_BAYES,
    NEIGHBORS,
    NEURAL,
    OUTLIERS,
    QUADRATIC,
    REDUCTION,
    RESAMPLING,
    SCALING,
    SEARCH,
    SELECTION,
    SIMILARITY,
    SVM,
    TARGET_ENCODING,
    TARGETS,
    TEXT,
    THRESHOLDS,
    TREES,
    VOTING,
  ].flatMap((readers) => Object.entries(readers)),
);

/**
 * Opens a model from its file.
 * @throws Error that names the class, or the setting, that is not read here. docs/formats.md has the ways out.
 */
export function openSklearn(bytes: Buffer, store = WeightStore.unshared()): TabularModel {
  const value = readJoblib(bytes);
  const estimator = readEstimator(value, store);
  const outputs = outputsOf(estimator);
  if (outputs.length === 0) throw new Error(`${show(value)} neither predicts nor transforms`);
  const { features, columns, joinsWords, categories, textColumns, spareColumns } = estimator;
  return {
    platform: 'sklearn',
    features: features ?? textColumns?.length ?? -1,
    columns,
    joinsWords,
    categories,
    datatype: 'FP64',
    textColumns,
    // Columns without names cannot be left out.
    spareColumns: columns && spareColumns,
    outputs,
  };
}

function readEstimator(value: unknown, store: WeightStore): Estimator {
  if (!(value instanceof PickleObject)) throw new Error(`it holds ${show(value)}, no estimator`);
  const fitted = new Fitted(value, store);
  const reader = /^(sklearn|xgboost|lightgbm)\./.test(fitted.type)
    ? ESTIMATORS.get(fitted.name)
    : undefined;
  if (reader === undefined)
    throw new UnsupportedModelError(
      'sklearn',
      `it holds a ${fitted.type}, which is not evaluated here`,
    );
  const members: Estimator[] = [];
  const estimator = reader(fitted, (inner) => {
    const member = readEstimator(inner, store);
    members.push(member);
    return member;
  });
  const hasCategories = ({ categories }: Estimator) => categories !== undefined;
  // The columns that would be looked up are no longer those of the request.
  if (members.some(hasCategories) && !hasCategories(estimator))
    fitted.refuse('a booster of categories by name within');
  const own = featuresOf(fitted);
  const { features = own.features, columns = own.columns } = estimator;
  return checked({ ...estimator, features, columns }, fitted.name);
}

/** Returns the number and names of the columns that a fitted object keeps. */
function featuresOf(fitted: Fitted): InputColumns {
  if (!fitted.has('n_features_in_')) return {};
  const names = fitted.has('feature_names_in_') ? fitted.list('feature_names_in_') : undefined;
  return { features: fitted.number('n_features_in_'), columns: names?.map(String) };
}

function outputsOf(estimator: Estimator): TabularOutput[] {
  const { classes, labels, predict, predictProba, decisionFunction, transform, isClusterer } =
    estimator;
  const floats = (name: string) => (estimator.single?.includes(name) ? 'FP32' : 'FP64');
  const outputs: TabularOutput[] = [];
  if (predict !== undefined) {
    const shape = estimator.targets === undefined ? [-1] : [-1, estimator.targets];
    const datatype = isClusterer ? 'INT32' : floats('predict');
    outputs.push(
      labels !== undefined
        ? labelledColumns(labels, predict)
        : classes === undefined
          ? numeric({ name: 'predict', datatype, shape }, predict)
          : labelled(classes, predict),
    );
  }
  const count = classes?.shape[0] ?? -1;
  if (predictProba !== undefined) {
    outputs.push(
      numeric(
        { name: 'predict_proba', datatype: floats('predict_proba'), shape: [-1, count] },
        predictProba,
      ),
    );
  }
  if (decisionFunction !== undefined) {
    const shape = count === 2 ? [-1] : [-1, -1];
    outputs.push(numeric({ name: 'decision_function', datatype: 'FP64', shape }, decisionFunction));
  }
  if (transform !== undefined) {
    const about = { name: 'transform', datatype: 'FP64', shape: [-1, -1] } as const;
    outputs.push(numeric(about, (table) => valuesOf(transform(table))));
  }
  return outputs;
}

/** Returns a table as values. @throws Error when it has text. */
function valuesOf(table: Table): Values {
  const { width, data: cells } = table;
  const isText = !(cells instanceof Float64Array) && cells.some((cell) => typeof cell === 'string');
  if (isText) throw new Error('its transform gives text, which is no output');
  return { width, data: numbersOf(table).data, isList: true };
}

/** Makes an output that computes numbers. */
function numeric(
  about: Pick<TabularOutput, 'name' | 'datatype' | 'shape'>,
  values: (table: Table) => Values,
): TabularOutput {
  return {
    ...about,
    compute: (table) => {
      const { width, data, isList = width > 1 } = values(table);
      const numbers = about.datatype === 'FP64' ? data : allocate(about.datatype, data.length);
      if (numbers !== data) (numbers as Float32Array).set(data);
      return { width: isList ? width : undefined, data: numbers };
    },
  };
}

/** Datatype that KServe's server gives labels of each of NumPy's kinds. */
const LABELS: Readonly<Record<string, Datatype>> = {
  i: 'INT64',
  u: 'UINT64',
  b: 'BOOL',
  f: 'FP64',
};

/** Returns the datatype of labels, and what picks them. */
function pickerOf({ dtype, data }: NdArray): { datatype: Datatype; pick: LabelPicker } {
  const datatype = LABELS[dtype.charAt(0)];
  if (datatype === undefined) {
    const texts = Array.from(data as ArrayLike<unknown>, (label) => Buffer.from(String(label)));
    return { datatype: 'BYTES', pick: textLabels(texts) };
  }
  return { datatype, pick: numberLabels(datatype, data as ArrayLike<number | bigint>) };
}

/** Makes the output of a classifier's labels. */
function labelled(classes: NdArray, predict: (table: Table) => Values): TabularOutput {
  const { datatype, pick } = pickerOf(classes);
  return {
    name: 'predict',
    datatype,
    shape: [-1],
    compute: (table) => {
      const { width, data: indices } = predict(table);
      if (width !== 1) throw new Error('it gives several labels a row');
      return { data: pick(indices) };
    },
  };
}

/**
 * Makes the output of a classifier that predicts several labels of a row, each of other classes.
 * @throws UnsupportedModelError when they are of different types, which one tensor cannot hold.
 */
function labelledColumns(
  classes: readonly NdArray[],
  predict: (table: Table) => Values,
): TabularOutput {
  const pickers = classes.map(pickerOf);
  const { datatype } = pickers[0] as (typeof pickers)[number];
  if (pickers.some((picker) => picker.datatype !== datatype)) {
    throw new UnsupportedModelError('sklearn', 'it predicts labels of several types');
  }
  const width = pickers.length;
  return {
    name: 'predict',
    datatype,
    shape: [-1, width],
    compute: (table) => {
      const { data: indices } = predict(table);
      const columns = pickers.map(({ pick }, at) =>
        pick(indices.filter((_, i) => i % width === at)),
      );
      const values = Array.from(indices, (_, i) => columns[i % width]?.[Math.floor(i / width)]);
      if (datatype === 'BYTES') return { width, data: values as Buffer[] };
      const numbers = allocate(datatype, indices.length);
      values.forEach((value, i) => {
        numbers[i] = value as never;
      });
      return { width, data: numbers };
    },
  };
}

/** Returns the labels of classes, by their indices. */
type LabelPicker = (indices: Float64Array) => NumericData | Buffer[];

function textLabels(labels: readonly Buffer[]): LabelPicker {
  return (indices) => Array.from(indices, (index) => labels[index] as Buffer);
}

/**
 * Picks labels that are numbers. 64-bit integers are copied as two halves: a bigint for each would take longer than the
 * model.
 */
function numberLabels(datatype: Datatype, labels: ArrayLike<number | bigint>): LabelPicker {
  if (datatype !== 'INT64' && datatype !== 'UINT64') {
    return (indices) => {
      const answers = allocate(datatype, indices.length) as Float64Array;
      for (let i = 0; i < indices.length; i++) answers[i] = labels[indices[i] as number] as number;
      return answers;
    };
  }
  const halves = new Int32Array(BigInt64Array.from(labels, (label) => BigInt(label)).buffer);
  return (indices) => {
    const answers = allocate(datatype, indices.length) as BigInt64Array;
    const words = new Int32Array(answers.buffer);
    for (let i = 0; i < indices.length; i++) {
      const label = (indices[i] as number) * 2;
      words[2 * i] = halves[label] as number;
      words[2 * i + 1] = halves[label + 1] as number;
    }
    return answers;
  };
}
