/**
 * LightGBM's objectives at prediction: they make what `predict` gives of a row's raw scores (src/objective,
 * ConvertOutput).
 */
import { exp, log1p } from '../libm.ts';
import { UnsupportedModelError } from '../unsupported.ts';

/** Transforms the scores of one row in place. */
export type LightgbmTransform = (scores: Float64Array) => void;

const keep = () => undefined;
/** Makes a transform of a function of one score. */
const each = (of: (score: number) => number) => (scores: Float64Array) => {
  for (let i = 0; i < scores.length; i++) scores[i] = of(scores[i] as number);
};
const sigmoid = (steepness: number) => each((score) => 1 / (1 + exp(-steepness * score)));

function softmax(scores: Float64Array): void {
  const max = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    scores[i] = exp((scores[i] as number) - max);
    sum += scores[i] as number;
  }
  for (let i = 0; i < scores.length; i++) scores[i] = (scores[i] as number) / sum;
}

type Parameters = ReadonlyMap<string, string>;

const steepness = (parameters: Parameters) => Number(parameters.get('sigmoid') ?? 1);
const regression = (parameters: Parameters) =>
  parameters.has('sqrt') ? each((score) => Math.sign(score) * score * score) : keep;

const OBJECTIVES: Readonly<Record<string, (parameters: Parameters) => LightgbmTransform>> = {
  regression,
  regression_l1: regression,
  quantile: regression,
  mape: regression,
  fair: regression,
  huber: regression,
  poisson: () => each(exp),
  gamma: () => each(exp),
  tweedie: () => each(exp),
  binary: (parameters) => sigmoid(steepness(parameters)),
  multiclass: () => softmax,
  multiclassova: (parameters) => sigmoid(steepness(parameters)),
  cross_entropy: () => sigmoid(1),
  cross_entropy_lambda: () => each((score) => log1p(exp(score))),
  lambdarank: () => keep,
  rank_xendcg: () => keep,
  /** Objective that is a function of the user's. LightGBM itself gives the raw scores then. */
  custom: () => keep,
  '': () => keep,
};

/**
 * Returns the transform of an objective.
 * @param text the objective as the file has it: a name and parameters, for example `binary sigmoid:1`
 * @throws UnsupportedModelError that names the objectives that are known.
 */
export function lightgbmTransform(text: string): LightgbmTransform {
  const [name = '', ...words] = text.split(' ');
  const make = Object.hasOwn(OBJECTIVES, name) ? OBJECTIVES[name] : undefined;
  if (make === undefined) {
    const known = Object.keys(OBJECTIVES).filter((known) => known !== '');
    throw new UnsupportedModelError(
      'lightgbm',
      `its objective '${name}' is unknown here (known: ${known.join(' ')})`,
    );
  }
  return make(new Map(words.map((word) => word.split(':', 2) as [string, string])));
}
