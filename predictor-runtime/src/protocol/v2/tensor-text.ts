/** Writes tensors as the text of V2's JSON. */
import { isUtf8 } from 'node:buffer';
import { float32sText, shortest } from '../numbers/number-text.ts';
import { datatype, type NumericData } from './datatypes.ts';
import { numbers } from './elements.ts';
import type { Tensor } from './types.ts';

/**
 * Writes a tensor as JSON. NaN is `null` and the infinities are the strings "Infinity" and "-Infinity". BYTES are text,
 * or base64 where the request asks for it or an element is not text; `parameters.content_type` then says so.
 */
export function encodeTensor(tensor: Tensor, wanted?: 'base64'): string {
  const { data } = tensor;
  if (!Array.isArray(data)) return `${encodeHead(tensor)},"data":${encodeNumbers(tensor)}}`;
  const asBase64 = wanted === 'base64' || !data.every(isUtf8);
  const parameters = asBase64 ? ',"parameters":{"content_type":"base64"}' : '';
  const text = data.map((bytes) => bytes.toString(asBase64 ? 'base64' : 'utf8'));
  return `${encodeHead(tensor)}${parameters},"data":${JSON.stringify(text)}}`;
}

/** Writes the beginning of a tensor's JSON object: all that stands before its parameters and data. */
export function encodeHead({ name, datatype: type, shape }: Tensor): string {
  return `{"name":${quoted(name)},"datatype":"${type}","shape":[${shape.join(',')}]`;
}

/** Names that were written before, with their JSON text; a server's tensors have few names. */
const QUOTED = new Map<string, string>();
/** Largest number of names that are kept. */
const MAX_QUOTED = 1000;

/** Returns a name as JSON. */
export function quoted(name: string): string {
  const known = QUOTED.get(name);
  if (known !== undefined) return known;
  const text = JSON.stringify(name);
  if (QUOTED.size < MAX_QUOTED) QUOTED.set(name, text);
  return text;
}

/** Writes the elements of a numeric tensor as an array. */
function encodeNumbers(tensor: Tensor): string {
  const data = tensor.data as NumericData;
  if (data instanceof Float32Array) return float32sText(data) ?? arrayText(tensor);
  switch (datatype(tensor.datatype).kind) {
    case 'int':
      return `[${data.join(',')}]`;
    case 'bigint':
      return `[${wideIntegers(data as BigInt64Array).join(',')}]`;
    case 'bool':
      return arrayText(tensor);
    default: {
      const values = Array.from(numbers(tensor));
      return values.every(Number.isFinite) ? JSON.stringify(values) : arrayText(tensor);
    }
  }
}

/** Number of integers up to which they are few: a view of a small array has V8 move it out of its heap first. */
const FEW = 8;

/** Returns 64-bit integers, as numbers where they fit 32 bits: their text takes a tenth of the time. */
function wideIntegers(
  data: BigInt64Array | BigUint64Array,
): ArrayLike<number | bigint> & { join(separator: string): string } {
  if (data.length <= FEW) return data;
  const words = new Int32Array(data.buffer, data.byteOffset, data.length * 2);
  const isSigned = data instanceof BigInt64Array;
  const values = new Array<number | bigint>(data.length);
  for (let i = 0; i < data.length; i++) {
    const low = words[2 * i] as number;
    const fits = words[2 * i + 1] === low >> 31 && (isSigned || low >= 0);
    values[i] = fits ? low : (data[i] as bigint);
  }
  return values;
}

/** Writes the elements of a tensor one by one, as an array. */
function arrayText(tensor: Tensor): string {
  return `[${elementTexts(tensor).join(',')}]`;
}

/** Writes a number. NaN is `null`, and the infinities are strings. */
function floatText(value: number): string {
  if (Number.isFinite(value)) return JSON.stringify(value);
  return Number.isNaN(value) ? 'null' : `"${value}"`;
}

/** Returns the JSON text of each element of a tensor of any datatype but BYTES. */
export function elementTexts(tensor: Tensor): string[] {
  const { data } = tensor;
  switch (datatype(tensor.datatype).kind) {
    case 'int':
    case 'bigint':
      return Array.from<number | bigint, string>(data as Int32Array, String);
    case 'bool':
      return Array.from(data as Uint8Array, (bit) => String(bit !== 0));
    default: {
      const isSingle = data instanceof Float32Array;
      return Array.from(numbers(tensor), (value) => floatText(isSingle ? shortest(value) : value));
    }
  }
}
