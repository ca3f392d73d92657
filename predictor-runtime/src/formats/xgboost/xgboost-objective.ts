/**
 * XGBoost's objectives at prediction. They make the margin that a row begins with of `base_score`, and what `predict`
 * gives of a row's margins, in single precision, step by step as XGBoost does (src/common/math.h, src/objective).
 */
import { expf, logf } from '../libm.ts';
import { UnsupportedModelError } from '../unsupported.ts';

const { fround } = Math;

/** An objective at prediction. */
export interface XgboostObjective {
  /** Makes the margin that a row begins with of the base score (ProbToMargin). */
  readonly toMargin: (baseScore: number) => number;
  /** Transforms the margins of one row in place (PredTransform). */
  readonly transform: (margins: Float32Array) => void;
  /** True when a row's answer is the number of its class, as a float. */
  readonly isClass?: boolean;
}

const identity = (value: number) => value;
const keep = () => undefined;
/** Makes a transform of a function of one margin. */
const each = (of: (margin: number) => number) => (margins: Float32Array) => {
  for (let i = 0; i < margins.length; i++) margins[i] = of(margins[i] as number);
};

function logit(probability: number): number {
  return -logf(fround(fround(1 / probability) - 1));
}

function sigmoid(margin: number): number {
  const power = expf(Math.min(-margin, fround(88.7)));
  return fround(1 / fround(fround(power + 1) + fround(1e-16)));
}

/** Makes probabilities of one row's margins, in place. */
export function softmax(margins: Float32Array): void {
  const max = margins.reduce((most, margin) => Math.max(most, margin), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (let i = 0; i < margins.length; i++) {
    margins[i] = expf(fround((margins[i] as number) - max));
    sum += margins[i] as number;
  }
  const total = fround(sum);
  for (let i = 0; i < margins.length; i++) margins[i] = (margins[i] as number) / total;
}

const plain: XgboostObjective = { toMargin: identity, transform: keep };
const logistic: XgboostObjective = { toMargin: logit, transform: each(sigmoid) };
const logLink: XgboostObjective = { toMargin: logf, transform: each(expf) };

const OBJECTIVES: Readonly<Record<string, XgboostObjective>> = {
  'reg:squarederror': plain,
  'reg:linear': plain,
  'reg:squaredlogerror': plain,
  'reg:pseudohubererror': plain,
  'reg:absoluteerror': plain,
  'reg:quantileerror': plain,
  'reg:logistic': logistic,
  'reg:gamma': logLink,
  'reg:tweedie': logLink,
  'count:poisson': logLink,
  'survival:cox': logLink,
  'survival:aft': logLink,
  'binary:logistic': logistic,
  'binary:logitraw': plain,
  'binary:hinge': { toMargin: identity, transform: each((margin) => (margin > 0 ? 1 : 0)) },
  'multi:softprob': { toMargin: identity, transform: softmax },
  'multi:softmax': { toMargin: identity, transform: keep, isClass: true },
  'rank:pairwise': plain,
  'rank:ndcg': plain,
  'rank:map': plain,
};

/** Returns an objective by its name. @throws UnsupportedModelError that names the objectives that are known. */
export function xgboostObjective(name: string): XgboostObjective {
  const objective = OBJECTIVES[name];
  if (objective === undefined || !Object.hasOwn(OBJECTIVES, name)) {
    throw new UnsupportedModelError(
      'xgboost',
      `its objective '${name}' is unknown here (known: ${Object.keys(OBJECTIVES).join(' ')})`,
    );
  }
  return objective;
}
