/** Makes codes of the categories that rows name, as a booster's file lists them for some of its columns. */
import { show } from '../protocol/v2/elements.ts';
import { type Cell, cellError, type Matrix, type Table } from './table.ts';

/** Name of a category: text, or a number (true is 1, and false is 0). */
export type CategoryName = string | number;

/** Categories of one column, as a file has them. */
export interface CategoryList {
  /** Names, in the order of their codes. */
  readonly names: readonly CategoryName[];
  /** Reason why the names are not those of training, where they are not. */
  readonly fault?: string;
}

/** Lists of a model's categories, and what becomes of a name that is in none. */
export interface CategoryLists {
  /** Lists by the number of their column; undefined when the file does not tell which columns its lists are of. */
  readonly lists: ReadonlyMap<number, CategoryList> | undefined;
  /** Tells whether the framework takes a name that training did not see as missing, or refuses it. */
  readonly unknown: 'missing' | 'refused';
}

/** A column whose values are categories. */
interface CategoryColumn {
  readonly codes: ReadonlyMap<CategoryName, number>;
  /** Kind of all names, where they are of one kind. */
  readonly kind: 'text' | 'number' | 'mixed';
  readonly fault?: string;
}

/** Looks up categories by name. A table without names of columns has codes already. */
export class Categories {
  readonly #known: ReadonlyMap<number, CategoryColumn> | undefined;
  readonly #unknown: CategoryLists['unknown'];

  constructor({ lists, unknown }: CategoryLists) {
    this.#unknown = unknown;
    this.#known =
      lists && new Map([...lists].map(([column, list]) => [column, categoryColumn(list)]));
  }

  /** Numbers of the columns that have text among their categories. */
  get textColumns(): number[] {
    return [...(this.#known ?? [])].flatMap(([column, { kind }]) =>
      kind === 'number' ? [] : [column],
    );
  }

  /**
   * Returns a table with codes in place of names; what is missing is NaN.
   * @throws RowError of the first value that the framework would not take.
   */
  encode(table: Table): Matrix {
    const { data, ...rest } = table;
    if (this.#known === undefined) {
      throw cellError(table, 0, `the file does not tell which columns have categories: ${CODES}`);
    }
    const codes = new Float64Array(data.length);
    for (let at = 0; at < data.length; at++) {
      codes[at] = this.#encodeCell(table, at, this.#known.get(at % rest.width));
    }
    return { ...rest, data: codes };
  }

  #encodeCell(table: Table, at: number, known: CategoryColumn | undefined): number {
    const cell = table.data[at] as Cell;
    if (cell === null || Number.isNaN(cell)) return Number.NaN;
    if (known === undefined) {
      return typeof cell === 'number' ? cell : refuse(table, at, 'a number');
    }
    const { codes, kind, fault } = known;
    if (fault !== undefined) throw cellError(table, at, `${fault}: ${CODES}`);
    const code = codes.get(cell);
    if (code !== undefined) return code;
    if (kind === 'text' && typeof cell === 'number') refuse(table, at, 'text');
    if (kind === 'number' && typeof cell === 'string') refuse(table, at, 'a number');
    if (this.#unknown === 'missing') return Number.NaN;
    return refuse(table, at, 'a category that the model was trained with, or null');
  }
}

/** Way out where names cannot be looked up. */
const CODES = 'send one tensor, with codes';

/** Refuses a cell. @throws RowError always. */
function refuse(table: Table, at: number, expected: string): never {
  throw cellError(table, at, `expected ${expected}, got ${show(table.data[at])}`);
}

function categoryColumn({ names, fault }: CategoryList): CategoryColumn {
  const codes = new Map<CategoryName, number>();
  names.forEach((name, code) => {
    if (!codes.has(name)) codes.set(name, code);
  });
  const texts = names.filter((name) => typeof name === 'string');
  const kind = texts.length === 0 ? 'number' : texts.length === names.length ? 'text' : 'mixed';
  const isInexact = names.some((name) => Number.isInteger(name) && !Number.isSafeInteger(name));
  return { codes, kind, fault: isInexact ? 'some of its categories are above 2^53' : fault };
}
