/** Reads NumPy's arrays in a pickle: numbers become doubles, text becomes strings, and records become columns. */
import type { PickleDict, PickleObject, PickleValue } from './pickle.ts';

/** An array of NumPy. */
export interface NdArray {
  /** Kind and size of the elements, without the byte order: `f8`, `i4`, `U12`, `O` and so on. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Elements in row-major order. 64-bit integers are bigints where a double does not hold one of them. */
  readonly data: Float64Array | readonly PickleValue[];
  /** Columns of an array of records, whose `data` is empty. */
  readonly fields?: ReadonlyMap<string, NdArray>;
}

/** The type of an array's elements. */
export interface Dtype {
  /** NumPy's letter for the type. */
  readonly kind: string;
  /** Size of an element in bytes. */
  readonly size: number;
  readonly bigEndian: boolean;
  /** Fields of a record, with their offsets in it. */
  readonly fields?: readonly { name: string; dtype: Dtype; offset: number }[];
}

/** Tells whether a value of a pickle is an array. */
export function isNdArray(value: unknown): value is NdArray {
  return typeof value === 'object' && value !== null && 'dtype' in value && 'shape' in value;
}

/** Reads the type that a call of `numpy.dtype` and its state make. @throws Error when the type is not read here. */
export function readDtype({ args, state }: PickleObject): Dtype {
  const [code] = args;
  const match = /^[<>|=]?([?a-zA-Z])(\d*)$/.exec(String(code));
  if (match === null) throw new Error(`NumPy type '${String(code)}' is not read here`);
  const [, letter = '', digits = ''] = match;
  const [, order, , names, fields, itemSize] = (state ?? []) as readonly PickleValue[];
  const size =
    Number(itemSize ?? -1) > 0 && letter !== 'O' ? Number(itemSize) : Number(digits || 1);
  const dtype = { kind: letter === '?' ? 'b' : letter, size, bigEndian: order === '>' };
  if (!Array.isArray(names)) return dtype;
  return {
    ...dtype,
    fields: names.map((name: string) => {
      const [type, offset] = (fields as PickleDict).get(name) as [Dtype, number];
      return { name, dtype: type, offset };
    }),
  };
}

/** An array as a pickle has it. */
export interface RawArray {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** True when the elements are in column-major order. */
  readonly fortran: boolean;
  /** Bytes of the elements, or the elements themselves when they are Python objects. */
  readonly content: Buffer | readonly PickleValue[];
}

/** Reads an array's elements. @throws Error when the bytes do not fit the shape, or the type is not read here. */
export function readNdArray({ dtype, shape, fortran, content }: RawArray): NdArray {
  const count = shape.reduce((product, dim) => product * dim, 1);
  const name = dtype.kind === 'O' ? 'O' : `${dtype.kind}${dtype.size}`;
  if (!Buffer.isBuffer(content))
    return { dtype: name, shape, data: rowMajor(content, shape, fortran) };
  const stride = dtype.size;
  // Elements of no size would let a small file ask for any number of them.
  if (content.length < count * Math.max(stride, 1)) {
    throw new Error(`an array of ${count} × ${stride} bytes has ${content.length}`);
  }
  if (dtype.fields !== undefined) return readRecords(dtype, shape, count, content);
  const data = readElements(dtype, { content, count, stride, offset: 0 });
  return { dtype: name, shape, data: rowMajor(data, shape, fortran) };
}

/** The places of the elements of an array, or of a column of records. Sizes are in bytes. */
interface Layout {
  readonly content: Buffer;
  readonly count: number;
  /** Distance of one element from the next. */
  readonly stride: number;
  /** Index of the first element. */
  readonly offset: number;
}

function readRecords(
  dtype: Dtype,
  shape: readonly number[],
  count: number,
  content: Buffer,
): NdArray {
  const fields = (dtype.fields ?? []).map(({ name, dtype: own, offset }): [string, NdArray] => {
    const data = readElements(own, { content, count, stride: dtype.size, offset });
    return [name, { dtype: `${own.kind}${own.size}`, shape, data }];
  });
  return { dtype: 'V', shape, data: [], fields: new Map(fields) };
}

function readElements(dtype: Dtype, layout: Layout): Float64Array | string[] | bigint[] {
  const { content, count, stride, offset } = layout;
  if (dtype.kind === 'U' || dtype.kind === 'S') return readText(dtype, layout);
  if (dtype.size === 8 && (dtype.kind === 'i' || dtype.kind === 'u')) {
    return readIntegers(dtype, layout);
  }
  const read = elementReader(dtype);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const data = new Float64Array(count);
  for (let i = 0; i < count; i++) data[i] = read(view, offset + i * stride, !dtype.bigEndian);
  return data;
}

/** Reads 64-bit integers: as doubles, unless one of them needs more digits than a double has. */
function readIntegers(
  { kind, bigEndian }: Dtype,
  { content, count, stride, offset }: Layout,
): Float64Array | bigint[] {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const integerAt = (i: number) => {
    const at = offset + i * stride;
    return kind === 'i' ? view.getBigInt64(at, !bigEndian) : view.getBigUint64(at, !bigEndian);
  };
  const data = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const value = Number(integerAt(i));
    if (!Number.isSafeInteger(value))
      return Array.from({ length: count }, (_, at) => integerAt(at));
    data[i] = value;
  }
  return data;
}

type ElementReader = (view: DataView, at: number, littleEndian: boolean) => number;

/** Readers of a number, by kind and size. */
const READERS: Readonly<Record<string, ElementReader>> = {
  b1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u1: (view, at) => view.getUint8(at),
  i2: (view, at, little) => view.getInt16(at, little),
  u2: (view, at, little) => view.getUint16(at, little),
  i4: (view, at, little) => view.getInt32(at, little),
  u4: (view, at, little) => view.getUint32(at, little),
  f4: (view, at, little) => view.getFloat32(at, little),
  f8: (view, at, little) => view.getFloat64(at, little),
};

function elementReader({ kind, size }: Dtype): ElementReader {
  const reader = READERS[`${kind}${size}`];
  if (reader === undefined) throw new Error(`NumPy type '${kind}${size}' is not read here`);
  return reader;
}

/** Reads text of fixed length, which zeros pad. A character of `U` has four bytes, and one of `S` a single byte. */
function readText(
  { kind, size, bigEndian }: Dtype,
  { content, count, stride, offset }: Layout,
): string[] {
  return Array.from({ length: count }, (_, i) => {
    const start = offset + i * stride;
    if (kind === 'S') return content.toString('latin1', start, start + size).replace(/\0+$/, '');
    const codes: number[] = [];
    for (let at = start; at < start + size; at += 4) {
      codes.push(bigEndian ? content.readUInt32BE(at) : content.readUInt32LE(at));
    }
    return String.fromCodePoint(...codes).replace(/\0+$/, '');
  });
}

/** Returns elements in row-major order, whichever order they are in. */
function rowMajor<T extends Float64Array | readonly PickleValue[]>(
  data: T,
  shape: readonly number[],
  fortran: boolean,
): T {
  if (!fortran || shape.length < 2) return data;
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((a, b) => a * b, 1));
  const result = (
    data instanceof Float64Array ? new Float64Array(data.length) : []
  ) as PickleValue[];
  for (let i = 0; i < data.length; i++) {
    let rest = i;
    let at = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const dim = shape[axis] as number;
      at += (rest % dim) * (strides[axis] as number);
      rest = Math.floor(rest / dim);
    }
    result[i] = data[at] as PickleValue;
  }
  return result as unknown as T;
}
