/**
 * Reads estimators that make numbers of categories, or fill in missing values (sklearn.preprocessing, sklearn.impute).
 */

import { show } from '../../protocol/v2/elements.ts';
import { isNdArray } from '../files/numpy.ts';
import { PickleObject } from '../files/pickle.ts';
import { type Cell, cellError, pickColumns, type Table } from '../table.ts';
import { type Accepted, type EstimatorReader, NAN } from './estimator.ts';
import { type Fitted, show as showValue } from './fitted.ts';
import { acceptedByMarker, readMissing, withIndicator } from './imputation.ts';
import { readGroupings } from './infrequent.ts';

/** Reads `categories_`: the values of each column, in order. */
export function readCategories(fitted: Fitted): Cell[][] {
  return fitted.list('categories_').map((values) => {
    if (!isNdArray(values)) return fitted.refuse('categories that are no array');
    return Array.from(values.data as ArrayLike<unknown>, (value) => {
      if (value === null || typeof value === 'number' || typeof value === 'string') return value;
      // As in Python, true is 1.
      if (typeof value === 'boolean') return Number(value);
      return fitted.refuse(`a category ${showValue(value)}`);
    });
  });
}

/** Returns the columns that have text; undefined when none has. */
export function textColumnsOf(columns: readonly (readonly Cell[])[]): number[] | undefined {
  const isText = (cells: readonly Cell[]) => cells.some((cell) => typeof cell === 'string');
  const found = columns.flatMap((cells, column) => (isText(cells) ? [column] : []));
  return found.length > 0 ? found : undefined;
}

/**
 * Makes a function that returns the index of a cell's category. NaN and None are categories like others; where only one
 * of them is known, either is meant by it, as a request cannot tell them apart.
 */
function indexer(categories: readonly Cell[]): (cell: Cell) => number | undefined {
  const indices = new Map(categories.map((category, i) => [category, i]));
  const none = indices.get(null) ?? indices.get(Number.NaN);
  const nan = indices.get(Number.NaN) ?? none;
  return (cell) => {
    if (cell === null) return none;
    return Number.isNaN(cell) ? nan : indices.get(cell);
  };
}

/** Finds the index of a cell's category in the table; undefined when it has none. */
export type CategoryFinder = (table: Table, at: number) => number | undefined;

/**
 * Makes the function that finds categories.
 * @param isStrict true when a cell without a category is refused
 */
export function categoryFinder(
  fitted: Fitted,
  columns: readonly (readonly Cell[])[],
  isStrict: boolean,
): CategoryFinder {
  const indexers = columns.map(indexer);
  const text = new Set(textColumnsOf(columns));
  return (table, at) => {
    const column = at % table.width;
    const cell = table.data[at] as Cell;
    const category = indexers[column]?.(cell);
    if (category !== undefined) return category;
    if (typeof cell === 'number' && !Number.isNaN(cell) && text.has(column)) {
      throw cellError(table, at, `${fitted.name} expects text, got ${cell}`);
    }
    if (!isStrict) return undefined;
    const problem = `${fitted.name} does not know the category ${show(cell)}: send one that it was fitted with`;
    throw cellError(table, at, problem);
  };
}

const oneHot: EstimatorReader = (fitted) => {
  const policy = fitted.oneOf('handle_unknown', ['error', 'ignore', 'infrequent_if_exist', 'warn']);
  const groupingOf = readGroupings(fitted);
  const dropped = readDropped(fitted);
  const all = readCategories(fitted);
  const find = categoryFinder(fitted, all, policy === 'error');
  const columns = all.map((categories, column) => {
    const drop = dropped[column];
    const grouping = groupingOf(column);
    const count = grouping ? Math.max(...grouping.codes) + 1 : categories.length;
    return {
      codes: grouping?.codes,
      unknown: policy === 'ignore' ? undefined : grouping?.rare,
      drop: typeof drop === 'number' ? drop : Number.POSITIVE_INFINITY,
      width: count - (typeof drop === 'number' ? 1 : 0),
    };
  });
  const width = columns.reduce((sum, column) => sum + column.width, 0);
  return {
    accepts: NAN,
    textColumns: textColumnsOf(all),
    transform: (table) => {
      const { rows, width: given } = table;
      const result = new Float64Array(rows * width);
      for (let row = 0; row < rows; row++) {
        let at = row * width;
        columns.forEach(({ codes, unknown, drop, width: own }, column) => {
          const found = find(table, row * given + column);
          const category = found === undefined ? unknown : (codes?.[found] ?? found);
          if (category !== undefined && category !== drop) {
            result[at + category - (category > drop ? 1 : 0)] = 1;
          }
          at += own;
        });
      }
      return { rows, width, data: result };
    },
  };
};

