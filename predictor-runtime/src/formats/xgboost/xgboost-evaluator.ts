/**
 * Evaluates XGBoost models with the same bits as XGBoost: margins begin with the base score and add the trees in order,
 * and each sum is rounded to single precision.
 */
import { cellError, type Matrix } from '../table.ts';
import type { WeightStore } from '../weight-store.ts';
import { type Booster, makeBooster } from './xgboost-booster.ts';
import type { XgboostFile } from './xgboost-file.ts';
import { type XgboostObjective, xgboostObjective } from './xgboost-objective.ts';

const { fround } = Math;

/** The part of a model that counts. */
export interface XgboostOptions {
  /** Number of rounds of boosting whose trees count; all if not given. */
  readonly rounds?: number;
}

/** The Booster of a model. */
export class XgboostEvaluator {
  /** Number of margins of a row. */
  readonly groups: number;
  /** Number of values that `predict` gives for a row. */
  readonly width: number;
  /** True when `predict` gives the number of a class. */
  readonly isClass: boolean;
  readonly #boost: Booster;
  readonly #objective: XgboostObjective;
  readonly #base: readonly number[];

  /** Takes what a file holds. @throws Error when it is not evaluated here. */
  constructor(file: XgboostFile, store: WeightStore) {
    const { groups, features, booster } = file;
    this.#objective = xgboostObjective(file.objective);
    this.#boost = makeBooster(booster, { features, groups, store });
    this.#base = startMargins(file, this.#objective);
    this.groups = groups;
    this.isClass = this.#objective.isClass === true;
    this.width = this.isClass ? 1 : groups;
  }

  /** Computes what rows have before the objective's transformation. */
  margins(matrix: Matrix, { rounds }: XgboostOptions = {}): Float32Array {
    const values = new Float32Array(matrix.rows * this.groups);
    for (let i = 0; i < values.length; i++) values[i] = this.#base[i % this.groups] as number;
    this.#boost({ ...matrix, data: singlePrecision(matrix.data) }, values, rounds);
    return values;
  }

  /** Computes what `predict` of the Booster gives. */
  predict(matrix: Matrix, options: XgboostOptions = {}): Float32Array {
    const values = this.margins(matrix, options);
    if (this.isClass) return bestGroups(values, this.groups);
    for (let i = 0; i < values.length; i += this.groups) {
      this.#objective.transform(values.subarray(i, i + this.groups));
    }
    return values;
  }
}

/** Returns rows as they are, if a DMatrix takes them. @throws RowError of the first value that is infinite there. */
export function checkFinite(matrix: Matrix): Matrix {
  matrix.data.forEach((value, at) => {
    if (Math.abs(fround(value)) !== Number.POSITIVE_INFINITY) return;
    const what = Number.isFinite(value)
      ? `number beyond single precision, got ${value}`
      : 'infinity';
    throw cellError(matrix, at, `XGBoost takes no ${what}`);
  });
  return matrix;
}

/**
 * Returns the margins that rows begin with. gblinear starts every margin from the first score (XGBoost 3.x,
 * src/gbm/gblinear.cc).
 */
function startMargins(file: XgboostFile, objective: XgboostObjective): number[] {
  const { baseScore, groups, booster } = file;
  if (baseScore.length !== 1 && baseScore.length !== groups) {
    throw new Error(`its base_score has ${baseScore.length} values for ${groups} outputs`);
  }
  const starts = baseScore.map(objective.toMargin);
  const isShared = starts.length !== groups || booster.name === 'gblinear';
  return isShared ? new Array(groups).fill(starts[0]) : starts;
}

/** Returns features rounded to single precision. */
function singlePrecision(data: Float64Array): Float64Array {
  const single = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) single[i] = fround(data[i] as number);
  return single;
}

/** Returns the number of the group with the largest margin of each row. */
function bestGroups(margins: Float32Array, groups: number): Float32Array {
  const best = new Float32Array(margins.length / groups);
  for (let row = 0; row < best.length; row++) {
    const own = margins.subarray(row * groups, (row + 1) * groups);
    best[row] = own.indexOf(own.reduce((most, margin) => Math.max(most, margin)));
  }
  return best;
}
