/**
 * The one table of tensor datatypes: V2 name ↔ JavaScript storage ↔ ONNX's element type.
 * Source: Open Inference Protocol V2, "Tensor Data Types"; BF16 is Triton's addition.
 */

/**
 * The elements of a tensor in memory. BOOL is one byte (0 or 1), FP16 and BF16 are the raw bits, and an element of
 * BYTES is a Buffer of its own: it need not be text.
 */
export type TensorData = NumericData | Buffer[];

/**
 * The elements of a tensor of any datatype but BYTES, in a typed array that may be a view of a larger buffer.
 */
export type NumericData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** A family of datatypes whose elements are read from JSON and written to it alike. */
export type Kind = 'bool' | 'int' | 'bigint' | 'float' | 'half' | 'bfloat' | 'bytes';

interface View {
  new (length: number): NumericData;
  new (buffer: ArrayBufferLike, offset: number, length: number): NumericData;
}

/** Everything that is said of a datatype. */
export interface DatatypeRow {
  readonly kind: Kind;
  /** Number of the type in ONNX's TensorProto.DataType. */
  readonly onnx: number;
  /** Name of the type in TensorFlow's DataType. */
  readonly tensorflow: string;
  /** Least value of a number that the type holds, or rounds to one that it holds; undefined for BOOL and BYTES. */
  readonly min?: number | bigint;
  /** Largest such value: a larger one would become infinite. */
  readonly max?: number | bigint;
  /** Size of an element in the binary form; undefined for BYTES, whose elements each have their own length. */
  readonly bytes?: number;
  /** Class of the array that holds the elements; undefined for BYTES. */
  readonly View?: View;
}

/** The storage of each V2 datatype, and its names in ONNX and TensorFlow. */
export const DATATYPES = {
  BOOL: { kind: 'bool', onnx: 9, tensorflow: 'DT_BOOL', bytes: 1, View: Uint8Array },
  UINT8: integer(2, 'DT_UINT8', Uint8Array),
  UINT16: integer(4, 'DT_UINT16', Uint16Array),
  UINT32: integer(12, 'DT_UINT32', Uint32Array),
  UINT64: integer(13, 'DT_UINT64', BigUint64Array),
  INT8: integer(3, 'DT_INT8', Int8Array),
  INT16: integer(5, 'DT_INT16', Int16Array),
  INT32: integer(6, 'DT_INT32', Int32Array),
  INT64: integer(7, 'DT_INT64', BigInt64Array),
  FP16: {
    ...{ kind: 'half', onnx: 10, tensorflow: 'DT_HALF', bytes: 2, View: Uint16Array },
    ...upTo(below(2 ** 16 - 2 ** 4)),
  },
  // A number is first rounded to FP32, which may take it half of an FP32's last place up.
  BF16: {
    ...{ kind: 'bfloat', onnx: 16, tensorflow: 'DT_BFLOAT16', bytes: 2, View: Uint16Array },
    ...upTo(below(2 ** 128 - 2 ** 119 - 2 ** 103)),
  },
  FP32: {
    ...{ kind: 'float', onnx: 1, tensorflow: 'DT_FLOAT', bytes: 4, View: Float32Array },
    ...upTo(below(2 ** 128 - 2 ** 103)),
  },
  FP64: {
    ...{ kind: 'float', onnx: 11, tensorflow: 'DT_DOUBLE', bytes: 8, View: Float64Array },
    ...upTo(Number.MAX_VALUE),
  },
  BYTES: { kind: 'bytes', onnx: 8, tensorflow: 'DT_STRING' },
} as const satisfies Record<string, DatatypeRow>;

/** The name of a V2 datatype, such as `FP32`. */
export type Datatype = keyof typeof DATATYPES;

/** Returns the range of a floating-point type, by the largest number that is not rounded to infinity. */
function upTo(max: number): { readonly min: number; readonly max: number } {
  return { min: -max, max };
}

/** Returns the largest double below a number that is a little less than a power of two. */
function below(limit: number): number {
  return limit * (1 - Number.EPSILON / 2);
}

/** Returns the row of an integer type, whose range is what its array can hold. */
function integer(
  onnx: number,
  tensorflow: string,
  View: View & { readonly BYTES_PER_ELEMENT: number },
): DatatypeRow {
  const bytes = View.BYTES_PER_ELEMENT;
  const signed = tensorflow.startsWith('DT_INT');
  const values = 2n ** BigInt(8 * bytes);
  const [min, max] = signed ? [-values / 2n, values / 2n - 1n] : [0n, values - 1n];
  return bytes === 8
    ? { kind: 'bigint', onnx, tensorflow, bytes, View, min, max }
    : { kind: 'int', onnx, tensorflow, bytes, View, min: Number(min), max: Number(max) };
}

/** Returns a datatype's row of the table. */
export function datatype(name: Datatype): DatatypeRow {
  return DATATYPES[name];
}

/** True when `name` is a V2 datatype this runtime can carry. */
export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(DATATYPES, name);
}

/** Makes room for a tensor of `length` elements, which are zero or empty. */
export function allocate(name: Datatype, length: number): TensorData {
  const { View } = datatype(name);
  return View === undefined ? new Array<Buffer>(length).fill(Buffer.alloc(0)) : new View(length);
}

/**
 * Makes room for `length` numbers in memory that the garbage collector does not move, as native code needs it. Small
 * arrays would otherwise live on V8's heap.
 * @throws TypeError for BYTES.
 */
export function allocateNative(name: Datatype, length: number): NumericData {
  const { View, bytes } = datatype(name);
  if (View === undefined || bytes === undefined) throw new TypeError(`${name} is no number`);
  return new View(new ArrayBuffer(length * bytes), 0, length);
}

/** Returns the elements of several tensors of one datatype, one after the other. */
export function concatenated(name: Datatype, parts: readonly TensorData[]): TensorData {
  if (datatype(name).View === undefined) return parts.flatMap((part) => part as Buffer[]);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const data = allocate(name, length) as NumericData;
  let offset = 0;
  for (const part of parts) {
    data.set(part as never, offset);
    offset += part.length;
  }
  return data;
}

const BY_ONNX = new Map<number, Datatype>(
  Object.entries(DATATYPES).map(([name, row]) => [row.onnx, name as Datatype]),
);

/** Returns the V2 name of an ONNX element type, or undefined when V2 has none. */
export function datatypeOfOnnx(type: number): Datatype | undefined {
  return BY_ONNX.get(type);
}
