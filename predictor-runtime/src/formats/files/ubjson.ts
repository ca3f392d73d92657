/**
 * Reads Universal Binary JSON (draft 12) as XGBoost writes it: objects, arrays, and strongly typed arrays, which become
 * typed arrays.
 */

/** A value of a document. */
export type UbjsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly UbjsonValue[]
  | UbjsonArray
  | { readonly [key: string]: UbjsonValue };

/** A strongly typed array. */
export type UbjsonArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** Deepest nesting that is read. No model is nested so deep; a file that is would be an attack on the stack. */
const MAX_DEPTH = 64;

interface NumberType {
  readonly bytes: number;
  readonly View: new (length: number) => UbjsonArray;
  readonly read: (view: DataView, at: number) => number | bigint;
}

/** Types of numbers by their markers; all are big-endian. */
const NUMBERS: Readonly<Record<string, NumberType>> = {
  i: { bytes: 1, View: Int8Array, read: (view, at) => view.getInt8(at) },
  U: { bytes: 1, View: Uint8Array, read: (view, at) => view.getUint8(at) },
  I: { bytes: 2, View: Int16Array, read: (view, at) => view.getInt16(at) },
  l: { bytes: 4, View: Int32Array, read: (view, at) => view.getInt32(at) },
  L: { bytes: 8, View: BigInt64Array, read: (view, at) => view.getBigInt64(at) },
  d: { bytes: 4, View: Float32Array, read: (view, at) => view.getFloat32(at) },
  D: { bytes: 8, View: Float64Array, read: (view, at) => view.getFloat64(at) },
};

/** Parses a document. @throws Error with the offset at which the bytes are no UBJSON. */
export function parseUbjson(bytes: Buffer): UbjsonValue {
  const reader = new Reader(bytes);
  const value = reader.value(reader.marker(), 0);
  if (!reader.atEnd) throw new Error(`there are bytes after the value, at ${reader.at}`);
  return value;
}

class Reader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.at === this.#bytes.length;
  }

  marker(): string {
    this.#need(1);
    return String.fromCharCode(this.#bytes[this.at++] as number);
  }

  value(marker: string, depth: number): UbjsonValue {
    if (depth > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH}, at ${this.at}`);
    const number = NUMBERS[marker];
    if (number !== undefined) return this.#number(number);
    switch (marker) {
      case 'Z':
        return null;
      case 'T':
        return true;
      case 'F':
        return false;
      case 'C':
        return this.marker();
      case 'S':
        return this.#string();
      case '[':
        return this.#array(depth);
      case '{':
        return this.#object(depth);
      default:
        throw new Error(`unknown marker '${marker}' at ${this.at - 1}`);
    }
  }

  #array(depth: number): UbjsonValue {
    const { type, count } = this.#header();
    const number = type === undefined ? undefined : NUMBERS[type];
    if (number !== undefined && count !== undefined) return this.#typed(number, count);
    // Elements of no size would let a small file ask for any number of them.
    if (count !== undefined) this.#need(count);
    const values: UbjsonValue[] = [];
    while (count === undefined ? !this.#ends(']') : values.length < count) {
      values.push(this.value(type ?? this.marker(), depth + 1));
    }
    return values;
  }

  #object(depth: number): UbjsonValue {
    const { type, count } = this.#header();
    const fields = new Map<string, UbjsonValue>();
    for (let read = 0; count === undefined ? !this.#ends('}') : read < count; read++) {
      const key = this.#string();
      fields.set(key, this.value(type ?? this.marker(), depth + 1));
    }
    return Object.fromEntries(fields);
  }

  /** Reads `$type` and `#count`, which may stand before the elements of a container. */
  #header(): { type?: string; count?: number } {
    const type = this.#ends('$') ? this.marker() : undefined;
    const count = this.#ends('#') ? this.#length() : undefined;
    if (type !== undefined && count === undefined) {
      throw new Error(`a type without a count, at ${this.at}`);
    }
    return { type, count };
  }

  /** Reads the elements of a strongly typed array. */
  #typed({ bytes, View, read }: NumberType, count: number): UbjsonArray {
    this.#need(bytes * count);
    const values = new View(count);
    for (let i = 0; i < count; i++) values[i] = read(this.#view, this.at + i * bytes);
    this.at += bytes * count;
    return values;
  }

  #number({ bytes, read }: NumberType): number | bigint {
    this.#need(bytes);
    const value = read(this.#view, this.at);
    this.at += bytes;
    return value;
  }

  #length(): number {
    const type = NUMBERS[this.marker()];
    const length = type === undefined ? Number.NaN : Number(this.#number(type));
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new Error(`a length was expected at ${this.at}`);
    }
    return length;
  }

  #string(): string {
    const length = this.#length();
    this.#need(length);
    this.at += length;
    return this.#bytes.toString('utf8', this.at - length, this.at);
  }

  /** Takes the next byte if it is that marker, and tells whether it was. */
  #ends(marker: string): boolean {
    this.#need(1);
    if (this.#bytes[this.at] !== marker.charCodeAt(0)) return false;
    this.at++;
    return true;
  }

  /** Checks that so many bytes are left. @throws Error otherwise. */
  #need(bytes: number): void {
    if (this.at + bytes > this.#bytes.length) {
      throw new Error(`the file ends at ${this.#bytes.length}, within a value that began before`);
    }
  }
}
