/**
 * The model that every reader of this folder makes of a file: it takes rows of features, and gives values for each row.
 */
import type { Datatype, NumericData } from '../protocol/v2/datatypes.ts';
import type { Categories } from './categories.ts';
import { type Matrix, numbersOf, type Table } from './table.ts';

/** Name of the output that is always given, as KServe's servers name it. */
export const DEFAULT_OUTPUT = 'output-0';

/** A model of rows and columns. */
export interface TabularModel {
  /** Platform in V2's metadata. */
  readonly platform: string;
  /** Number of columns of a row; -1 when the model does not say. */
  readonly features: number;
  /** Names of the columns, where the model knows them. */
  readonly columns?: readonly string[];
  /** True when the framework wrote `_` for each space in the columns' names. */
  readonly joinsWords?: boolean;
  /** Categories of columns, by which rows are read that come by the columns' names. */
  readonly categories?: Categories;
  /** Datatype in which the framework computes with the features. Others are converted to it. */
  readonly datatype: 'FP32' | 'FP64';
  /** Numbers of the columns that are text. */
  readonly textColumns?: readonly number[];
  /** Numbers of the columns that are not read, where a request by name may leave them out and have others. */
  readonly spareColumns?: readonly number[];
  /**
   * Outputs that can be asked for; the first is the one of requests that name none. It is what `predict` of the
   * framework gives, and has the name `output-0` where KServe's server and the framework's wrapper differ.
   */
  readonly outputs: readonly TabularOutput[];
}

/** An output of a model of rows and columns. */
export interface TabularOutput {
  readonly name: string;
  readonly datatype: Datatype;
  /** Shape in V2's metadata: the rows, and then the values of a row where they are a list. */
  readonly shape: readonly number[];
  /** Computes the output of some rows. @throws Error when the rows are not for this model. */
  readonly compute: (table: Table) => TabularValues;
}

/** Values of rows, in row-major order. `width` is undefined where a row has one value, which is not in a list. */
export interface TabularValues {
  readonly width?: number;
  readonly data: NumericData | Buffer[];
}

/** Makes an output that computes numbers from numbers. A row's values are a list where `width` is above 1. */
export function numericOutput(
  { name, datatype, width }: { name: string; datatype: Datatype; width: number },
  compute: (matrix: Matrix) => NumericData,
): TabularOutput {
  const listed = width > 1 ? width : undefined;
  return {
    name,
    datatype,
    shape: listed === undefined ? [-1] : [-1, listed],
    compute: (table) => ({ width: listed, data: compute(numbersOf(table)) }),
  };
}
