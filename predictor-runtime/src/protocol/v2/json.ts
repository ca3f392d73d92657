/**
 * Reads V2 REST bodies, which are JSON that tensors may follow as bytes (binary.ts), and writes them. Every fault is an
 * INVALID_ARGUMENT whose message starts with the path of the field.
 */
import { isDeepStrictEqual } from 'node:util';
import { invalid } from '../errors.ts';
import { NumberArray, type Place } from '../numbers/number-arrays.ts';
import { BinaryReader, decodeElements, encodeElements } from './binary.ts';
import { checkInline } from './check.ts';
import { checkDatatype, decodeShape, fill, flatten, show } from './elements.ts';
import { parse, parseTensors } from './json-document.ts';
import { MISSING_TEXT, markMissing } from './tabular.ts';
import { encodeHead, encodeTensor, quoted } from './tensor-text.ts';
import {
  elementCount,
  type InferRequest,
  type InferResponse,
  type Parameters,
  type RequestedOutput,
  type Tensor,
} from './types.ts';

/**
 * Parses a V2 inference request. `data` may be flat or nested as `shape` says; `null` is NaN in floating-point
 * tensors, and a missing text among BYTES; 64-bit integers are exact; BYTES are text, or base64 where
 * `parameters.content_type` says so. Inputs with `binary_data_size` take their bytes from `binary`, in order; all of it
 * must be used.
 * @throws InferenceError INVALID_ARGUMENT with the path of the field.
 */
export function decodeInferRequest(json: string | Buffer, binary: Buffer = NO_BYTES): InferRequest {
  const body = fields(typeof json === 'string' ? parse(json) : parseTensors(json, isData), 'body');
  const reader = new BinaryReader(binary);
  const inputs = array(body.inputs, 'inputs').map((input, i) =>
    decodeTensor(input, `inputs[${i}]`, reader),
  );
  if (reader.left > 0) throw invalid(`body: ${reader.left} bytes after the last tensor`);
  const outputs = body.outputs === undefined ? [] : array(body.outputs, 'outputs');
  const parameters = parametersOf(body, 'parameters');
  return {
    id: body.id === undefined ? undefined : string(body.id, 'id'),
    inputs,
    outputs: outputs.map((output, i) => decodeOutput(output, `outputs[${i}]`)),
    binaryOutputs: flag(parameters.binary_data_output, 'parameters.binary_data_output') ?? false,
    parameters: parameters as Parameters,
  };
}

const NO_BYTES = Buffer.alloc(0);

/** True where the `data` of an object in `inputs` is. */
function isData({ opened, keys }: Place): boolean {
  return opened === '{[{' && keys[3] === 'data' && keys[1] === 'inputs';
}

/** A response as it is sent: its JSON, and the tensors that follow it as bytes. */
export interface EncodedResponse {
  readonly json: string;
  readonly binary: readonly Buffer[];
}

/**
 * Writes a V2 inference response, with each output in the form that the request asks for. In JSON, NaN is `null`, the
 * infinities are strings, and BYTES that are not text are base64.
 */
export function encodeInferResponse(
  response: InferResponse,
  { outputs: asked, binaryOutputs }: Pick<InferRequest, 'outputs' | 'binaryOutputs'>,
): EncodedResponse {
  const { modelName, modelVersion, id, parameters } = response;
  let json = id === undefined ? '{' : `{"id":${JSON.stringify(id)},`;
  json += `"model_name":${quoted(modelName)}`;
  if (modelVersion !== undefined) json += `,"model_version":"${modelVersion}"`;
  if (parameters !== undefined) json += `,"parameters":${JSON.stringify(parameters)}`;
  const binary: Buffer[] = [];
  let separator = ',"outputs":[';
  for (const tensor of response.outputs) {
    json += separator;
    separator = ',';
    const wish = asked.find(({ name }) => name === tensor.name);
    if (!(wish?.binary ?? binaryOutputs)) {
      json += encodeTensor(tensor, wish?.contentType);
      continue;
    }
    const bytes = encodeElements(tensor);
    binary.push(bytes);
    json += `${encodeHead(tensor)},"parameters":{"binary_data_size":${bytes.length}}}`;
  }
  if (response.outputs.length === 0) json += separator;
  return { json: `${json}]}`, binary };
}

function decodeOutput(value: unknown, path: string): RequestedOutput {
  const output = fields(value, path);
  const parameters = parametersOf(output, `${path}.parameters`);
  checkInline(parameters, path);
  const at = `${path}.parameters`;
  return {
    name: string(output.name, `${path}.name`),
    binary: flag(parameters.binary_data, `${at}.binary_data`),
    classification: count(parameters.classification, `${at}.classification`),
    contentType: contentType(parameters, at) === 'base64' ? 'base64' : undefined,
  };
}

