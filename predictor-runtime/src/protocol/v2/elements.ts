/** Checks and stores elements of tensors that come one by one, in JSON or in gRPC's typed contents. */
import { invalid } from '../errors.ts';
import { MAX_DIMENSIONS } from '../numbers/nesting.ts';
import {
  allocate,
  DATATYPES,
  type Datatype,
  type DatatypeRow,
  datatype,
  isDatatype,
  type Kind,
  type TensorData,
} from './datatypes.ts';
import { elementCount, type Tensor } from './types.ts';

/** Checks that `name` is a V2 datatype. @throws InferenceError INVALID_ARGUMENT otherwise. */
export function checkDatatype(name: string, path: string): asserts name is Datatype {
  if (!isDatatype(name)) {
    const known = Object.keys(DATATYPES).join(', ');
    throw invalid(`${path}: unknown datatype '${name}', expected one of ${known}`);
  }
}

/**
 * Reads a concrete shape from numbers, or from the strings that protobuf gives for 64-bit integers.
 * @throws InferenceError INVALID_ARGUMENT with the path of the dimension.
 */
export function decodeShape(dims: readonly unknown[], path: string): number[] {
  if (dims.length > MAX_DIMENSIONS) {
    throw invalid(`${path}: has ${dims.length} dimensions, at most ${MAX_DIMENSIONS} are allowed`);
  }
  return dims.map((dim, i) => {
    const value = typeof dim === 'string' ? Number(dim) : dim;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw invalid(`${path}[${i}]: expected a non-negative integer, got ${show(dim)}`);
    }
    return value;
  });
}

/**
 * Returns the elements of nested or flat data in one array. Nested data must be nested as `shape` says, and flat data
 * must have its number of elements.
 * @throws InferenceError INVALID_ARGUMENT otherwise, with the path of the part that does not fit.
 */
export function flatten(data: unknown[], shape: readonly number[], path: string): unknown[] {
  if (shape.length > 1 && Array.isArray(data[0])) {
    const flat: unknown[] = [];
    collect({ value: data, shape, depth: 0, path, into: flat });
    return flat;
  }
  const expected = elementCount(shape);
  if (data.length !== expected) {
    throw invalid(
      `${path}: shape [${shape}] has ${expected} elements, but data has ${data.length}`,
    );
  }
  return data;
}

interface Nesting {
  value: unknown;
  shape: readonly number[];
  depth: number;
  path: string;
  into: unknown[];
}

function collect({ value, shape, depth, path, into }: Nesting): void {
  if (depth === shape.length) {
    into.push(value);
    return;
  }
  if (!Array.isArray(value) || value.length !== shape[depth]) {
    const got = Array.isArray(value) ? `${value.length} elements` : show(value);
    throw invalid(`${path}: expected an array of ${shape[depth]} for shape [${shape}], got ${got}`);
  }
  value.forEach((item, i) => {
    collect({ value: item, shape, depth: depth + 1, path: `${path}[${i}]`, into });
  });
}

/**
 * Stores values as elements of a datatype.
 * @throws InferenceError INVALID_ARGUMENT with the path of the first value that the datatype has not.
 */
export function fill(type: Datatype, values: ArrayLike<unknown>, path: string): TensorData {
  const row = datatype(type);
  // The kernel for numbers has read them into memory that nobody else has.
  if (type === 'FP64' && values instanceof Float64Array) return values;
  const data = allocate(type, values.length) as (number | bigint | Buffer)[];
  if (values instanceof Float64Array && fillNumbers(row, data as number[], values)) {
    return data as TensorData;
  }
  if (row.kind === 'float' && fillFloats(row, data as number[], values)) return data as TensorData;
  const convert = CONVERTERS[row.kind];
  for (let i = 0; i < values.length; i++) {
    const element = convert(values[i], row.min, row.max);
    if (element === undefined) {
      throw invalid(`${path}[${i}]: ${show(values[i])} is not a ${type} value${hint(values[i])}`);
    }
    data[i] = element;
  }
  return data as TensorData;
}

/**
 * Stores numbers where the array holds them as they are. Returns false when the kind is another, or one does not fit.
 */
function fillNumbers(row: DatatypeRow, data: number[], values: Float64Array): boolean {
  if (row.kind === 'float') return fillFloats(row, data, values);
  if (row.kind !== 'int') return false;
  for (let i = 0; i < values.length; i++) data[i] = values[i] as number;
  // A number that is no integer, or is out of range, is another one once it is stored.
  for (let i = 0; i < values.length; i++) if (data[i] !== values[i]) return false;
  return true;
}

