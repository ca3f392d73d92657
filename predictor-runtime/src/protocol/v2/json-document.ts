/** Reads JSON as callers send it: in UTF-8, with exact integers, and with the bare words for odd numbers (NaN). */
import { isUtf8 } from 'node:buffer';
import { InferenceError, invalid } from '../errors.ts';
import { extractNumbers, type Place } from '../numbers/number-arrays.ts';

/** Matches numbers that a double may not hold: 2^53 has 16 digits, and 10^309 is beyond all. */
const LONG_NUMBER = /\d{16}|[eE]\+?\d{3}/;
/** Matches the bare words for numbers that JSON has not, and strings, in which such words must stay as they are. */
const NOT_A_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b/g;

/** Largest size of a number's text in an error message, in characters. */
const MAX_SHOWN = 40;

/** Explanations of bodies that begin with certain bytes, which are written in Latin-1 here. */
const BEGINNINGS: readonly (readonly [bytes: string, explanation: string])[] = [
  ['\xef\xbb\xbf', 'it begins with a byte order mark, which JSON has not: leave it out'],
  ['\xff\xfe', 'it is UTF-16: send UTF-8'],
  ['\xfe\xff', 'it is UTF-16: send UTF-8'],
  ['\x1f\x8b', 'it is compressed by gzip: say so in the header Content-Encoding'],
  ['\x28\xb5\x2f\xfd', 'it is compressed by zstd: say so in the header Content-Encoding'],
  ['--', 'it is multipart, as of a form: send the JSON as the body itself'],
];

/**
 * Parses JSON as `parse` does, from the bytes of a body.
 * @throws InferenceError INVALID_ARGUMENT when they are not JSON, or not UTF-8.
 */
export function parseBytes(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw notUtf8(bytes);
  return parse(bytes.toString());
}

/**
 * Parses JSON as `parseBytes` does, but where `isTensor` says so, arrays of plain numbers become a `NumberArray`.
 * @throws InferenceError INVALID_ARGUMENT when the bytes are not JSON, or not UTF-8.
 */
export function parseTensors(bytes: Buffer, isTensor: (place: Place) => boolean): unknown {
  if (!isUtf8(bytes)) throw notUtf8(bytes);
  const extraction = extractNumbers(bytes, isTensor);
  if (extraction !== undefined) {
    const { text, arrays } = extraction;
    try {
      const place: Reviver = (key, value, context) =>
        typeof value === 'string'
          ? (arrays.get(value) ?? value)
          : keepLongNumbers(key, value, context);
      return JSON.parse(text, place);
    } catch {
      // An error is told about the text as it came.
    }
  }
  return parse(bytes.toString());
}

/**
 * Parses JSON; integers beyond 2^53 become bigints. The bare words NaN, Infinity and -Infinity, which many writers
 * make, are understood too.
 * @throws InferenceError INVALID_ARGUMENT when the text is not JSON.
 */
export function parse(text: string): unknown {
  try {
    return parseNumbers(text);
  } catch (error) {
    if (error instanceof InferenceError) throw error;
    const named = withNamedNumbers(text);
    if (named !== text) {
      try {
        return parseNumbers(named);
      } catch (second) {
        if (second instanceof InferenceError) throw second;
        // The first error is about the text as it came.
      }
    }
    throw notJson(text, error as Error);
  }
}

function withNamedNumbers(text: string): string {
  if (!text.includes('NaN') && !text.includes('Infinity')) return text;
  return text.replace(NOT_A_NUMBER, (word) => {
    if (word.startsWith('"')) return word;
    return word === 'NaN' ? 'null' : `"${word}"`;
  });
}

function parseNumbers(text: string): unknown {
  return LONG_NUMBER.test(text) ? JSON.parse(text, keepLongNumbers) : JSON.parse(text);
}

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/**
 * Makes bigints of integers beyond 2^53, from their text. A reviver for JSON.parse.
 * @throws InferenceError INVALID_ARGUMENT at a number that would become infinite.
 */
function keepLongNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? '';
  if (/^-?\d{1,309}$/.test(source)) return BigInt(source);
  if (Number.isFinite(value)) return value;
  throw invalid(`${source.slice(0, MAX_SHOWN)} is beyond the largest number of double precision`);
}

function notJson(text: string, error: Error): InferenceError {
  const told = error instanceof RangeError ? 'it is nested too deep' : error.message;
  const reason = explanationOf(Buffer.from(text.slice(0, 4))) ?? told;
  return invalid(`body is not JSON: ${reason}`);
}

function notUtf8(bytes: Buffer): InferenceError {
  const explanation = explanationOf(bytes);
  if (explanation !== undefined) return invalid(`body is not JSON: ${explanation}`);
  const again = Buffer.from(bytes.toString());
  const at = bytes.findIndex((byte, i) => byte !== again[i]);
  return invalid(
    `body is not UTF-8 at byte ${at}: send text in UTF-8, and what is no text in base64`,
  );
}

function explanationOf(head: Buffer): string | undefined {
  const start = head.toString('latin1', 0, 4);
  return BEGINNINGS.find(([bytes]) => start.startsWith(bytes))?.[1];
}
