/**
 * The V1 protocol's predict, in TensorFlow Serving's two forms: rows (`instances` → `predictions`) and columns
 * (`inputs` → `outputs`). Source: TensorFlow Serving, RESTful API; KServe's V1 is its row form.
 */
import { isUtf8 } from 'node:buffer';
import { invalid } from '../errors.ts';
import { MAX_DIMENSIONS } from '../numbers/nesting.ts';
import { NumberArray, type Place } from '../numbers/number-arrays.ts';
import { fill, flatten, show } from '../v2/elements.ts';
import { array, base64, fields, object } from '../v2/json.ts';
import { parseTensors } from '../v2/json-document.ts';
import { acceptedInputs, columnOf, isSpare, tableElements } from '../v2/tabular.ts';
import { elementTexts } from '../v2/tensor-text.ts';
import type {
  InferRequest,
  InferResponse,
  ModelMetadata,
  Tensor,
  TensorMetadata,
} from '../v2/types.ts';

/** A V1 predict request as the data plane takes it, with what its answer needs to know. */
export interface PredictRequest {
  readonly request: InferRequest;
  /** The form of the request, in which the answer goes back. */
  readonly form: 'rows' | 'columns';
}

/**
 * Parses a V1 predict request, with the model's datatypes and its names of inputs.
 * @throws InferenceError INVALID_ARGUMENT with the path of the field.
 */
export function decodePredict(json: Buffer, model: ModelMetadata): PredictRequest {
  const body = parseBody(json);
  if ((body.instances === undefined) === (body.inputs === undefined)) {
    throw invalid("body: expected either 'instances' (rows) or 'inputs' (columns)");
  }
  const form = body.instances === undefined ? 'columns' : 'rows';
  const inputs =
    form === 'rows' ? rowInputs(body.instances, model) : columnInputs(body.inputs, model);
  return { request: { inputs, outputs: [], binaryOutputs: false }, form };
}

/**
 * Parses a V1 body, and checks that it asks for the model's only signature.
 * @throws InferenceError INVALID_ARGUMENT when it is not an object, or asks for another signature.
 */
export function parseBody(json: Buffer): Record<string, unknown> {
  const body = fields(parseTensors(json, isTensor), 'body');
  const { signature_name: signature = 'serving_default' } = body;
  if (signature !== 'serving_default') {
    const name = typeof signature === 'string' ? `'${signature}'` : show(signature);
    throw invalid(`signature_name: ${name} is not known, the model has 'serving_default'`);
  }
  return body;
}

/** True where a V1 body has a tensor: in place of the rows or of all columns, or in a column that is named. */
function isTensor({ opened, keys }: Place): boolean {
  if (opened === '{') return keys[1] === 'instances' || keys[1] === 'inputs';
  return opened === '{{' && keys[1] === 'inputs';
}

/**
 * Makes an input of each column of the rows. A row is an object by input name, or the value itself when the model has
 * one input.
 * @throws InferenceError INVALID_ARGUMENT with the path of the field.
 */
export function rowInputs(instances: unknown, model: ModelMetadata): Tensor[] {
  if (instances instanceof NumberArray) {
    const [only] = onlyInput(model.inputs, 'instances');
    return [toTensor(only, instances, { path: 'instances', model })];
  }
  const rows = array(instances, 'instances');
  if (rows.length === 0) throw invalid('instances: expected at least one');
  if (!isNamed(rows[0])) {
    const [only] = onlyInput(model.inputs, 'instances');
    return [toTensor(only, rows, { path: 'instances', model })];
  }
  const objects = rows.map((row, i) => object(row, `instances[${i}]`));
  const names = new Set(objects.flatMap(Object.keys));
  const accepted = acceptedInputs(model);
  return [...names]
    .filter((name) => !isSpare(name, model))
    .map((name) => {
      const having = objects.findIndex((row) => Object.hasOwn(row, name));
      const values = objects.map((row, i) => {
        if (Object.hasOwn(row, name)) return row[name];
        throw invalid(`instances[${i}]: has no '${name}', as instances[${having}] has`);
      });
      const input = inputNamed(accepted, ownName(name, model), `instances[${having}]`);
      return toTensor(input, values, { path: `instances[].${name}`, model });
    });
}

/** Reads columns: a map from input name to tensor, or the tensor itself when the model has one input. */
function columnInputs(value: unknown, model: ModelMetadata): Tensor[] {
  if (!isNamed(value)) {
    const [only] = onlyInput(model.inputs, 'inputs');
    return [toTensor(only, value, { path: 'inputs', model })];
  }
  const accepted = acceptedInputs(model);
  return Object.entries(value)
    .filter(([name]) => !isSpare(name, model))
    .map(([name, item]) =>
      toTensor(inputNamed(accepted, ownName(name, model), 'inputs'), item, {
        path: `inputs.${name}`,
        model,
      }),
    );
}

/** True for an object by name. An object of bytes, `{"b64": …}`, is a value. */
function isNamed(value: unknown): value is Record<string, unknown> {
  const isArray = Array.isArray(value) || value instanceof NumberArray;
  return typeof value === 'object' && value !== null && !isArray && !isBytes(value);
}

function isBytes(value: unknown): value is { b64: string } {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return keys.length === 1 && keys[0] === 'b64';
}

