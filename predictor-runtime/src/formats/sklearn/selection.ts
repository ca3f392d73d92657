/** Reads transformers that keep some of the columns (sklearn.feature_selection). */
import { pickColumns, type Table } from '../table.ts';
import { type Accepted, ANYTHING, type Estimator, type EstimatorReader } from './estimator.ts';
import type { Fitted } from './fitted.ts';
import { readImportances } from './importances.ts';

/**
 * Makes a transformer that keeps the columns whose flag is set. Where scikit-learn's may be given NaN, it looks at no
 * number at all.
 */
function keeper(flags: ArrayLike<unknown>, accepts?: Accepted): Estimator {
  const columns = Array.from(flags, (flag, i) => (flag ? i : -1)).filter((i) => i >= 0);
  return { accepts, transform: (table) => pickColumns(table, columns) };
}

/** Returns the flags of the largest values; of equal ones the later are taken, as scikit-learn sorts. */
function largest(values: Float64Array, count: number): boolean[] {
  const clean = values.map((value) => (Number.isNaN(value) ? -Number.MAX_VALUE : value));
  const order = [...clean.keys()].sort((a, b) => (clean[a] as number) - (clean[b] as number));
  const kept = new Set(count === 0 ? [] : order.slice(-count));
  return order.map((_, i) => kept.has(i));
}

/** Returns a percentile of values, between two of them where it falls between. */
function percentile(values: Float64Array, share: number): number {
  const sorted = values.slice().sort();
  const at = (share / 100) * (sorted.length - 1);
  const below = sorted[Math.floor(at)] as number;
  const above = sorted[Math.ceil(at)] as number;
  const weight = at - Math.floor(at);
  return weight < 0.5 ? below + (above - below) * weight : above - (above - below) * (1 - weight);
}

/** A rule that keeps columns by their scores and p-values, with the parameter of it. */
type Rule = (
  values: { readonly scores: () => Float64Array; readonly pValues: () => Float64Array },
  parameter: number | 'all',
) => readonly boolean[];

const kBest: Rule = ({ scores }, count) => {
  const all = scores();
  return count === 'all' ? Array.from(all, () => true) : largest(all, count);
};

const share: Rule = ({ scores }, given) => {
  const part = Number(given);
  const all = scores().map((value) => (Number.isNaN(value) ? -Number.MAX_VALUE : value));
  if (part === 100 || part === 0) return Array.from(all, () => part === 100);
  const threshold = percentile(all, 100 - part);
  const flags = Array.from(all, (score) => score > threshold);
  let rest = Math.trunc((all.length * part) / 100) - flags.filter(Boolean).length;
  all.forEach((score, i) => {
    if (score === threshold && rest > 0) {
      flags[i] = true;
      rest--;
    }
  });
  return flags;
};

const falsePositives: Rule = ({ pValues }, alpha) =>
  Array.from(pValues(), (value) => value < Number(alpha));

const falseDiscoveries: Rule = ({ pValues }, alpha) => {
  const values = pValues();
  const sorted = values.slice().sort();
  const step = Number(alpha) / values.length;
  const limit = Array.from(sorted).findLast((value, i) => value <= step * (i + 1)) ?? Number.NaN;
  return Array.from(values, (value) => value <= limit);
};

const familyWise: Rule = ({ pValues }, alpha) => {
  const values = pValues();
  return Array.from(values, (value) => value < Number(alpha) / values.length);
};

/** Makes the reader of a selector by a rule, whose parameter has that name. */
const univariate =
  (rule: Rule, parameter: string): EstimatorReader =>
  (fitted) => {
    const given = fitted.get(parameter);
    const values = {
      scores: () => fitted.numbers('scores_'),
      pValues: () => fitted.numbers('pvalues_'),
    };
    return keeper(rule(values, given === 'all' ? 'all' : fitted.number(parameter)));
  };

const RULES = {
  percentile: share,
  k_best: kBest,
  fpr: falsePositives,
  fdr: falseDiscoveries,
  fwe: familyWise,
} as const;

const generic: EstimatorReader = (fitted, read) => {
  const modes = ['percentile', 'k_best', 'fpr', 'fdr', 'fwe'] as const;
  return univariate(RULES[fitted.oneOf('mode', modes)], 'param')(fitted, read);
};

const varianceThreshold: EstimatorReader = (fitted) => {
  const threshold = fitted.number('threshold');
  return keeper(
    Array.from(fitted.numbers('variances_'), (variance) => variance > threshold),
    ANYTHING,
  );
};

