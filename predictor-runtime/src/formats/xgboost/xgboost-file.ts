/**
 * Reads XGBoost's model files, JSON and UBJSON, of versions 1.3 to 3.x, as the project's schema (doc/model.schema) and
 * its saved models show them.
 */
import { parsePythonJson } from '../files/python-json.ts';
import { parseUbjson } from '../files/ubjson.ts';
import { type Fields, isXgboostBinary, parseXgboostBinary } from './xgboost-binary.ts';

/** An array of numbers, as JSON or UBJSON has it. */
export type Numbers = ArrayLike<number | bigint>;

/** A model as its file has it. */
export interface XgboostFile {
  readonly version: readonly number[];
  readonly featureNames: readonly string[];
  /** Number of features. */
  readonly features: number;
  /** Number of margins of a row: one for each class or target. */
  readonly groups: number;
  /** Score that rows begin with, one for all groups or one for each, in the objective's output space. */
  readonly baseScore: readonly number[];
  readonly objective: string;
  readonly booster: XgboostBooster;
  /** Number of classes; 0 or 1 when there are two, or none. */
  readonly classes: number;
  /** True when a classifier of the wrapper for scikit-learn saved the file. */
  readonly isClassifier: boolean;
  /** Number of rounds up to the best one, when training stopped early. */
  readonly bestRounds?: number;
  /** Categories of each feature (3.1 and later); a feature without categories has an empty list. */
  readonly categories: readonly XgboostCategories[];
}

/** Names of a feature's categories: numbers, or the bytes of texts and where each text begins and the last one ends. */
export interface XgboostCategories {
  readonly values: Numbers;
  readonly offsets?: Numbers;
}

/** The part of a model that makes margins of features. */
export type XgboostBooster =
  | { readonly name: 'gblinear'; readonly weights: Numbers }
  | {
      readonly name: 'gbtree' | 'dart';
      readonly trees: readonly XgboostTree[];
      /** Group that each tree adds to. */
      readonly treeInfo: Numbers;
      /** Number of trees up to the end of each round of boosting. */
      readonly roundEnds: readonly number[];
      /** Weight of each tree; undefined when all weigh 1. */
      readonly treeWeights?: Numbers;
    };

/** A tree: arrays by node, under the names of the file. */
export interface XgboostTree {
  readonly left_children: Numbers;
  readonly right_children: Numbers;
  readonly split_indices: Numbers;
  readonly split_conditions: Numbers;
  readonly default_left: Numbers;
  readonly base_weights: Numbers;
  /** Values of leaves that have several (3.1 and later), by the leaf's number, which is in `right_children`. */
  readonly leaf_weights?: Numbers;
  readonly split_type?: Numbers;
  readonly categories?: Numbers;
  readonly categories_nodes?: Numbers;
  readonly categories_segments?: Numbers;
  readonly categories_sizes?: Numbers;
  readonly tree_param: { readonly size_leaf_vector?: string };
}

/** Parses a model, or the bytes of a Booster in a pickle. @throws Error when the bytes are no model of XGBoost. */
export function parseXgboostFile(bytes: Buffer): XgboostFile {
  const root = parseFields(bytes);
  const learner = objectField('Model' in root ? objectField(root, 'Model') : root, 'learner');
  const parameters = objectField(learner, 'learner_model_param');
  const objective = objectField(learner, 'objective');
  const groups = Math.max(
    integerField(parameters, 'num_class', 0),
    integerField(parameters, 'num_target', 1),
    1,
  );
  if (groups > bytes.length) throw new Error(`it has ${groups} outputs in ${bytes.length} bytes`);
  const booster = objectField(learner, 'gradient_booster');
  return {
    version: Array.from((root.version as Numbers | undefined) ?? [], Number),
    featureNames: (learner.feature_names as readonly string[] | undefined) ?? [],
    features: integerField(parameters, 'num_feature'),
    groups,
    baseScore: parseBaseScore(String(parameters.base_score)),
    objective: String(objective.name),
    booster: readBooster(booster, groups),
    classes: integerField(parameters, 'num_class', 0),
    ...readAttributes((learner.attributes ?? {}) as Fields),
    categories: readCategories(booster),
  };
}

