/**
 * Computes what members of an ensemble answer, in the forms in which scikit-learn's meta-estimators ask for it
 * (sklearn.utils._response).
 */
import { pickColumns, type Table } from '../table.ts';
import type { Estimator, Values } from './estimator.ts';

/** Computes values of rows. */
export type Response = (table: Table) => Values;

/** Returns a function that a member needs. @throws Error when the member does not have it. */
export function needed<T>(compute: T | undefined, what: string): T {
  if (compute === undefined) throw new Error(`a member of the ensemble has no ${what}`);
  return compute;
}

/** Returns the labels of a classifier as numbers. @throws Error when they are text. */
export function numericClasses({ classes }: Estimator): Float64Array {
  const data = classes?.data;
  if (data instanceof Float64Array) return data;
  throw new Error('a member of the ensemble has labels that are no numbers');
}

/** Makes a function that computes what a member predicts: its values, or labels, which must be numbers. */
export function predictedNumbers(member: Estimator): Response {
  const predict = needed(member.predict, 'predict');
  if (member.classes === undefined) return predict;
  const labels = numericClasses(member);
  return (table) => {
    const { width, data } = predict(table);
    return { width, data: data.map((index) => labels[index] as number) };
  };
}

/** The score by which a member tells its second class from its first one, and the threshold that it is above. */
export interface BinaryScore {
  readonly score: (table: Table) => Float64Array;
  readonly threshold: number;
}

/** Returns the score of a member that tells two classes apart: its decision, or its probability of the second. */
export function binaryScore(member: Estimator): BinaryScore {
  const { decisionFunction, predictProba, predict, classes } = member;
  if (decisionFunction !== undefined) {
    return { score: (table) => decisionFunction(table).data, threshold: 0 };
  }
  if (classes === undefined && predict !== undefined) {
    return { score: (table) => predict(table).data, threshold: 0.5 };
  }
  const shares = needed(predictProba, 'predict_proba');
  return { score: (table) => column(shares(table), 1), threshold: 0.5 };
}

/** Returns a column of values. */
export function column({ width, data }: Values, at: number): Float64Array {
  return Float64Array.from({ length: data.length / width }, (_, row) => {
    return data[row * width + at] as number;
  });
}

/** Puts columns, of which each has a value of every row, beside each other. */
export function columnsBeside(columns: readonly Float64Array[]): Values {
  const width = columns.length;
  const data = new Float64Array(width * (columns[0]?.length ?? 0));
  columns.forEach((values, at) => {
    values.forEach((value, row) => {
      data[row * width + at] = value;
    });
  });
  return { width, data };
}

/** Makes a function that computes the average of what several compute, by weights where they are given. */
export function weightedMean(
  responses: readonly Response[],
  weights: ArrayLike<number> = new Array<number>(responses.length).fill(1),
): Response {
  const total = Array.from(weights).reduce((sum, weight) => sum + weight, 0);
  return (table) => {
    const all = responses.map((response) => response(table));
    const [first] = all as [Values];
    const data = new Float64Array(first.data.length);
    all.forEach((values, member) => {
      const weight = weights[member] as number;
      for (let i = 0; i < data.length; i++) {
        data[i] = (data[i] as number) + weight * (values.data[i] as number);
      }
    });
    for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) / total;
    return { ...first, data };
  };
}

/** Makes a response that is given some of the columns; all of them where they are in order. */
export function givenColumns(
  response: Response,
  columns: ArrayLike<number>,
  count: number,
): Response {
  const wanted = Array.from(columns);
  if (wanted.length === count && wanted.every((column, i) => column === i)) return response;
  return (table) => response(pickColumns(table, wanted));
}