/** Reads the number of each column's category that has no column of its own, once rare ones are grouped. */
function readDropped(fitted: Fitted): readonly unknown[] {
  const name = fitted.flag('_infrequent_enabled', false) ? '_drop_idx_after_grouping' : 'drop_idx_';
  return fitted.list(fitted.has(name) ? name : 'drop_idx_', []);
}

const ordinal: EstimatorReader = (fitted) => {
  const groupingOf = readGroupings(fitted);
  const policy = fitted.oneOf('handle_unknown', ['error', 'use_encoded_value']);
  const unknownValue = Number(fitted.get('unknown_value') ?? Number.NaN);
  const missing = Number(fitted.get('encoded_missing_value') ?? Number.NaN);
  const categories = readCategories(fitted);
  const find = categoryFinder(fitted, categories, policy === 'error');
  return {
    accepts: NAN,
    textColumns: textColumnsOf(categories),
    transform: (table) => {
      const { data, ...rest } = table;
      const codes = Float64Array.from({ length: data.length }, (_, i) => {
        const category = find(table, i);
        if (category === undefined) return unknownValue;
        const column = i % table.width;
        const found = categories[column]?.[category];
        return Number.isNaN(found) ? missing : (groupingOf(column)?.codes[category] ?? category);
      });
      return { ...rest, data: codes };
    },
  };
};

/** Reads a SimpleImputer. Columns that had no value when it was fitted are left out, unless they are to be kept. */
const simpleImputer: EstimatorReader = (fitted) => {
  const statistics = fitted.list('statistics_') as readonly Cell[];
  const isMissing = readMissing(fitted);
  const kept = statistics.flatMap((value, i) => (Number.isNaN(value) ? [] : [i]));
  // Until 1.7 a constant was filled in, too, where no value had been.
  const isFilled = fitted.string('strategy') === 'constant' && !fitted.isSince(1, 8);
  const keepsAll = fitted.flag('keep_empty_features', false) || isFilled;
  return {
    accepts: acceptedByImputer(fitted),
    textColumns: textColumnsOf(
      statistics.map((value) => {
        // Where there was no value, or none most often, a column of any type was one of text.
        const isNone = value === null || Number.isNaN(value);
        return [isNone && isOfAnyType(fitted) ? '' : value];
      }),
    ),
    transform: withIndicator(fitted, (table) => {
      const columns = keepsAll ? [...statistics.keys()] : kept;
      const { data, ...rest } = pickColumns(table, columns);
      const fill = (cell: Cell, i: number): Cell => {
        if (!isMissing(cell)) return cell;
        return statistics[columns[i % columns.length] as number] as Cell;
      };
      const filled =
        data instanceof Float64Array
          ? data.map((cell, i) => Number(fill(cell, i)))
          : data.map(fill);
      return { ...rest, data: filled };
    }),
  };
};

/**
 * Returns the numbers that an imputer takes: NaN where it stands for a missing value; and in columns of any type, of
 * which scikit-learn checks nothing else, infinity.
 */
function acceptedByImputer(fitted: Fitted): Accepted {
  return { ...acceptedByMarker(fitted), infinity: isOfAnyType(fitted) };
}

/** True when an imputer was fitted with columns that are no array of numbers. */
function isOfAnyType(fitted: Fitted): boolean {
  const type = fitted.get('_fit_dtype');
  return type instanceof PickleObject && String(type.args[0]).startsWith('O');
}

/** Readers by class. */
export const ENCODING: Readonly<Record<string, EstimatorReader>> = {
  OneHotEncoder: oneHot,
  OrdinalEncoder: ordinal,
  SimpleImputer: simpleImputer,
};