/** Parses the fields of a file, whichever of XGBoost's formats it has. */
function parseFields(bytes: Buffer): Fields {
  if (isXgboostBinary(bytes)) return parseXgboostBinary(bytes);
  const isText = bytes[1] === 0x22 || /\s/.test(String.fromCharCode(bytes[1] ?? 0));
  return isText ? (parsePythonJson(bytes.toString('utf8')) as Fields) : parseUbjsonFields(bytes);
}

function parseUbjsonFields(bytes: Buffer): Fields {
  try {
    return parseUbjson(bytes) as Fields;
  } catch (error) {
    throw new Error(`it is neither JSON nor UBJSON: ${(error as Error).message}`);
  }
}

/** Reads what the Python package keeps beside the model. */
function readAttributes(attributes: Fields): Pick<XgboostFile, 'isClassifier' | 'bestRounds'> {
  const { scikit_learn: wrapper, best_iteration: best } = attributes;
  const about = (typeof wrapper === 'string' ? parsePythonJson(wrapper) : {}) as Fields;
  // Version 1.3 names the class, and later ones its kind.
  const isClassifier =
    about._estimator_type === 'classifier' || /Classifier$/.test(`${about.type}`);
  return {
    isClassifier,
    ...(best !== undefined && { bestRounds: integerField(attributes, 'best_iteration') + 1 }),
  };
}

function readCategories(booster: Fields): readonly XgboostCategories[] {
  const { model } = (booster.gbtree ?? booster) as Fields;
  const stored = (model as Fields).cats as Fields | undefined;
  return (stored?.enc ?? []) as readonly XgboostCategories[];
}

function readBooster(fields: Fields, groups: number): XgboostBooster {
  const name = String(fields.name);
  if (name === 'gblinear') {
    return { name, weights: objectField(fields, 'model').weights as Numbers };
  }
  if (name !== 'gbtree' && name !== 'dart') throw new Error(`its booster '${name}' is unknown`);
  const inner = name === 'dart' ? objectField(fields, 'gbtree') : fields;
  const model = objectField(inner, 'model');
  const trees = model.trees as readonly XgboostTree[];
  return {
    name,
    trees,
    treeInfo: model.tree_info as Numbers,
    roundEnds: readRounds(model, groups, trees.length),
    // Since 3.4, `gbtree` has the weights of what was dart.
    treeWeights: (name === 'dart' ? fields : model).weight_drop as Numbers | undefined,
  };
}

/** Returns the number of trees up to the end of each round, which files tell since 2.0. */
function readRounds(model: Fields, groups: number, trees: number): number[] {
  const starts = model.iteration_indptr as Numbers | undefined;
  if (starts !== undefined) {
    const ends = Array.from(starts, Number).slice(1);
    if (ends.every((end, i) => end >= (ends[i - 1] ?? 0) && end <= trees)) return ends;
    throw new Error('its iteration_indptr does not fit its trees');
  }
  const { num_parallel_tree: parallel = 1 } = (model.gbtree_model_param ?? {}) as Fields;
  const size = groups * Math.max(Number(parallel), 1);
  return Array.from({ length: Math.ceil(trees / size) }, (_, round) => (round + 1) * size);
}

/** Parses a base score: `5E-1`, or `[5E-1,2E-1]` since 3.1. */
function parseBaseScore(text: string): number[] {
  const scores = text.replaceAll(/[[\]]/g, '').split(',').map(Number);
  if (scores.some((score) => !Number.isFinite(score))) {
    throw new Error(`its base_score is '${text}'`);
  }
  return scores.map(Math.fround);
}

/** Returns a field that is an object. @throws Error when there is none. */
function objectField(fields: Fields, name: string): Fields {
  const value = fields?.[name];
  if (typeof value !== 'object' || value === null) {
    throw new Error(`it is no model of XGBoost: it has no '${name}'`);
  }
  return value as Fields;
}

/** Returns a field that is a whole number, as a number or as text. @throws Error when it is none. */
function integerField(fields: Fields, name: string, fallback?: number): number {
  const value = Number(fields[name] ?? fallback);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new Error(`its ${name} is '${fields[name]}'`);
  }
  return value;
}
