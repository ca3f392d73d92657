/** Refuses the numbers that scikit-learn would: each estimator checks what it is given, by the rule that it declares. */
import { cellError, type Table } from '../table.ts';
import type { Accepted, Estimator } from './estimator.ts';

/** Smallest number that single precision rounds to infinity. */
const BEYOND_SINGLE = 2 ** 128 - 2 ** 103;

/**
 * Returns the estimator with a check before everything that it computes.
 * @param name its class, for messages
 */
export function checked(estimator: Estimator, name: string): Estimator {
  const { accepts = {}, transform, predict, predictProba, decisionFunction } = estimator;
  if (accepts.nan && accepts.infinity) return estimator;
  const after = <T>(compute: ((table: Table) => T) | undefined) =>
    compute &&
    ((table: Table) => {
      checkNumbers(table, accepts, name);
      return compute(table);
    });
  return {
    ...estimator,
    transform: after(transform),
    predict: after(predict),
    predictProba: after(predictProba),
    decisionFunction: after(decisionFunction),
  };
}

/** Checks all cells that are no text. @throws RowError for the first that is not accepted. */
function checkNumbers(table: Table, accepts: Accepted, name: string): void {
  const { data } = table;
  const limit = accepts.isSingle ? BEYOND_SINGLE : Number.POSITIVE_INFINITY;
  for (let i = 0; i < data.length; i++) {
    const cell = data[i];
    if (typeof cell === 'string' || Math.abs(cell ?? Number.NaN) < limit) continue;
    const isMissing = cell === null || Number.isNaN(cell);
    if (isMissing ? accepts.nan : accepts.infinity) continue;
    throw cellError(table, i, refusal(isMissing ? undefined : (cell as number), name));
  }
}

/** Says what is refused. @param value the number; undefined when it is missing */
function refusal(value: number | undefined, name: string): string {
  if (value === undefined) return `${name} takes no missing value (null, NaN): send a number`;
  if (Number.isFinite(value))
    return `${name} takes no number beyond single precision, got ${value}`;
  return `${name} takes no infinity: send a finite number`;
}
