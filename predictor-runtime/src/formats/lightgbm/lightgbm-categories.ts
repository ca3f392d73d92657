/**
 * Tells which columns the lists of categories in LightGBM's files are of. The Python package writes a list for each
 * column of pandas' type `category`, in the order of the columns, but not which columns these are: an ordered one is
 * no categorical feature, and a feature may be categorical by its number alone.
 */
import { Categories, type CategoryName } from '../categories.ts';
import type { LightgbmFile } from './lightgbm-file.ts';

/**
 * Returns the categories of a model; undefined when it has none.
 * @throws Error when a list holds what is no name.
 */
export function lightgbmCategories(file: LightgbmFile): Categories | undefined {
  const { categoryLists: lists } = file;
  if (lists.length === 0) return undefined;
  const columns = columnsOfLists(file);
  return new Categories({
    lists:
      columns &&
      new Map(columns.map((column, i) => [column, { names: (lists[i] ?? []).map(nameOf) }])),
    unknown: 'missing',
  });
}

function nameOf(value: unknown): CategoryName {
  if (typeof value === 'string' || typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  throw new Error(`pandas_categorical holds ${JSON.stringify(value)}, which is no category`);
}

/**
 * Returns the column of each list; undefined when the file leaves that open. All categorical features have a list,
 * unless the user named the categorical features.
 */
function columnsOfLists(file: LightgbmFile): number[] | undefined {
  const { categoryLists: lists, featureInfos, categorical } = file;
  const fits = (list: number, column: number) =>
    areCodes(featureInfos[column] ?? 'none', lists[list]?.length ?? 0);
  const sizes = { lists: lists.length, columns: file.features };
  const usual = ways(sizes, { fits, needs: (column) => categorical.includes(column) });
  const found = usual.count > 0 ? usual : ways(sizes, { fits, needs: () => false });
  return found.count === 1 ? found.columns : undefined;
}

/** True when what the file tells of a column's values are codes of a list of that size. */
function areCodes(featureInfo: string, size: number): boolean {
  if (featureInfo === 'none') return true;
  const codes = featureInfo.replaceAll(/[[\]]/g, '').split(':').map(Number);
  const isRange = featureInfo.startsWith('[');
  return codes.every(
    (code) => Number.isInteger(code) && code < size && (code >= 0 || (code === -1 && !isRange)),
  );
}

interface Rules {
  /** True when a list may be that of a column. */
  readonly fits: (list: number, column: number) => boolean;
  /** True when a column must have a list. */
  readonly needs: (column: number) => boolean;
}

/** Counts the ways to give lists to columns, both in order, and returns one of them. */
function ways(
  sizes: { readonly lists: number; readonly columns: number },
  { fits, needs }: Rules,
): { count: number; columns: number[] } {
  // Number of ways, up to 2, for the lists from `list` on in the columns from the current one on.
  let rest = new Uint8Array(sizes.lists + 1);
  rest[sizes.lists] = 1;
  const takes: boolean[][] = [];
  for (let column = sizes.columns - 1; column >= 0; column--) {
    const next = new Uint8Array(sizes.lists + 1);
    const taken: boolean[] = [];
    for (let list = 0; list <= sizes.lists; list++) {
      const skipped = needs(column) ? 0 : (rest[list] as number);
      const given = list < sizes.lists && fits(list, column) ? (rest[list + 1] as number) : 0;
      next[list] = Math.min(skipped + given, 2);
      taken.push(given > 0);
    }
    takes[column] = taken;
    rest = next;
  }
  const columns: number[] = [];
  for (let column = 0; column < sizes.columns && columns.length < sizes.lists; column++) {
    if (takes[column]?.[columns.length]) columns.push(column);
  }
  return { count: rest[0] as number, columns };
}
