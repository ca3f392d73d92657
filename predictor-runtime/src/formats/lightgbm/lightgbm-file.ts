/** Reads LightGBM's text models, versions v2 to v4 (GBDT::SaveModelToString, Tree::ToString). */
import { parsePythonJson } from '../files/python-json.ts';

/** A model as its file has it. */
export interface LightgbmFile {
  /** Number of features. */
  readonly features: number;
  readonly featureNames: readonly string[];
  /** Number of trees that each iteration grew: one for each class. */
  readonly treesPerIteration: number;
  readonly classes: number;
  /** Objective with its parameters, for example `binary sigmoid:1`; empty when the model has none. */
  readonly objective: string;
  /** True for a random forest, whose outputs are the average of the iterations. */
  readonly averages: boolean;
  readonly trees: readonly LightgbmTree[];
  /** Values that training saw of each feature: `[least:most]`, categories as `2:0:1`, or `none`. */
  readonly featureInfos: readonly string[];
  /** Numbers of the features that are categorical. */
  readonly categorical: readonly number[];
  /** Categories of the columns of pandas' type `category`, in the order of the columns. */
  readonly categoryLists: readonly (readonly unknown[])[];
}

/**
 * A tree as its file has it. Split `i` has the children `left[i]` and `right[i]`: the number of a split, or
 * ~(the number of a leaf).
 */
export interface LightgbmTree {
  /** Number of leaves. */
  readonly leaves: number;
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  /**
   * Bits of each split. 0: by category; 1: missing values go left; 2 and 3: which values are missing (none, zero, NaN).
   */
  readonly decision: readonly number[];
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly leafValue: readonly number[];
  /** Index in `categoryBits` at which each set begins, and where the last one ends. */
  readonly categoryBoundaries: readonly number[];
  /** Sets of categories, as bits of 32-bit words. */
  readonly categoryBits: readonly number[];
  /** Linear models of the leaves, in a tree that has them. */
  readonly linear?: readonly LinearLeaf[];
}

/** The linear model of a leaf. */
export interface LinearLeaf {
  readonly constant: number;
  readonly features: readonly number[];
  readonly coefficients: readonly number[];
}

/** Values by their names, each from a line `name=value`. */
type Lines = ReadonlyMap<string, string>;

/** Parses a model. @throws Error when the text is no model of LightGBM. */
export function parseLightgbmFile(text: string): LightgbmFile {
  const end = text.indexOf('\nend of trees');
  if (!/^tree\r?\n/.test(text)) throw new Error("it does not begin with 'tree'");
  if (end < 0) throw new Error("it has no 'end of trees': the file is cut off");
  const [head = '', ...trees] = text.slice(0, end).split(/^Tree=\d+\r?\n/m);
  const header = readLines(head);
  const features = whole(header, 'max_feature_idx') + 1;
  const featureInfos = (header.get('feature_infos') ?? '').split(' ');
  const tail = text.slice(end);
  return {
    features,
    featureNames: (header.get('feature_names') ?? '').split(' '),
    treesPerIteration: whole(header, 'num_tree_per_iteration'),
    classes: whole(header, 'num_class'),
    objective: header.get('objective') ?? '',
    averages: header.has('average_output'),
    featureInfos,
    categorical: readCategorical(tail) ?? withCategories(featureInfos),
    categoryLists: readCategoryLists(tail),
    trees: trees.map((tree, i) => {
      try {
        return readTree(readLines(tree));
      } catch (error) {
        throw new Error(`tree ${i}: ${(error as Error).message}`);
      }
    }),
  };
}

/** Reads the categorical features of the parameters that follow the trees; undefined when these do not say. */
function readCategorical(tail: string): number[] | undefined {
  const numbers = /^\[categorical_feature: ([\d,]*)\]/m.exec(tail)?.[1];
  return numbers?.split(',').flatMap((number) => (number === '' ? [] : [Number(number)]));
}

/** Returns the features of which the file lists categories. */
function withCategories(featureInfos: readonly string[]): number[] {
  return featureInfos.flatMap((info, i) => (/^-?\d/.test(info) ? [i] : []));
}

/** Reads the lists of categories that the Python package appends. @throws Error when they are broken. */
function readCategoryLists(tail: string): unknown[][] {
  const json = /^pandas_categorical:(.*)$/m.exec(tail)?.[1] ?? 'null';
  try {
    const lists = parsePythonJson(json) ?? [];
    if (Array.isArray(lists) && lists.every(Array.isArray)) return lists;
  } catch {
    // Told below.
  }
  throw new Error(`pandas_categorical is '${json.slice(0, 40)}', no lists of categories`);
}

function readTree(lines: Lines): LightgbmTree {
  const leaves = whole(lines, 'num_leaves');
  const splits = leaves - 1;
  const take = (name: string, count: number) => {
    const values = numbers(lines, name);
    if (values.length !== count) {
      throw new Error(`${name} has ${values.length} values for ${count}`);
    }
    return values;
  };
  return {
    leaves,
    feature: take('split_feature', splits),
    threshold: take('threshold', splits),
    decision: take('decision_type', splits),
    left: take('left_child', splits),
    right: take('right_child', splits),
    leafValue: take('leaf_value', leaves),
    categoryBoundaries: numbers(lines, 'cat_boundaries'),
    categoryBits: numbers(lines, 'cat_threshold'),
    linear: lines.get('is_linear') === '1' ? readLinear(lines, leaves) : undefined,
  };
}

function readLinear(lines: Lines, leaves: number): LinearLeaf[] {
  const constants = numbers(lines, 'leaf_const');
  const counts = numbers(lines, 'num_features');
  const features = numbers(lines, 'leaf_features');
  const coefficients = numbers(lines, 'leaf_coeff');
  let start = 0;
  return Array.from({ length: leaves }, (_, leaf) => {
    const end = start + (counts[leaf] ?? 0);
    const own = {
      features: features.slice(start, end),
      coefficients: coefficients.slice(start, end),
    };
    start = end;
    return { constant: constants[leaf] ?? Number.NaN, ...own };
  });
}

/** Reads lines, which are `name=value`, or a name alone. */
function readLines(text: string): Lines {
  const pairs = text.split(/\r?\n/).map((line): [string, string] => {
    const at = line.indexOf('=');
    return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
  });
  return new Map(pairs);
}

function numbers(lines: Lines, name: string): number[] {
  const words = (lines.get(name) ?? '').split(' ').filter((word) => word !== '');
  return words.map((word) => {
    const value = word === 'inf' ? Infinity : word === '-inf' ? -Infinity : Number(word);
    if (Number.isNaN(value) && !/^-?nan/.test(word)) throw new Error(`${name} holds '${word}'`);
    return value;
  });
}

function whole(lines: Lines, name: string): number {
  const value = Number(lines.get(name) ?? Number.NaN);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new Error(`${name} is '${lines.get(name)}'`);
  }
  return value;
}
