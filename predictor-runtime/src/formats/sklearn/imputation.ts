/** Reads estimators that fill in missing values, or tell where they are (sklearn.impute); SimpleImputer is in encoding. */
import type { RowError } from '../../protocol/errors.ts';
import { PickleObject } from '../files/pickle.ts';
import {
  beside,
  type Cell,
  cellError,
  type Matrix,
  numbersOf,
  pickColumns,
  type Table,
} from '../table.ts';
import { type Accepted, type Estimator, type EstimatorReader, NAN } from './estimator.ts';
import { elementsOf, type Fitted } from './fitted.ts';
import { needed } from './responses.ts';

/** Tells whether a cell is missing. */
export type MissingTest = (cell: Cell) => boolean;

/** Reads `missing_values`: the value that stands for a missing one. */
export function readMissing(fitted: Fitted): MissingTest {
  const marker = fitted.get('missing_values') as Cell | undefined;
  return marker === undefined || Number.isNaN(marker)
    ? (cell) => cell === null || Number.isNaN(cell)
    : (cell) => cell === marker;
}

/** Returns the numbers that an imputer takes: NaN only where it stands for a missing value. */
export function acceptedByMarker(fitted: Fitted): Accepted {
  const marker = fitted.get('missing_values');
  return marker === undefined || Number.isNaN(marker) ? NAN : {};
}

/** Reads an indicator's transform: for some columns, 1 where a value is missing and 0 elsewhere. */
function readIndicator(fitted: Fitted): (table: Table) => Table {
  const isMissing = readMissing(fitted);
  const columns = fitted.list('features_').map(Number);
  return (table) => {
    const { rows, width, data } = pickColumns(table, columns);
    const flags = Float64Array.from(data as ArrayLike<Cell>, (cell) => Number(isMissing(cell)));
    return { rows, width, data: flags };
  };
}

/** Puts the flags of missing values behind what an imputer makes, where it was told to add them. */
export function withIndicator(
  fitted: Fitted,
  transform: (table: Table) => Table,
): (table: Table) => Table {
  if (!fitted.flag('add_indicator', false) || !fitted.has('indicator_')) return transform;
  const indicate = readIndicator(fitted.within(fitted.get('indicator_')));
  return (table) => beside(table.rows, [transform(table), indicate(table)]);
}

const missingIndicator: EstimatorReader = (fitted) => ({
  accepts: acceptedByMarker(fitted),
  transform: readIndicator(fitted),
});

/** The samples that a KNNImputer was fitted to. */
interface Donors {
  readonly data: Float64Array;
  readonly rows: number;
  readonly width: number;
  /** Flags of the values that are missing. */
  readonly missing: Float64Array;
}

/**
 * Returns the distance of a row to a donor, by the columns that both have; NaN when there is none. It is computed by
 * scikit-learn's formula, which beside large numbers takes many distances for equal: the squares of all columns with 0
 * for missing values, without those of the columns that only one of the two has.
 */
function distance(
  row: Float64Array,
  isMissing: MissingTest,
  donors: Donors,
  donor: number,
): number {
  const { width, data, missing } = donors;
  let [rowSquare, donorSquare, product, rowAlone, donorAlone] = [0, 0, 0, 0, 0];
  let present = 0;
  for (let i = 0; i < width; i++) {
    const [lacksOwn, lacksOther] = [isMissing(row[i] as number), missing[donor * width + i] === 1];
    const own = lacksOwn ? 0 : (row[i] as number);
    const other = lacksOther ? 0 : (data[donor * width + i] as number);
    rowSquare += own * own;
    donorSquare += other * other;
    product += own * other;
    rowAlone += own * own * Number(lacksOther);
    donorAlone += other * other * Number(lacksOwn);
    if (!lacksOwn && !lacksOther) present++;
  }
  const square = Math.max(rowSquare - 2 * product + donorSquare, 0) - rowAlone - donorAlone;
  return present === 0 ? Number.NaN : Math.sqrt((Math.max(square, 0) / present) * width);
}

