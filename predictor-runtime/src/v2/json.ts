/**
 * V2 REST bodies: JSON, with tensors as bytes after it (binary.ts) → InferRequest, and InferResponse → the same.
 * Every fault is an INVALID_ARGUMENT whose message starts with the path of the field.
 */
import { invalid } from '../errors.ts';
import { BinaryReader, decodeElements, encodeElements } from './binary.ts';
import { datatype } from './datatypes.ts';
import { checkDatatype, decodeShape, fill, flatten, show } from './elements.ts';
import type { InferRequest, InferResponse, RequestedOutput, Tensor } from './types.ts';

/** Digits that may not survive a trip through a double (2^53 has 16). */
const LONG_INTEGER = /\d{16}/;

/**
 * Parses a V2 inference request. `data` may be flat or nested as `shape` says; `null` is NaN in
 * floating-point tensors; 64-bit integers are exact. Inputs with `binary_data_size` take their bytes from
 * `binary`, in order; all of it must be used.
 */
export function decodeInferRequest(text: string, binary: Buffer = Buffer.alloc(0)): InferRequest {
  const body = object(parse(text), 'body');
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
  };
}

/** A response's JSON, and the tensors that follow it as bytes. */
export interface EncodedResponse {
  readonly json: string;
  readonly binary: readonly Buffer[];
}

/**
 * Writes a V2 inference response. In JSON, NaN and the infinities have no form and become `null`.
 * @param isBinary which outputs go as bytes after the JSON
 */
export function encodeInferResponse(
  response: InferResponse,
  isBinary: (output: string) => boolean = () => false,
): EncodedResponse {
  const head = JSON.stringify({ model_name: response.modelName, id: response.id }).slice(0, -1);
  const binary: Buffer[] = [];
  const outputs = response.outputs.map((tensor) => {
    if (!isBinary(tensor.name)) return encodeTensor(tensor);
    const bytes = encodeElements(tensor);
    binary.push(bytes);
    const { name, datatype: type, shape } = tensor;
    const parameters = { binary_data_size: bytes.length };
    return JSON.stringify({ name, datatype: type, shape, parameters });
  });
  return { json: `${head},"outputs":[${outputs.join(',')}]}`, binary };
}

function decodeOutput(value: unknown, path: string): RequestedOutput {
  const output = object(value, path);
  const parameters = parametersOf(output, `${path}.parameters`);
  return {
    name: string(output.name, `${path}.name`),
    binary: flag(parameters.binary_data, `${path}.parameters.binary_data`),
  };
}

function parametersOf(value: Record<string, unknown>, path: string): Record<string, unknown> {
  return value.parameters === undefined ? {} : object(value.parameters, path);
}

function flag(value: unknown, path: string): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  throw invalid(`${path}: expected true or false, got ${show(value)}`);
}

/** JSON in which integers beyond 2^53 become bigints. @throws InferenceError INVALID_ARGUMENT. */
export function parse(text: string): unknown {
  try {
    return LONG_INTEGER.test(text) ? JSON.parse(text, keepLongIntegers) : JSON.parse(text);
  } catch (error) {
    throw invalid(`body is not JSON: ${(error as Error).message}`);
  }
}

/** JSON.parse reviver: an integer beyond 2^53 becomes a bigint made from its source text. */
function keepLongIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

function decodeTensor(value: unknown, path: string, binary: BinaryReader): Tensor {
  const input = object(value, path);
  const name = string(input.name, `${path}.name`);
  const type = string(input.datatype, `${path}.datatype`);
  checkDatatype(type, `${path}.datatype`);
  const shape = decodeShape(array(input.shape, `${path}.shape`), `${path}.shape`);
  const { binary_data_size: size } = parametersOf(input, `${path}.parameters`);
  if (size !== undefined) {
    if (input.data !== undefined) throw invalid(`${path}: has both data and binary_data_size`);
    const at = `${path}.parameters.binary_data_size`;
    const bytes = binary.take(size, at);
    return { name, datatype: type, shape, data: decodeElements(type, shape, bytes, at) };
  }
  const values = flatten(array(input.data, `${path}.data`), shape, `${path}.data`);
  return { name, datatype: type, shape, data: fill(type, values, `${path}.data`) };
}

function halfValue(bits: number): number {
  const view = new DataView(new ArrayBuffer(2));
  view.setUint16(0, bits);
  return view.getFloat16(0);
}

function encodeTensor(tensor: Tensor): string {
  const head = JSON.stringify({
    name: tensor.name,
    datatype: tensor.datatype,
    shape: tensor.shape,
  }).slice(0, -1);
  return `${head},"data":${encodeData(tensor)}}`;
}

function encodeData({ datatype: type, data }: Tensor): string {
  switch (datatype(type).kind) {
    case 'int':
    case 'bigint':
      return `[${data.join(',')}]`;
    case 'bool':
      return `[${Array.from(data as Uint8Array, (bit) => bit !== 0).join(',')}]`;
    case 'half':
      return JSON.stringify(Array.from(data as Uint16Array, halfValue));
    case 'float':
      return JSON.stringify(Array.from(data as Float32Array));
    case 'string':
      return JSON.stringify(data);
  }
}

/** The JSON text of each element of a tensor. */
export function elementTexts({ datatype: type, data }: Tensor): string[] {
  const { kind } = datatype(type);
  return Array.from(data as ArrayLike<number | bigint | string>, (value) => {
    if (typeof value === 'bigint') return value.toString();
    if (kind === 'bool') return String(value !== 0);
    return JSON.stringify(kind === 'half' ? halfValue(value as number) : value);
  });
}

export function object(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${path}: expected an object, got ${show(value)}`);
  }
  return value as Record<string, unknown>;
}

export function array(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value)) throw invalid(`${path}: expected an array, got ${show(value)}`);
  return value;
}

function string(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalid(`${path}: expected a string, got ${show(value)}`);
  return value;
}