function count(value: unknown, path: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw invalid(`${path}: expected a whole number above 0, got ${show(value)}`);
}

/** Reads `content_type`, which says how JSON holds BYTES (MLServer). Values other than `base64` do not concern it. */
function contentType(parameters: Record<string, unknown>, path: string): string | undefined {
  const { content_type: type } = parameters;
  return type === undefined ? undefined : string(type, `${path}.content_type`);
}

function parametersOf(value: Record<string, unknown>, path: string): Record<string, unknown> {
  return value.parameters === undefined ? {} : fields(value.parameters, path);
}

function flag(value: unknown, path: string): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalid(`${path}: expected true or false, got ${show(value)}`);
}

function decodeTensor(value: unknown, path: string, binary: BinaryReader): Tensor {
  const input = fields(value, path);
  const name = string(input.name, `${path}.name`);
  const type = string(input.datatype, `${path}.datatype`);
  checkDatatype(type, `${path}.datatype`);
  const shape = decodeShape(array(input.shape, `${path}.shape`), `${path}.shape`);
  const parameters = parametersOf(input, `${path}.parameters`);
  checkInline(parameters, path);
  const { binary_data_size: size } = parameters;
  if (size !== undefined) {
    if (input.data !== undefined) throw invalid(`${path}: has both data and binary_data_size`);
    const at = `${path}.parameters.binary_data_size`;
    const bytes = binary.take(size, at);
    return { name, datatype: type, shape, data: decodeElements(type, shape, bytes, at) };
  }
  // A scalar may be null itself: NaN.
  const { data } = shape.length === 0 ? object(value, path) : input;
  const values = decodeValues(data, shape, `${path}.data`);
  if (type !== 'BYTES')
    return { name, datatype: type, shape, data: fill(type, values, `${path}.data`) };
  const isBase64 = contentType(parameters, `${path}.parameters`) === 'base64';
  const elements = markMissing(values).map((element, i) =>
    isBase64 && element !== MISSING_TEXT ? base64(element, `${path}.data[${i}]`) : element,
  );
  return { name, datatype: type, shape, data: fill(type, elements, `${path}.data`) };
}

/** Returns the values of `data`, flat. An empty tensor may have none, and a scalar one that is not in an array. */
function decodeValues(data: unknown, shape: readonly number[], path: string): ArrayLike<unknown> {
  if (data instanceof NumberArray) return flatNumbers(data, shape, path);
  if (data === undefined && shape.includes(0)) return [];
  if (shape.length === 0 && data !== undefined && !Array.isArray(data)) return [data];
  return flatten(array(data, path), shape, path);
}

/**
 * Returns the numbers of an array that is flat, or nested as `shape` says.
 * @throws InferenceError INVALID_ARGUMENT when it is nested in another way, or has another number of elements.
 */
function flatNumbers(
  array: NumberArray,
  shape: readonly number[],
  path: string,
): ArrayLike<unknown> {
  const isFlat = array.shape.length === 1 && array.data.length === elementCount(shape);
  const isNested = array.shape.length > 1 && isDeepStrictEqual(array.shape, shape);
  return isFlat || isNested ? array.data : flatten(array.toJSON(), shape, path);
}

/** Decodes base64 text. @throws InferenceError INVALID_ARGUMENT when the value is none. */
export function base64(value: unknown, path: string): Buffer {
  if (
    typeof value !== 'string' ||
    !/^[A-Za-z0-9+/]*={0,2}$/.test(value) ||
    value.length % 4 === 1
  ) {
    throw invalid(`${path}: ${show(value)} is not base64`);
  }
  return Buffer.from(value, 'base64');
}

/** Checks that a JSON value is an object, and returns it. @throws InferenceError INVALID_ARGUMENT otherwise. */
export function object(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${path}: expected an object, got ${show(value)}`);
  }
  return value as Record<string, unknown>;
}

/**
 * Checks that a JSON value is an object, and returns its fields that are given: one that is `null` says no more than one
 * that is absent, and many clients write all that they know of.
 * @throws InferenceError INVALID_ARGUMENT when it is no object.
 */
export function fields(value: unknown, path: string): Record<string, unknown> {
  const all = object(value, path);
  for (const name in all) {
    if (all[name] !== null) continue;
    return Object.fromEntries(Object.entries(all).filter(([, field]) => field !== null));
  }
  return all;
}

/** Checks that a JSON value is an array, and returns it. @throws InferenceError INVALID_ARGUMENT otherwise. */
export function array(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value)) throw invalid(`${path}: expected an array, got ${show(value)}`);
  return value;
}

function string(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalid(`${path}: expected a string, got ${show(value)}`);
  return value;
}