/** Stores values that are all numbers in range, which is the usual case. Returns false when one is not. */
function fillFloats(row: DatatypeRow, data: number[], values: ArrayLike<unknown>): boolean {
  const max = row.max as number;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'number' || value > max || value < -max) return false;
    data[i] = value;
  }
  return true;
}

type Element = number | bigint | Buffer | undefined;
type Bound = number | bigint | undefined;

/** Functions that make a stored element of a JSON value, by kind; undefined when the value does not fit. */
const CONVERTERS: Record<Kind, (value: unknown, min: Bound, max: Bound) => Element> = {
  float,
  half: (value, min, max) => bits(float(value, min, max), halfBits),
  bfloat: (value, min, max) => bits(float(value, min, max), bfloatBits),
  bool: (value) => {
    if (value === true || value === 1) return 1;
    return value === false || value === 0 ? 0 : undefined;
  },
  bytes: (value) => {
    if (Buffer.isBuffer(value)) return value;
    return isText(value) ? Buffer.from(value) : undefined;
  },
  int: (value, min, max) =>
    typeof value === 'number' && Number.isInteger(value) && inRange(value, min, max)
      ? value
      : undefined,
  bigint: (value, min, max) => {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) return undefined;
    if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
    const integer = BigInt(value);
    return inRange(integer, min, max) ? integer : undefined;
  },
};

/** Numbers that JSON has no form for: `null` stands for NaN, and a name for each infinity (protobuf's JSON). */
const NAMED = new Map<unknown, number>([
  [null, Number.NaN],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

function float(value: unknown, min: Bound, max: Bound): number | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) return value;
  if (typeof value !== 'number' && typeof value !== 'bigint') return NAMED.get(value);
  return inRange(value, min, max) ? Number(value) : undefined;
}

/** True for a string that UTF-8 can hold: one without half of a surrogate pair. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed();
}

function hint(value: unknown): string {
  return typeof value === 'string' && !isText(value) ? ', it has half of a surrogate pair' : '';
}

function bits(value: number | undefined, convert: (value: number) => number): number | undefined {
  return value === undefined ? undefined : convert(value);
}

function inRange(value: number | bigint, min: Bound, max: Bound): boolean {
  return min !== undefined && max !== undefined && value >= min && value <= max;
}

const scratch = new DataView(new ArrayBuffer(4));

function halfBits(value: number): number {
  scratch.setFloat16(0, value);
  return scratch.getUint16(0);
}

function halfValue(value: number): number {
  scratch.setUint16(0, value);
  return scratch.getFloat16(0);
}

/** Returns the bits of a BF16: the upper half of the FP32, rounded to the nearest, ties to even. */
function bfloatBits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  scratch.setFloat32(0, value);
  const whole = scratch.getUint32(0);
  return ((whole + 0x7fff + ((whole >>> 16) & 1)) >>> 16) & 0xffff;
}

function bfloatValue(value: number): number {
  scratch.setUint32(0, value << 16);
  return scratch.getFloat32(0);
}

/** Returns the elements of a numeric tensor as numbers; 64-bit integers beyond 2^53 are rounded. */
export function numbers({ datatype: type, data }: Tensor): ArrayLike<number> {
  switch (datatype(type).kind) {
    case 'half':
      return Array.from(data as Uint16Array, halfValue);
    case 'bfloat':
      return Array.from(data as Uint16Array, bfloatValue);
    case 'bigint':
      return Array.from(data as BigInt64Array, Number);
    default:
      return data as Float32Array;
  }
}

/** Largest size of a value's text in an error message, in characters. */
const MAX_SHOWN = 40;

/** Returns the beginning of a faulty value's JSON, for an error message. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = beginning(value, MAX_SHOWN + 1);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/**
 * Writes a value as JSON, and stops as soon as there are `room` characters: the value may be as large as a body, and
 * nested deeper than the stack.
 */
function beginning(value: unknown, room: number): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return JSON.stringify(value.slice(0, room));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'nothing';
  const isArray = Array.isArray(value);
  const fields = value as Readonly<Record<string, unknown>>;
  let text = isArray ? '[' : '{';
  for (const key of isArray ? value.keys() : Object.keys(value)) {
    if (text.length > 1) text += ',';
    if (!isArray) text += `${JSON.stringify(String(key).slice(0, room))}:`;
    if (text.length >= room) return text;
    text += beginning(fields[key], room - text.length);
  }
  return `${text}${isArray ? ']' : '}'}`;
}