/** Returns the weights of donors by their distances; of those without a distance, 0. */
function donorWeights(distances: readonly number[], byDistance: boolean): number[] {
  const isKnown = (value: number) => Number(!Number.isNaN(value));
  if (!byDistance) return distances.map(isKnown);
  if (distances.includes(0)) return distances.map((value) => Number(value === 0));
  return distances.map((value) => (Number.isNaN(value) ? 0 : 1 / value));
}

const knnImputer: EstimatorReader = (fitted) => {
  const [rows = 0, width = 0] = fitted.array('_fit_X').shape;
  const donors: Donors = {
    rows,
    width,
    data: fitted.numbers('_fit_X'),
    missing: fitted.numbers('_mask_fit_X'),
  };
  fitted.oneOf('metric', ['nan_euclidean'], 'nan_euclidean');
  const byDistance = fitted.oneOf('weights', ['uniform', 'distance']) === 'distance';
  const neighbors = fitted.number('n_neighbors');
  const isMissing = readMissing(fitted);
  const isValid = Float64Array.from({ length: width }, (_, column) =>
    Number(donors.missing.some((flag, i) => i % width === column && flag === 0)),
  );
  const keepsEmpty = fitted.flag('keep_empty_features', false);
  const columns = [...isValid.keys()].filter((column) => isValid[column] || keepsEmpty);
  const impute = (row: Float64Array) =>
    filledRow(row, { donors, isMissing, isValid, neighbors, byDistance });
  const transform = (table: Table): Table => {
    const matrix = numbersOf(table);
    const { data, ...rest } = matrix;
    const filled = new Float64Array(data.length);
    for (let start = 0; start < data.length; start += width) {
      const row = impute(data.subarray(start, start + width));
      if (row === undefined) throw farError(matrix, start);
      filled.set(row, start);
    }
    return pickColumns({ ...rest, data: filled }, columns);
  };
  return { accepts: acceptedByMarker(fitted), transform: withIndicator(fitted, transform) };
};

/** Makes the error of a row with a number beside which all samples are equally far. */
function farError(matrix: Matrix, start: number): RowError {
  const row = matrix.data.subarray(start, start + matrix.width);
  const largest = row.reduce((most, value) => Math.max(most, Math.abs(value) || 0), 0);
  const at = row.findIndex((value) => Math.abs(value) === largest);
  const problem = `KNNImputer cannot tell which samples are nearest beside ${row[at]}: send a smaller number`;
  return cellError(matrix, start + at, problem);
}

/** The samples and parameters by which rows are filled in. */
interface Filling {
  readonly donors: Donors;
  readonly isMissing: MissingTest;
  readonly isValid: Float64Array;
  readonly neighbors: number;
  readonly byDistance: boolean;
}

/** Fills in the missing values of a row with the mean of its nearest donors' values; undefined where these are open. */
function filledRow(row: Float64Array, about: Filling): Float64Array | undefined {
  const { donors, isMissing, isValid, byDistance } = about;
  const { width, data } = donors;
  const filled = row.map((value, column) => (isValid[column] ? value : 0));
  if (!row.some((value, column) => isValid[column] && isMissing(value))) return filled;
  const distances = Float64Array.from({ length: donors.rows }, (_, donor) => {
    return distance(row, isMissing, donors, donor);
  });
  for (const [column, value] of row.entries()) {
    if (!isValid[column] || !isMissing(value)) continue;
    const nearest = nearestDonors(row, column, { distances, ...about });
    if (nearest === undefined) return undefined;
    const own = nearest.map((donor) => distances[donor] as number);
    const weights = own.every(Number.isNaN) ? own.map(() => 1) : donorWeights(own, byDistance);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const sum = nearest.reduce((all, donor, i) => {
      return all + (data[donor * width + column] as number) * (weights[i] as number);
    }, 0);
    filled[column] = sum / total;
  }
  return filled;
}

/**
 * Returns the donors that are nearest of those that have a column; all of them, where none has a distance. It is
 * undefined where only rounding makes one that is left out as near as the last: NumPy's choice hangs on its release
 * and the processor. Of donors that are as near indeed, the first count.
 */
