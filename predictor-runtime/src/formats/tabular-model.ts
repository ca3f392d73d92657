/** What the readers of this folder make of a file: rows of features in, a value or several a row out. */
import type { Datatype, NumericData } from '../protocol/v2/datatypes.ts';
import { type Matrix, numbersOf, type Table } from './table.ts';

export interface TabularModel {
  /** V2 metadata's `platform`. */
  readonly platform: string;
  /** Columns that a row has. */
  readonly features: number;
  /** Their names, where the model knows them. */
  readonly columns?: readonly string[];
  /** Of the features, as the framework computes with them. Others are converted. */
  readonly datatype: 'FP32' | 'FP64';
  /** Columns that are text. */
  readonly textColumns?: readonly number[];
  /** What can be asked for; the first is what `predict` of the framework gives. */
  readonly outputs: readonly TabularOutput[];
}

export interface TabularOutput {
  readonly name: string;
  readonly datatype: Datatype;
  /** As V2 metadata has it: rows, and values of a row where they are a list. */
  readonly shape: readonly number[];
  /** @throws Error when the rows are not for this model. */
  readonly compute: (table: Table) => TabularValues;
}

/** Row-major; `width` is undefined where a row has a value and no list. */
export interface TabularValues {
  readonly width?: number;
  readonly data: NumericData | Buffer[];
}

/** One of numbers from numbers: a list a row where `width` is above 1. */
export function numericOutput(
  { name, datatype, width }: { name: string; datatype: Datatype; width: number },
  of: (matrix: Matrix) => NumericData,
): TabularOutput {
  const listed = width > 1 ? width : undefined;
  return {
    name,
    datatype,
    shape: listed === undefined ? [-1] : [-1, listed],
    compute: (table) => ({ width: listed, data: of(numbersOf(table)) }),
  };
}
