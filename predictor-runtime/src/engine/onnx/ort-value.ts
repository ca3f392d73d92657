/** Tensors of the data plane ↔ values of ONNX Runtime. */
import {
  concatenated,
  type Datatype,
  datatype,
  datatypeOfOnnx,
  type NumericData,
} from '../../protocol/v2/datatypes.ts';
import { elementCount, type Tensor } from '../../protocol/v2/types.ts';
import {
  copyFrom,
  memory,
  OrtError,
  ort,
  ortInt,
  ortOut,
  type Pointer,
  release,
} from './ort-api.ts';

/** Numbers of the C API's ONNXType. */
export const ONNX_TYPE = { tensor: 1, sequence: 2, map: 3, optional: 6 } as const;

const DEFAULT_ALLOCATOR = ortOut('GetAllocatorWithDefaultOptions');
/** Memory of the process: OrtArenaAllocator, OrtMemTypeDefault. */
const CPU_MEMORY = ortOut('CreateCpuMemoryInfo', 1, 0);
/** Address for tensors without elements; ONNX Runtime refuses NULL. */
const NOTHING = new BigInt64Array(1);

export { CPU_MEMORY, DEFAULT_ALLOCATOR };

/**
 * Makes a value over the tensor's own memory, which must be kept until the caller releases the value; strings are
 * copied.
 */
export function toValue({ datatype: type, shape, data }: Tensor): Pointer {
  const dims = dimensionScratch(shape.length);
  shape.forEach((dim, i) => {
    dims[i] = BigInt(dim);
  });
  const { onnx } = datatype(type);
  if (Array.isArray(data)) {
    const value = ortOut('CreateTensorAsOrtValue', DEFAULT_ALLOCATOR, dims, shape.length, onnx);
    data.forEach((bytes, i) => {
      const { length } = bytes;
      const buffer = ortOut('GetResizedStringTensorElementBuffer', value, i, length);
      memory(buffer, length).set(bytes);
    });
    return value;
  }
  const bytes = data.length === 0 ? NOTHING : data;
  return ortOut(
    'CreateTensorWithDataAsOrtValue',
    CPU_MEMORY,
    bytes,
    data.byteLength,
    dims,
    shape.length,
    onnx,
  );
}

/**
 * Copies a value as a tensor, without releasing it: a map becomes its values in the order of its keys, a sequence is
 * stacked along a new first dimension, an optional without a value is undefined.
 * @throws OrtError for what no tensor can hold.
 */
export function fromValue(name: string, value: Pointer): Tensor | undefined {
  if (value === 0n) return undefined;
  switch (ortInt('GetValueType', value)) {
    case ONNX_TYPE.tensor:
      return fromTensor(name, value);
    case ONNX_TYPE.map:
      return fromElement(name, value, 1);
    case ONNX_TYPE.sequence: {
      const count = Number(ortOut('GetValueCount', value));
      const items = Array.from({ length: count }, (_, i) => fromElement(name, value, i));
      return stack(name, items as Tensor[]);
    }
    case ONNX_TYPE.optional:
      return ortInt('HasValue', value) === 0 ? undefined : fromTensor(name, value);
    default:
      throw new OrtError(`output '${name}' is of a kind that V2 cannot carry`);
  }
}

function fromElement(name: string, container: Pointer, index: number): Tensor | undefined {
  const element = ortOut('GetValue', container, index, DEFAULT_ALLOCATOR);
  try {
    return fromValue(name, element);
  } finally {
    release('ReleaseValue', element);
  }
}

/** Stacks tensors of one shape along a new first dimension. */
function stack(name: string, items: readonly Tensor[]): Tensor {
  const [first] = items;
  if (first === undefined) return { name, datatype: 'FP32', shape: [0], data: new Float32Array(0) };
  const odd = items.find((item) => String(item.shape) !== String(first.shape));
  if (odd !== undefined) {
    throw new OrtError(
      `output '${name}' is a sequence of shapes [${first.shape}] and [${odd.shape}]`,
    );
  }
  const data = concatenated(
    first.datatype,
    items.map((item) => item.data),
  );
  return { name, datatype: first.datatype, shape: [items.length, ...first.shape], data };
}

function fromTensor(name: string, value: Pointer): Tensor {
  const info = ortOut('GetTensorTypeAndShape', value);
  try {
    const element = ortInt('GetTensorElementType', info);
    const type = datatypeOfOnnx(element);
    if (type === undefined) throw new OrtError(`output '${name}' has element type ${element}`);
    const shape = dimensions(info);
    const count = elementCount(shape);
    if (type === 'BYTES') return { name, datatype: type, shape, data: strings(value, count) };
    const data = newArray(type, count);
    copyFrom(ortOut('GetTensorMutableData', value), data);
    return { name, datatype: type, shape, data };
  } finally {
    release('ReleaseTensorTypeAndShapeInfo', info);
  }
}

/** Returns the dimensions of a tensor's info; -1 where the model leaves one open. */
export function dimensions(info: Pointer): number[] {
  const count = Number(ortOut('GetDimensionsCount', info));
  const dims = dimensionScratch(count);
  if (count > 0) ort('GetDimensions', info, dims, count);
  return Array.from({ length: count }, (_, i) => Math.max(-1, Number(dims[i])));
}

const DIMENSIONS = new BigInt64Array(32);

/**
 * Returns room for dimensions until the next call: a new array each time would cost the garbage collector more than the
 * call.
 */
function dimensionScratch(count: number): BigInt64Array {
  return count <= DIMENSIONS.length ? DIMENSIONS : new BigInt64Array(count);
}

function newArray(type: Datatype, count: number): NumericData {
  const { View = Uint8Array } = datatype(type);
  return new View(count);
}

function strings(value: Pointer, count: number): Buffer[] {
  if (count === 0) return [];
  const bytes = Buffer.alloc(Number(ortOut('GetStringTensorDataLength', value)) || 1);
  const offsets = new BigUint64Array(count);
  ort('GetStringTensorContent', value, bytes, bytes.length, offsets, count);
  const total = Number(ortOut('GetStringTensorDataLength', value));
  return Array.from(offsets, (start, i) =>
    bytes.subarray(Number(start), i + 1 < count ? Number(offsets[i + 1]) : total),
  );
}
