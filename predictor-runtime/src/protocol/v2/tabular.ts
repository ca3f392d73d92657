/**
 * Requests for models of rows and columns. KServe's servers read the first input whatever its name, and numbers of any
 * type; with columns that have names, each may be an input of its own (KServe's and MLServer's content type `pd`).
 */
import { invalid } from '../errors.ts';
import {
  elementCount,
  type InferRequest,
  type ModelMetadata,
  type TabularSignature,
  type Tensor,
  type TensorMetadata,
} from './types.ts';

/** Returns a model's inputs, and those that may come in their stead: a tensor for each column that has a name. */
export function acceptedInputs({ inputs, tabular }: ModelMetadata): TensorMetadata[] {
  const columns = (tabular?.columns ?? []).filter((column) =>
    inputs.every(({ name }) => name !== column),
  );
  return [
    ...inputs,
    ...columns.map((name): TensorMetadata => ({ name, datatype: 'FP64', shape: [-1, 1] })),
  ];
}

/**
 * Checks the inputs of a request for a model of rows and columns: one table, or a tensor for each column.
 * @throws InferenceError INVALID_ARGUMENT with the path of the field.
 */
export function checkTabular(request: InferRequest, model: ModelMetadata): void {
  const { features, columns, readsText } = model.tabular as TabularSignature;
  const { inputs } = request;
  for (const [i, { datatype, name }] of inputs.entries()) {
    if (datatype === 'BYTES' && !readsText) {
      throw invalid(`inputs[${i}].datatype: input '${name}' must be numbers, got BYTES`);
    }
  }
  const [first] = inputs;
  if (first === undefined) throw invalid('inputs: expected at least one');
  if (inputs.length === 1 && !(features > 1 && columns?.includes(first.name))) {
    checkRows(first, model.name, features);
    return;
  }
  if (columns === undefined) {
    throw invalid(
      `inputs: model '${model.name}' takes one, of shape [-1, ${features}], got ${inputs.length}`,
    );
  }
  checkColumns(inputs, columns, model.name);
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

function checkColumns(inputs: readonly Tensor[], columns: readonly string[], model: string): void {
  const rows = inputs[0]?.shape[0] ?? 0;
  const given = new Set<string>();
  for (const [i, { name, shape }] of inputs.entries()) {
    if (!columns.includes(name)) {
      throw invalid(
        `inputs[${i}].name: model '${model}' has no column '${name}', expected ${quoted(columns)}`,
      );
    }
    if (given.has(name)) throw invalid(`inputs[${i}].name: '${name}' is given twice`);
    given.add(name);
    if (shape[0] !== rows || elementCount(shape) !== rows) {
      throw invalid(
        `inputs[${i}].shape: a column has shape [${rows}] or [${rows}, 1] here, got [${shape}]`,
      );
    }
  }
  const missing = columns.filter((column) => !given.has(column));
  if (missing.length > 0) throw invalid(`inputs: model '${model}' also needs ${quoted(missing)}`);
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}
