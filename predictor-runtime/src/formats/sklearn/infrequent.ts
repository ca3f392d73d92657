/** Reads how encoders group the categories that few samples had (sklearn.preprocessing, `min_frequency`). */
import { elementsOf, type Fitted, isNumbers } from './fitted.ts';

/** The numbers of a column's categories, once those that are rare are one. */
export interface Grouping {
  /** Number of each category. */
  readonly codes: Float64Array;
  /** Number of those that are rare. */
  readonly rare: number;
}

/** Reads the grouping of each column; undefined where there is none. */
export function readGroupings(fitted: Fitted): (column: number) => Grouping | undefined {
  if (!fitted.flag('_infrequent_enabled', false)) return () => undefined;
  const mappings = fitted.list('_default_to_infrequent_mappings');
  const rare = fitted.list('_infrequent_indices');
  const groupings = mappings.map((codes, column): Grouping | undefined => {
    if (codes === null) return undefined;
    const [first] = elementsOf(rare[column]) ?? [];
    if (!isNumbers(codes)) return fitted.refuse('infrequent categories of another kind');
    return { codes: codes.data, rare: codes.data[Number(first)] as number };
  });
  return (column) => groupings[column];
}