function nearestDonors(
  row: Float64Array,
  column: number,
  { distances, donors, neighbors }: Filling & { readonly distances: Float64Array },
): number[] | undefined {
  const { data, missing, width } = donors;
  const having = [...distances.keys()].filter((donor) => !missing[donor * width + column]);
  if (having.every((donor) => Number.isNaN(distances[donor]))) return having;
  const far = (donor: number) => {
    const length = distances[donor] as number;
    return Number.isNaN(length) ? Number.POSITIVE_INFINITY : length;
  };
  having.sort((a, b) => far(a) - far(b) || a - b);
  const last = having[neighbors - 1];
  if (last === undefined || Number.isNaN(distances[last])) return having.slice(0, neighbors);
  const isOpen = having.some((donor, i) => {
    if (far(donor) !== far(last)) return false;
    const isSame = data[donor * width + column] === data[last * width + column];
    return !isSame && i !== neighbors - 1 && isFarther(row, donors, [donor, last]);
  });
  const isCut = far(having[neighbors] ?? -1) === far(last);
  return isOpen && isCut ? undefined : having.slice(0, neighbors);
}

/** Tells whether two donors that have the same columns differ in their distance to a row, however little beside it. */
function isFarther(
  row: Float64Array,
  { data, missing, width }: Donors,
  [one, other]: readonly [number, number],
): boolean {
  let difference = 0;
  row.forEach((value, i) => {
    const [a, b] = [one * width + i, other * width + i];
    if (Number.isNaN(value) || missing[a] || missing[b]) return;
    const [first, second] = [data[a] as number, data[b] as number];
    difference += (first - second) * (first + second - 2 * value);
  });
  return difference !== 0;
}

/** A step of an IterativeImputer: the column that an estimator fills in, and those that it looks at. */
interface ImputationStep {
  readonly column: number;
  readonly others: readonly number[];
  readonly predict: NonNullable<Estimator['predict']>;
}

/** Reads an IterativeImputer, whose steps fill in a column each, of what those before it made. */
const iterativeImputer: EstimatorReader = (fitted, read) => {
  if (fitted.flag('sample_posterior', false))
    fitted.refuse('sample_posterior=True, which is random,');
  const start = needed(read(fitted.get('initial_imputer_')).transform, 'transform');
  const isMissing = readMissing(fitted);
  const triplets = fitted.list('imputation_sequence_');
  const stepOf = (value: unknown): ImputationStep => {
    const [column, others, estimator] = value instanceof PickleObject ? value.args : [];
    return {
      column: Number(column),
      others: (elementsOf(others) ?? []).map(Number),
      predict: needed(read(estimator).predict, 'predict'),
    };
  };
  const steps = triplets.map(stepOf);
  const least = fitted.numbers('_min_value');
  const most = fitted.numbers('_max_value');
  const kept = keptColumns(fitted);
  const transform = (table: Table): Table => {
    const given = numbersOf(pickColumns(table, kept));
    const filled = numbersOf(start(table));
    if (fitted.number('n_iter_') === 0) return filled;
    const result: Matrix = { ...filled, data: filled.data.slice() };
    const { width } = result;
    for (const { column, others, predict } of steps) {
      const values = predict(pickColumns(result, others)).data;
      values.forEach((value, row) => {
        const at = row * width + column;
        if (!isMissing(given.data[at] as number)) return;
        result.data[at] = Math.min(
          Math.max(value, least[column] as number),
          most[column] as number,
        );
      });
    }
    return result;
  };
  return { accepts: acceptedByMarker(fitted), transform: withIndicator(fitted, transform) };
};

/** Returns the columns that the initial imputer keeps. */
function keptColumns(fitted: Fitted): number[] {
  const statistics = fitted.within(fitted.get('initial_imputer_')).list('statistics_');
  const keepsEmpty = fitted.flag('keep_empty_features', false);
  return [...statistics.keys()].filter((i) => keepsEmpty || !Number.isNaN(statistics[i]));
}

/** Readers by class. */
export const IMPUTATION: Readonly<Record<string, EstimatorReader>> = {
  IterativeImputer: iterativeImputer,
  KNNImputer: knnImputer,
  MissingIndicator: missingIndicator,
};