/** Reads what was selected by trying: the flags are in the file. */
const tried: EstimatorReader = (fitted) => keeper(fitted.numbers('support_'));

/** Reads a recursive elimination, which also answers as the estimator that was fitted to the columns that are left. */
const elimination: EstimatorReader = (fitted, read) => {
  const inner = read(fitted.get('estimator_'));
  const { transform } = keeper(fitted.numbers('support_'));
  const keep = transform as (table: Table) => Table;
  const after = <T>(compute: ((table: Table) => T) | undefined) =>
    compute && ((table: Table) => compute(keep(table)));
  return {
    accepts: inner.accepts?.nan ? ANYTHING : undefined,
    classes: inner.classes,
    targets: inner.targets,
    transform,
    predict: after(inner.predict),
    predictProba: after(inner.predictProba),
    decisionFunction: after(inner.decisionFunction),
  };
};

/** Reads the threshold of a selection by importances: a number, or a multiple of their mean or median. */
function readThreshold(fitted: Fitted, inner: Fitted, importances: Float64Array): number {
  const given = fitted.get('threshold');
  if (typeof given === 'number') return given;
  if (given === undefined && isSparse(inner)) return 1e-5;
  const [factor = '1', name = ''] = String(given ?? 'mean')
    .split('*')
    .map((part) => part.trim());
  const [scale, reference] = name === '' ? [1, factor] : [Number(factor), name];
  if (reference === 'median') return scale * percentile(importances, 50);
  if (reference !== 'mean') return fitted.refuse(`threshold=${String(given)}`);
  return (scale * importances.reduce((sum, value) => sum + value, 0)) / importances.length;
}

/** True when fitting set most coefficients to zero, so that others are taken. */
function isSparse(inner: Fitted): boolean {
  if (inner.get('penalty') === 'l1' || inner.name.includes('Lasso')) return true;
  const isOne = (value: unknown) => typeof value === 'number' && Math.abs(value - 1) <= 1e-5;
  const { name } = inner;
  if (name === 'ElasticNet') return inner.isSince(1, 3) && isOne(inner.get('l1_ratio'));
  if (name === 'ElasticNetCV') return inner.isSince(1, 3) && isOne(inner.get('l1_ratio_'));
  if (name === 'LogisticRegression') return inner.isSince(1, 8) && isOne(inner.get('l1_ratio'));
  return false;
}

const fromModel: EstimatorReader = (fitted) => {
  fitted.oneOf('importance_getter', ['auto'], 'auto');
  const value = fitted.flag('prefit', false) ? fitted.get('estimator') : fitted.get('estimator_');
  const inner = fitted.within(value);
  const order = fitted.number('norm_order', 1);
  const importances = readImportances(inner, order);
  const threshold = readThreshold(fitted, inner, importances);
  const most = fitted.has('max_features_')
    ? fitted.number('max_features_')
    : typeof fitted.get('max_features') === 'number'
      ? fitted.number('max_features')
      : importances.length;
  const ranked = [...importances.keys()].sort(
    (a, b) => (importances[b] as number) - (importances[a] as number),
  );
  const candidates = new Set(ranked.slice(0, most));
  const flags = Array.from(importances, (one, i) => candidates.has(i) && !(one < threshold));
  return keeper(flags, takesNan(inner) ? ANYTHING : undefined);
};

/** True when the class of an estimator says that it takes NaN, whatever its parameters. */
function takesNan(inner: Fitted): boolean {
  return (
    inner.name.startsWith('HistGradientBoosting') || (isTree(inner.name) && inner.isSince(1, 4))
  );
}

function isTree(name: string): boolean {
  return /^(DecisionTree|RandomForest)/.test(name);
}

/** Readers by class. */
export const SELECTION: Readonly<Record<string, EstimatorReader>> = {
  GenericUnivariateSelect: generic,
  RFE: elimination,
  RFECV: elimination,
  SelectFdr: univariate(falseDiscoveries, 'alpha'),
  SelectFpr: univariate(falsePositives, 'alpha'),
  SelectFromModel: fromModel,
  SelectFwe: univariate(familyWise, 'alpha'),
  SelectKBest: univariate(kBest, 'k'),
  SelectPercentile: univariate(share, 'percentile'),
  SequentialFeatureSelector: tried,
  VarianceThreshold: varianceThreshold,
};