/** Returns the model's only input. @throws InferenceError INVALID_ARGUMENT when it has several. */
function onlyInput(inputs: readonly TensorMetadata[], path: string): [TensorMetadata] {
  const [only] = inputs;
  if (only === undefined || inputs.length !== 1) {
    const names = inputs.map(({ name }) => `'${name}'`).join(', ');
    throw invalid(`${path}: the model has ${inputs.length} inputs, name them: ${names}`);
  }
  return [only];
}

/** Returns the name that the model has for what a request names. */
function ownName(name: string, { tabular }: ModelMetadata): string {
  return tabular?.columns?.[columnOf(name, tabular)] ?? name;
}

/** Returns the input of that name among a model's. @throws InferenceError INVALID_ARGUMENT when there is none. */
function inputNamed(inputs: readonly TensorMetadata[], name: string, path: string): TensorMetadata {
  const found = inputs.find((input) => input.name === name);
  if (found === undefined) {
    const names = inputs.map((input) => `'${input.name}'`).join(', ');
    throw invalid(`${path}: the model has no input '${name}', expected ${names}`);
  }
  return found;
}

/** Makes a tensor of a JSON value: its nesting is the shape, and the datatype is the model's. */
function toTensor(
  { name, datatype }: TensorMetadata,
  value: unknown,
  { path, model }: { path: string; model: ModelMetadata },
): Tensor {
  if (value instanceof NumberArray) {
    return { name, datatype, shape: value.shape, data: fill(datatype, value.data, path) };
  }
  const shape = shapeOf(value, path);
  const flat = shape.length === 0 ? [value] : flatten(value as unknown[], shape, path);
  const values =
    datatype === 'BYTES' ? flat.map((item, i) => decodeBytes(item, `${path}[${i}]`)) : flat;
  const elements = model.tabular === undefined ? values : tableElements(datatype, values);
  return { name, datatype, shape, data: fill(datatype, elements, path) };
}

/** Returns the shape that the nesting of a value has. @throws InferenceError INVALID_ARGUMENT when it is too deep. */
function shapeOf(value: unknown, path: string): number[] {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) {
    shape.push(inner.length);
    if (shape.length > MAX_DIMENSIONS) {
      throw invalid(`${path}: is nested more than ${MAX_DIMENSIONS} deep`);
    }
  }
  return shape;
}

/** Decodes `{"b64": …}`; other values are returned as they are. */
function decodeBytes(value: unknown, path: string): unknown {
  return isBytes(value) ? base64(value.b64, path) : value;
}

/**
 * Writes a V1 response, in the form of its request. Rows go under `name`, columns under `outputs`.
 * @throws InferenceError INVALID_ARGUMENT when rows are asked for and the outputs differ in their number of rows.
 */
export function encodePredict(
  response: InferResponse,
  form: PredictRequest['form'],
  name: 'predictions' | 'explanations' = 'predictions',
): string {
  const { outputs } = response;
  if (form === 'columns') {
    const columns = outputs.map((output) => `${JSON.stringify(output.name)}:${nestedText(output)}`);
    const [only] = outputs;
    const value = outputs.length === 1 && only ? nestedText(only) : `{${columns.join(',')}}`;
    return `{"outputs":${value}}`;
  }
  const count = outputs[0]?.shape[0] ?? 0;
  for (const { name, shape } of outputs) {
    if (shape[0] !== count) {
      throw invalid(`output '${name}' has no row for each instance: ask with 'inputs' (columns)`);
    }
  }
  const byOutput = outputs.map(rowTexts);
  const predictions = Array.from({ length: count }, (_, row) => {
    if (byOutput.length === 1) return byOutput[0]?.[row];
    const fields = outputs.map(({ name }, i) => `${JSON.stringify(name)}:${byOutput[i]?.[row]}`);
    return `{${fields.join(',')}}`;
  });
  return `{"${name}":[${predictions.join(',')}]}`;
}

/** Returns the JSON text of a tensor, nested as its shape says. */
function nestedText(output: Tensor): string {
  return output.shape.length === 0
    ? (valueTexts(output)[0] ?? 'null')
    : `[${rowTexts(output).join(',')}]`;
}

/** Returns the JSON text of each row of a tensor. */
function rowTexts(output: Tensor): string[] {
  let parts = valueTexts(output);
  for (let dim = output.shape.length - 1; dim >= 1; dim--) {
    const size = output.shape[dim] ?? 0;
    const count = output.shape.slice(0, dim).reduce((product, n) => product * n, 1);
    parts = Array.from(
      { length: count },
      (_, i) => `[${parts.slice(i * size, (i + 1) * size).join(',')}]`,
    );
  }
  return parts;
}

/**
 * Returns the JSON text of each element. BYTES that are no text are base64, and so are all those of an output whose name
 * ends in `_bytes` (TensorFlow Serving).
 */
function valueTexts(output: Tensor): string[] {
  const { name, data } = output;
  if (!Array.isArray(data)) return elementTexts(output);
  const asBase64 = name.endsWith('_bytes');
  return data.map((bytes) =>
    JSON.stringify(
      asBase64 || !isUtf8(bytes) ? { b64: bytes.toString('base64') } : bytes.toString(),
    ),
  );
}
