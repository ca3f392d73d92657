/** Reads the names of categories that XGBoost 3.1 and later store (src/data/cat_container.h). */
import { Categories, type CategoryList } from '../categories.ts';
import type { XgboostCategories, XgboostFile } from './xgboost-file.ts';

/** Returns the categories of a model; undefined when it has none. */
export function xgboostCategories({ categories, version }: XgboostFile): Categories | undefined {
  const lists = categories.flatMap((column, i): [number, CategoryList][] =>
    column.values.length + (column.offsets?.length ?? 0) > 0
      ? [[i, readList(column, version)]]
      : [],
  );
  if (lists.length === 0) return undefined;
  return new Categories({ lists: new Map(lists), unknown: 'refused' });
}

/** Reads names: numbers, or texts, whose bytes lie one behind the other. */
function readList(
  { offsets, values }: XgboostCategories,
  [major = 0, minor = 0]: XgboostFile['version'],
): CategoryList {
  if (offsets === undefined) return { names: Array.from(values, Number) };
  const bytes = Buffer.from(Array.from(values, Number));
  const names = Array.from({ length: offsets.length - 1 }, (_, i) =>
    bytes.toString('utf8', Number(offsets[i]), Number(offsets[i + 1])),
  );
  // Releases up to 3.2 count characters and store as many bytes.
  const isCut = major === 3 && minor < 3 && bytes.some((byte) => byte > 127);
  const fault = isCut
    ? `XGBoost ${major}.${minor} cut its names, of which some are not ASCII`
    : undefined;
  return { names, fault };
}
