/**
 * XGBoost's model files, JSON and UBJSON, as values: versions 1.3 to 3.x, as the project's schema (doc/model.schema)
 * and its saved models show them.
 */
import { parseUbjson } from '../files/ubjson.ts';

/** An array of numbers, whichever of the two formats it came from. */
export type Numbers = ArrayLike<number | bigint>;

export interface XgboostFile {
  readonly version: readonly number[];
  readonly featureNames: readonly string[];
  readonly features: number;
  /** Outputs of a row, as margins: classes or targets. */
  readonly groups: number;
  /** In the objective's output space: one for all groups, or one for each. */
  readonly baseScore: readonly number[];
  readonly objective: string;
  readonly booster: XgboostBooster;
}

export type XgboostBooster =
  | { readonly name: 'gblinear'; readonly weights: Numbers }
  | {
      readonly name: 'gbtree' | 'dart';
      readonly trees: readonly XgboostTree[];
      /** The group that each tree adds to. */
      readonly treeInfo: Numbers;
      /** What each tree counts; absent where all count 1. */
      readonly treeWeights?: Numbers;
    };

export interface XgboostTree {
  readonly left_children: Numbers;
  readonly right_children: Numbers;
  readonly split_indices: Numbers;
  readonly split_conditions: Numbers;
  readonly default_left: Numbers;
  readonly base_weights: Numbers;
  /** Of leaves with several values (3.1 and later): the leaf's number is in `right_children`. */
  readonly leaf_weights?: Numbers;
  readonly split_type?: Numbers;
  readonly categories?: Numbers;
  readonly categories_nodes?: Numbers;
  readonly categories_segments?: Numbers;
  readonly categories_sizes?: Numbers;
  readonly tree_param: { readonly size_leaf_vector?: string };
}

/** @throws Error when the bytes are no such file. */
export function parseXgboostFile(bytes: Buffer): XgboostFile {
  if (bytes.subarray(0, 4).toString('latin1') === 'binf') {
    throw new Error(
      "it is in XGBoost's old binary format, which XGBoost itself reads no more: save it as .ubj or .json with a version before 3.1",
    );
  }
  const root =
    bytes[1] === 0x22 || /\s/.test(String.fromCharCode(bytes[1] ?? 0))
      ? json(bytes)
      : ubjson(bytes);
  const learner = member(root, 'learner');
  const parameters = member(learner, 'learner_model_param');
  const objective = member(learner, 'objective');
  const groups = Math.max(
    integer(parameters, 'num_class', 0),
    integer(parameters, 'num_target', 1),
    1,
  );
  return {
    version: Array.from((root.version as Numbers | undefined) ?? [], Number),
    featureNames: (learner.feature_names as readonly string[] | undefined) ?? [],
    features: integer(parameters, 'num_feature'),
    groups,
    baseScore: baseScore(String(parameters.base_score)),
    objective: String(objective.name),
    booster: booster(member(learner, 'gradient_booster')),
  };
}

type Fields = { readonly [key: string]: unknown };

function ubjson(bytes: Buffer): Fields {
  try {
    return parseUbjson(bytes) as Fields;
  } catch (error) {
    throw new Error(`it is neither JSON nor UBJSON: ${(error as Error).message}`);
  }
}

function json(bytes: Buffer): Fields {
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    // XGBoost 2 writes NaN, which JSON has no word for; as text it becomes NaN again.
    const mended = text.replaceAll(/(?<=[[,:]\s*)-?(NaN|Infinity)(?=\s*[,\]}])/g, '"$&"');
    if (mended === text) throw error;
    return JSON.parse(mended);
  }
}

function booster(fields: Fields): XgboostBooster {
  const name = String(fields.name);
  if (name === 'gblinear') {
    return { name, weights: member(fields, 'model').weights as Numbers };
  }
  if (name !== 'gbtree' && name !== 'dart') throw new Error(`its booster '${name}' is unknown`);
  const inner = name === 'dart' ? member(fields, 'gbtree') : fields;
  const model = member(inner, 'model');
  return {
    name,
    trees: model.trees as readonly XgboostTree[],
    treeInfo: model.tree_info as Numbers,
    ...(name === 'dart' && { treeWeights: fields.weight_drop as Numbers }),
  };
}

/** "5E-1", or "[5E-1,2E-1]" since 3.1. */
function baseScore(text: string): number[] {
  const scores = text.replaceAll(/[[\]]/g, '').split(',').map(Number);
  if (scores.some((score) => !Number.isFinite(score))) {
    throw new Error(`its base_score is '${text}'`);
  }
  return scores.map(Math.fround);
}

function member(fields: Fields, name: string): Fields {
  const value = fields?.[name];
  if (typeof value !== 'object' || value === null) {
    throw new Error(`it is no model of XGBoost: it has no '${name}'`);
  }
  return value as Fields;
}

function integer(fields: Fields, name: string, fallback?: number): number {
  const value = Number(fields[name] ?? fallback);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new Error(`its ${name} is '${fields[name]}'`);
  }
  return value;
}
