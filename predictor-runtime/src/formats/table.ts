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
  /** Columns of the request that these are, for messages; absent when these are made of others. */
  readonly origin?: Origin;
}

/** The columns of a request that the columns of a table are. */
export interface Origin {
  /** Names of all columns of the request, where they have some. */
  readonly names?: readonly string[];
  /** Number of each column in the request, undefined where it is made of others; absent when they are all, in order. */
  readonly columns?: readonly (number | undefined)[];
}

/** Rows of numbers in row-major order: `data[row * width + column]`. A missing value is NaN. */
export interface Matrix extends Table {
  readonly data: Float64Array;
}

/**
 * Makes the error of a cell that cannot be what it is.
 * @param at index of the cell in the table's data
 * @param problem what is wrong, and what to do
 */
export function cellError(table: Table, at: number, problem: string): RowError {
  const column = at % table.width;
  const own = columnInRequest(table, column);
  const name = own === undefined ? undefined : table.origin?.names?.[own];
  const where =
    own === undefined ? `column ${column} of what the estimator is given` : `column ${own}`;
  const label = name === undefined ? where : `${where} ('${name}')`;
  return new RowError(Math.floor(at / table.width), `${label}: ${problem}`);
}

function columnInRequest({ origin }: Table, column: number): number | undefined {
  if (origin === undefined) return undefined;
  return origin.columns === undefined ? column : origin.columns[column];
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
  const { rows, width, data, origin } = table;
  const size = rows * columns.length;
  const picked = data instanceof Float64Array ? new Float64Array(size) : new Array<Cell>(size);
  for (let row = 0; row < rows; row++) {
    for (const [i, column] of columns.entries()) {
      picked[row * columns.length + i] = data[row * width + column] as never;
    }
  }
  const kept = columns.map((column) => columnInRequest(table, column));
  return {
    rows,
    width: columns.length,
    data: picked,
    origin: origin && { ...origin, columns: kept },
  };
}

/** Takes rows `start` to `end` of a table, as a view where they are numbers. */
export function sliceRows(table: Table, start: number, end: number): Table {
  const { rows, width, data } = table;
  if (start === 0 && end === rows) return table;
  const part =
    data instanceof Float64Array
      ? data.subarray(start * width, end * width)
      : data.slice(start * width, end * width);
  return { ...table, rows: end - start, data: part };
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
  return { rows, width, data, origin: jointOrigin(tables) };
}

function jointOrigin(tables: readonly Table[]): Origin | undefined {
  const [known] = tables.flatMap(({ origin }) => origin ?? []);
  if (known === undefined) return undefined;
  const columns = tables.flatMap((table) =>
    Array.from({ length: table.width }, (_, column) => columnInRequest(table, column)),
  );
  return { ...known, columns };
}
