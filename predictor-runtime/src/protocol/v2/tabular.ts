/**
 * Requests for models of rows and columns. KServe's servers read the first input whatever its name, and numbers of any
 * type; with columns that have names, each may be an input of its own (KServe's and MLServer's content type `pd`).
 */
import { isUtf8 } from 'node:buffer';
import { invalid } from '../errors.ts';
import type { Datatype } from './datatypes.ts';
import {
  elementCount,
  type InferRequest,
  type ModelMetadata,
  type TabularSignature,
  type Tensor,
  type TensorMetadata,
} from './types.ts';

/** Stands for a missing text among BYTES, which have no null: a byte that UTF-8 has not. */
export const MISSING_TEXT = Buffer.of(0xff);

/** Returns elements of BYTES with a mark in the place of each null. */
export function markMissing(elements: ArrayLike<unknown>): unknown[] {
  return Array.from(elements, (element) => (element === null ? MISSING_TEXT : element));
}

/** Returns the cells of a table as elements of a datatype. A flag among numbers is 1 or 0, as in a data frame. */
export function tableElements(datatype: Datatype, cells: readonly unknown[]): unknown[] {
  if (datatype === 'BYTES') return markMissing(cells);
  return cells.map((cell) => (typeof cell === 'boolean' ? Number(cell) : cell));
}

/** Returns the text of an element of BYTES; null where it is missing. */
export function textOf(element: Buffer): string | null {
  return element.equals(MISSING_TEXT) ? null : element.toString();
}

/** Returns the number of the column that a name of a request means; -1 when there is none. */
export function columnOf(name: string, signature: TabularSignature | undefined): number {
  const { columns = [], joinsWords = false } = signature ?? {};
  const column = columns.indexOf(name);
  return column === -1 && joinsWords ? columns.indexOf(name.replaceAll(' ', '_')) : column;
}

/** Tells whether a column that comes by name may be text. */
function isTextByName({ textColumns, textByName }: TabularSignature, column: number): boolean {
  return textColumns.includes(column) || textByName?.includes(column) === true;
}

/** Returns a model's inputs, and those that may come in their stead: a tensor for each column that has a name. */
export function acceptedInputs({ inputs, tabular }: ModelMetadata): TensorMetadata[] {
  const columns = (tabular?.columns ?? []).map((name, i): TensorMetadata => {
    const datatype = tabular && isTextByName(tabular, i) ? 'BYTES' : 'FP64';
    return { name, datatype, shape: [-1, 1] };
  });
  const own = new Set(inputs.map(({ name }) => name));
  return [...inputs, ...columns.filter(({ name }) => !own.has(name))];
}

/** True for the name of a column that the model does not read, and that may hold anything. */
export function isSpare(name: string, { inputs, tabular }: ModelMetadata): boolean {
  if (tabular?.spareColumns === undefined) return false;
  const column = columnOf(name, tabular);
  if (column === -1) return inputs.every((input) => input.name !== name);
  return tabular.spareColumns.includes(column);
}

/** True for a request whose rows are one tensor, whatever its name; otherwise each tensor is a column. */
export function isWholeTable(inputs: readonly Tensor[], signature: TabularSignature): boolean {
  return inputs.length === 1 && columnOf(inputs[0]?.name ?? '', signature) === -1;
}

/**
 * Checks the inputs of a request for a model of rows and columns: one table, or a tensor for each column.
 * @throws InferenceError INVALID_ARGUMENT with the path of the field.
 */
export function checkTabular(request: InferRequest, model: ModelMetadata): void {
  const signature = model.tabular as TabularSignature;
  const { features, columns, textColumns } = signature;
  const { inputs } = request;
  const [first] = inputs;
  if (first === undefined) throw invalid('inputs: expected at least one');
  if (isWholeTable(inputs, signature)) {
    checkType(first, 0, textColumns.length > 0 ? ANY_TYPE : NUMBERS);
    checkRows(first, model.name, features);
    return;
  }
  if (columns === undefined) {
    for (const [i, input] of inputs.entries()) checkType(input, i, NUMBERS);
    throw invalid(
      `inputs: model '${model.name}' takes one, of shape [-1, ${features}], got ${inputs.length}`,
    );
  }
  checkColumns(inputs, model);
}

const NUMBERS = { takesText: false };
const ANY_TYPE = { takesText: true };

/** Checks the datatype of an input, and that its elements are text where they are BYTES. */
function checkType(
  { name, datatype, data }: Tensor,
  i: number,
  { takesText }: { takesText: boolean },
): void {
  if (datatype === 'BYTES' && !takesText) {
    throw invalid(`inputs[${i}].datatype: input '${name}' must be numbers, got BYTES`);
  }
  if (!Array.isArray(data)) return;
  const odd = data.findIndex((element) => element !== MISSING_TEXT && !isUtf8(element));
  if (odd !== -1) throw invalid(`inputs[${i}].data[${odd}]: is no UTF-8 text`);
}

function checkRows({ name, shape }: Tensor, model: string, features: number): void {
  const isList = shape.length === 1 && features === 1;
  const isTable = shape.length === 2 && (features === -1 || shape[1] === features);
  if (!isList && !isTable) {
    throw invalid(
      `inputs[0].shape: model '${model}' has rows of ${features} features, [-1, ${features}]; '${name}' has shape [${shape}]`,
    );
  }
}

function checkColumns(inputs: readonly Tensor[], model: ModelMetadata): void {
  const signature = model.tabular as TabularSignature;
  const { columns = [] } = signature;
  const rows = inputs[0]?.shape[0] ?? 0;
  const given = new Set<string>();
  for (const [i, input] of inputs.entries()) {
    const { name, shape } = input;
    const column = columnOf(name, signature);
    if (column === -1 && !isSpare(name, model)) {
      throw invalid(
        `inputs[${i}].name: model '${model.name}' has no column '${name}', expected ${quoted(columns)}`,
      );
    }
    const own = columns[column] ?? name;
    if (given.has(own)) throw invalid(`inputs[${i}].name: '${name}' is given twice`);
    given.add(own);
    if (shape[0] !== rows || elementCount(shape) !== rows) {
      throw invalid(
        `inputs[${i}].shape: a column has shape [${rows}] or [${rows}, 1] here, got [${shape}]`,
      );
    }
    if (isSpare(name, model)) continue;
    checkType(input, i, isTextByName(signature, column) ? ANY_TYPE : NUMBERS);
  }
  const missing = columns.filter((column) => !given.has(column) && !isSpare(column, model));
  if (missing.length > 0) {
    throw invalid(`inputs: model '${model.name}' also needs ${quoted(missing)}`);
  }
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}
