/** Reads a TargetEncoder, which makes of a category the mean of the target that goes with it (sklearn.preprocessing). */
import { categoryFinder, readCategories, textColumnsOf } from './encoding.ts';
import { type EstimatorReader, NAN } from './estimator.ts';
import { isNumbers } from './fitted.ts';

const target: EstimatorReader = (fitted) => {
  const categories = readCategories(fitted);
  const encodings = fitted.list('encodings_').map((values) => {
    return isNumbers(values) ? values.data : fitted.refuse('encodings that are no numbers');
  });
  const means = fitted.numbers('target_mean_');
  // A column has an encoding for each class, where these are more than two.
  const width = encodings.length;
  const each = width / categories.length;
  const find = categoryFinder(fitted, categories, false);
  return {
    accepts: NAN,
    textColumns: textColumnsOf(categories),
    transform: (table) => {
      const { rows, width: given } = table;
      const data = Float64Array.from({ length: rows * width }, (_, i) => {
        const at = i % width;
        const column = Math.floor(at / each);
        const category = find(table, Math.floor(i / width) * given + column);
        if (category === undefined) return means[at % each] as number;
        return (encodings[at] as Float64Array)[category] as number;
      });
      return { rows, width, data };
    },
  };
};

/** Readers by class. */
export const TARGET_ENCODING: Readonly<Record<string, EstimatorReader>> = { TargetEncoder: target };
