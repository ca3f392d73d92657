/** Tables of features, and how to take them apart and put them together. */
import { RowError } from '../protocol/errors.ts';
import { show } from '../protocol/v2/elements.ts';

/** A value of a table. A missing text is `null`, and a missing number NaN. */
export type Cell = number | string | null;

/** Rows of features, which may be text, in row-major order: `data[row * width + column]`. */
export interface Table {
  readonly rows: number;
  readonly width: number;
  readonly data: Float64Array | readonly Cell[];
  /** Names of the request's columns that these are, for messages; undefined for those that are made of others. */
  readonly labels?: readonly (string | undefined)[];
}

/** Rows of numbers in row-major order: `data[row * width + column]`. A missing value is NaN. */
export interface Matrix extends Table {
  readonly data: Float64Array;
}

/** Returns the names of a request's columns for messages: their numbers, and names where they have some. */
export function columnLabels(features: number, names?: readonly string[]): string[] {
  return Array.from({ length: features }, (_, i) =>
    names?.[i] === undefined ? `column ${i}` : `column ${i} ('${names[i]}')`,
  );
}

/**
 * Makes the error of a cell that cannot be what it is.
 * @param at index of the cell in the table's data
 * @param problem what is wrong, and what to do
 */
export function cellError({ width, labels }: Table, at: number, problem: string): RowError {
  const column = at % width;
  const where = labels?.[column] ?? `column ${column} of what the estimator is given`;
  return new RowError(Math.floor(at / width), `${where}: ${problem}`);
}

/** Returns a table that holds nothing but numbers. @throws RowError that names the first cell that is text. */
export function numbersOf(table: Table): Matrix {
  const { data, ...rest } = table;
  if (data instanceof Float64Array) return { ...rest, data };
  const numbers = new Float64Array(data.length);
  data.forEach((cell, i) => {
    if (typeof cell === 'string') {
      throw cellError(table, i, `expected a number, got ${show(cell)}`);
    }
    numbers[i] = cell ?? Number.NaN;
  });
  return { ...rest, data: numbers };
}

/** Returns some columns of a table, in the order given. */
export function pickColumns(table: Table, columns: readonly number[]): Table {
  const { rows, width, data, labels } = table;
  const size = rows * columns.length;
  const picked = data instanceof Float64Array ? new Float64Array(size) : new Array<Cell>(size);
  for (let row = 0; row < rows; row++) {
    for (const [i, column] of columns.entries()) {
      picked[row * columns.length + i] = data[row * width + column] as never;
    }
  }
  const kept = labels && columns.map((column) => labels[column]);
  return { rows, width: columns.length, data: picked, labels: kept };
}

/** Puts tables that have the same number of rows beside each other. */
export function beside(rows: number, tables: readonly Table[]): Table {
  const width = tables.reduce((sum, table) => sum + table.width, 0);
  const isText = tables.some(({ data }) => !(data instanceof Float64Array));
  const data = isText ? new Array<Cell>(rows * width) : new Float64Array(rows * width);
  let offset = 0;
  for (const table of tables) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < table.width; column++) {
        data[row * width + offset + column] = table.data[row * table.width + column] as never;
      }
    }
    offset += table.width;
  }
  const labels = tables.flatMap(
    (table) => table.labels ?? new Array<undefined>(table.width).fill(undefined),
  );
  return { rows, width, data, labels };
}
