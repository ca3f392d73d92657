/**
 * Reads XGBoost's model files, JSON and UBJSON, of versions 1.3 to 3.x, as the project's schema (doc/model.schema) and
 * its saved models show them.
 */
import { parseUbjson } from '../files/ubjson.ts';

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
}

/** The part of a model that makes margins of features. */
export type XgboostBooster =
  | { readonly name: 'gblinear'; readonly weights: Numbers }
  | {
      readonly name: 'gbtree' | 'dart';
      readonly trees: readonly XgboostTree[];
      /** Group that each tree adds to. */
      readonly treeInfo: Numbers;
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

/** Parses a model. @throws Error when the bytes are no model of XGBoost. */
export function parseXgboostFile(bytes: Buffer): XgboostFile {
  if (bytes.subarray(0, 4).toString('latin1') === 'binf') {
    throw new Error(
      "it is in XGBoost's old binary format, which XGBoost itself reads no more: save it as .ubj or .json with a version before 3.1",
    );
  }
  const root =
    bytes[1] === 0x22 || /\s/.test(String.fromCharCode(bytes[1] ?? 0))
      ? parseJson(bytes)
      : parseUbjsonFields(bytes);
  const learner = objectField(root, 'learner');
  const parameters = objectField(learner, 'learner_model_param');
  const objective = objectField(learner, 'objective');
  const groups = Math.max(
    integerField(parameters, 'num_class', 0),
    integerField(parameters, 'num_target', 1),
    1,
  );
  return {
    version: Array.from((root.version as Numbers | undefined) ?? [], Number),
    featureNames: (learner.feature_names as readonly string[] | undefined) ?? [],
    features: integerField(parameters, 'num_feature'),
    groups,
    baseScore: parseBaseScore(String(parameters.base_score)),
    objective: String(objective.name),
    booster: readBooster(objectField(learner, 'gradient_booster')),
  };
}

type Fields = { readonly [key: string]: unknown };

function parseUbjsonFields(bytes: Buffer): Fields {
  try {
    return parseUbjson(bytes) as Fields;
  } catch (error) {
    throw new Error(`it is neither JSON nor UBJSON: ${(error as Error).message}`);
  }
}

function parseJson(bytes: Buffer): Fields {
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    // XGBoost 2 writes NaN, which is not JSON. In quotes it is text, of which Number() makes NaN again.
    const mended = text.replaceAll(/(?<=[[,:]\s*)-?(NaN|Infinity)(?=\s*[,\]}])/g, '"$&"');
    if (mended === text) throw error;
    return JSON.parse(mended);
  }
}

function readBooster(fields: Fields): XgboostBooster {
  const name = String(fields.name);
  if (name === 'gblinear') {
    return { name, weights: objectField(fields, 'model').weights as Numbers };
  }
  if (name !== 'gbtree' && name !== 'dart') throw new Error(`its booster '${name}' is unknown`);
  const inner = name === 'dart' ? objectField(fields, 'gbtree') : fields;
  const model = objectField(inner, 'model');
  return {
    name,
    trees: model.trees as readonly XgboostTree[],
    treeInfo: model.tree_info as Numbers,
    ...(name === 'dart' && { treeWeights: fields.weight_drop as Numbers }),
  };
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
