/**
 * The one table of tensor datatypes: V2 name ↔ JavaScript storage ↔ ONNX Runtime's type name.
 * Source: Open Inference Protocol V2, "Tensor Data Types".
 */

/** Element storage of a tensor. BOOL is one byte (0 or 1), FP16 the raw half bits, BYTES JavaScript strings. */
export type TensorData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array
  | string[];

/** How the elements of a JSON `data` array are read. */
export type Kind = 'bool' | 'int' | 'bigint' | 'float' | 'half' | 'string';

interface DatatypeRow {
  readonly kind: Kind;
  /** ONNX Runtime's name of the element type. */
  readonly onnx: string;
  /** Inclusive range of integers. */
  readonly min?: number | bigint;
  readonly max?: number | bigint;
  readonly allocate: (length: number) => TensorData;
  /** Bytes of an element in the binary form; undefined for BYTES, whose elements have a length each. */
  readonly bytes?: number;
}

/** V2 datatype name → how it is stored and what ONNX Runtime calls it. BF16 cannot cross onnxruntime-node's API. */
export const DATATYPES = {
  BOOL: { kind: 'bool', onnx: 'bool', bytes: 1, allocate: (n) => new Uint8Array(n) },
  UINT8: {
    kind: 'int',
    onnx: 'uint8',
    min: 0,
    max: 255,
    bytes: 1,
    allocate: (n) => new Uint8Array(n),
  },
  UINT16: {
    kind: 'int',
    onnx: 'uint16',
    min: 0,
    max: 65535,
    bytes: 2,
    allocate: (n) => new Uint16Array(n),
  },
  UINT32: {
    kind: 'int',
    onnx: 'uint32',
    min: 0,
    max: 4294967295,
    bytes: 4,
    allocate: (n) => new Uint32Array(n),
  },
  UINT64: {
    kind: 'bigint',
    onnx: 'uint64',
    min: 0n,
    max: 2n ** 64n - 1n,
    bytes: 8,
    allocate: (n) => new BigUint64Array(n),
  },
  INT8: {
    kind: 'int',
    onnx: 'int8',
    min: -128,
    max: 127,
    bytes: 1,
    allocate: (n) => new Int8Array(n),
  },
  INT16: {
    kind: 'int',
    onnx: 'int16',
    min: -32768,
    max: 32767,
    bytes: 2,
    allocate: (n) => new Int16Array(n),
  },
  INT32: {
    kind: 'int',
    onnx: 'int32',
    min: -2147483648,
    max: 2147483647,
    bytes: 4,
    allocate: (n) => new Int32Array(n),
  },
  INT64: {
    kind: 'bigint',
    onnx: 'int64',
    min: -(2n ** 63n),
    max: 2n ** 63n - 1n,
    bytes: 8,
    allocate: (n) => new BigInt64Array(n),
  },
  FP16: { kind: 'half', onnx: 'float16', bytes: 2, allocate: (n) => new Uint16Array(n) },
  FP32: { kind: 'float', onnx: 'float32', bytes: 4, allocate: (n) => new Float32Array(n) },
  FP64: { kind: 'float', onnx: 'float64', bytes: 8, allocate: (n) => new Float64Array(n) },
  BYTES: { kind: 'string', onnx: 'string', allocate: (n) => new Array<string>(n).fill('') },
} as const satisfies Record<string, DatatypeRow>;

export type Datatype = keyof typeof DATATYPES;

/** The table's row with its literal types widened. */
export function datatype(name: Datatype): DatatypeRow {
  return DATATYPES[name];
}

/** True when `name` is a V2 datatype this runtime can carry. */
export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(DATATYPES, name);
}

const BY_ONNX = new Map<string, Datatype>(
  Object.entries(DATATYPES).map(([name, row]) => [row.onnx, name as Datatype]),
);

/** The V2 name of an ONNX Runtime element type, or undefined when the type has none. */
export function datatypeOfOnnx(type: string): Datatype | undefined {
  return BY_ONNX.get(type);
}
