/** Tables of features, and how to take them apart and put them together. */

/** A value of a table. A missing text is `null`, and a missing number NaN. */
export type Cell = number | string | null;

/** Rows of features, which may be text, in row-major order: `data[row * width + column]`. */
export interface Table {
  readonly rows: number;
  readonly width: number;
  readonly data: Float64Array | readonly Cell[];
}

/** Rows of numbers in row-major order: `data[row * width + column]`. A missing value is NaN. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  readonly data: Float64Array;
}

/** Returns a table that holds nothing but numbers. @throws Error that names the first cell that is text. */
export function numbersOf(table: Table): Matrix {
  const { rows, width, data } = table;
  if (data instanceof Float64Array) return { rows, width, data };
  const numbers = new Float64Array(data.length);
  data.forEach((cell, i) => {
    if (typeof cell === 'string') {
      const where = `row ${Math.floor(i / width)}, column ${i % width}`;
      throw new Error(`${where}: expected a number, got ${JSON.stringify(cell)}`);
    }
    numbers[i] = cell ?? Number.NaN;
  });
  return { rows, width, data: numbers };
}

/** Returns some columns of a table, in the order given. */
export function pickColumns(table: Table, columns: readonly number[]): Table {
  const { rows, width, data } = table;
  const size = rows * columns.length;
  const picked = data instanceof Float64Array ? new Float64Array(size) : new Array<Cell>(size);
  for (let row = 0; row < rows; row++) {
    for (const [i, column] of columns.entries()) {
      picked[row * columns.length + i] = data[row * width + column] as never;
    }
  }
  return { rows, width: columns.length, data: picked };
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
  return { rows, width, data };
}
