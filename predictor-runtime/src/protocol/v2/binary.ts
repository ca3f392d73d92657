/**
 * Tensors as raw bytes: little-endian, row-major, without padding; an element of BYTES is its length in four
 * bytes and its content. Source: Triton's binary tensor data extension; gRPC's raw contents are the same.
 */
import { invalid } from '../errors.ts';
import { type Datatype, datatype, type TensorData } from './datatypes.ts';
import { show } from './elements.ts';
import { elementCount, type Tensor } from './types.ts';

/** Gives out the bytes that follow a request's JSON, tensor by tensor. */
export class BinaryReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Number of bytes that nobody has taken. */
  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  /**
   * Takes the next `size` bytes, without a copy.
   * @param size as the request has it, where it may be anything
   * @throws InferenceError INVALID_ARGUMENT when it is no size, or fewer bytes are left.
   */
  take(size: unknown, path: string): Buffer {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw invalid(`${path}: expected a number of bytes, got ${show(size)}`);
    }
    if (size > this.left) {
      throw invalid(`${path}: ${size} bytes are announced, but ${this.left} follow`);
    }
    this.#offset += size;
    return this.#bytes.subarray(this.#offset - size, this.#offset);
  }
}

/**
 * Returns the elements of a tensor from its bytes: a view of them where their alignment allows it, or else a copy.
 * @throws InferenceError INVALID_ARGUMENT when `shape` has another number of bytes, or a value is none of the type.
 */
export function decodeElements(
  type: Datatype,
  shape: readonly number[],
  bytes: Buffer,
  path: string,
): TensorData {
  const count = elementCount(shape);
  const { bytes: size, View } = datatype(type);
  if (size === undefined || View === undefined) return decodeStrings(count, bytes, path);
  if (bytes.length !== count * size) {
    throw invalid(
      `${path}: shape [${shape}] of ${type} has ${count * size} bytes, got ${bytes.length}`,
    );
  }
  const { buffer, byteOffset } =
    bytes.byteOffset % size === 0 ? bytes : { buffer: copy(bytes), byteOffset: 0 };
  const view = new View(buffer, byteOffset, count);
  if (type === 'BOOL') checkBooleans(view as Uint8Array, path);
  return view;
}

function copy(bytes: Buffer): ArrayBuffer {
  const buffer = new ArrayBuffer(bytes.length);
  bytes.copy(Buffer.from(buffer));
  return buffer;
}

function checkBooleans(values: Uint8Array, path: string): void {
  const wrong = values.findIndex((value) => value > 1);
  if (wrong >= 0) throw invalid(`${path}: element ${wrong} is ${values[wrong]}, expected 0 or 1`);
}

function decodeStrings(count: number, bytes: Buffer, path: string): Buffer[] {
  const strings: Buffer[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const start = offset + 4;
    const end = start <= bytes.length ? start + bytes.readUInt32LE(offset) : Number.NaN;
    if (!(end <= bytes.length)) {
      throw invalid(`${path}: element ${strings.length} is cut off at byte ${bytes.length}`);
    }
    strings.push(bytes.subarray(start, end));
    offset = end;
  }
  if (strings.length !== count) {
    throw invalid(`${path}: the shape has ${count} elements, got ${strings.length}`);
  }
  return strings;
}

/** Returns the bytes of a tensor: a view of its elements, or a new buffer for BYTES. */
export function encodeElements({ data }: Tensor): Buffer {
  if (!Array.isArray(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const parts = data.flatMap((bytes) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat(parts);
}
