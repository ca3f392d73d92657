/**
 * The number kernel in AssemblyScript: it goes over JSON text and makes doubles of the numbers in it. `npm run
 * generate` compiles it to number-kernel.gen.ts, and number-kernel.ts loads that.
 */
import {
  END_AT,
  MAX_DECIMALS,
  MAX_DIGITS,
  MAX_EXACT_DECIMALS,
  MAX_WHOLE_DIGITS,
  POWERS_AT,
  UNREAD_AT,
} from './number-layout.ts';
import { scale } from './number-scaling.assembly.ts';

const TAB: u32 = 0x09;
const LINE_FEED: u32 = 0x0a;
const CARRIAGE_RETURN: u32 = 0x0d;
const SPACE: u32 = 0x20;
const COMMA: u32 = 0x2c;
const MINUS: u32 = 0x2d;
const POINT: u32 = 0x2e;
const ZERO: u32 = 0x30;
const OPEN_ARRAY: u32 = 0x5b;
const CLOSE_ARRAY: u32 = 0x5d;
const LETTER_E: u32 = 0x65;
/** Bit by which a small letter differs from the capital one. */
const SMALL: u32 = 0x20;

/** The exponent that `readExponent` read last, without its minus sign. */
let power: i32 = 0;

/**
 * Reads numbers with commas between them, and goes on with the next row after `],[` where the width of rows is known.
 * It stops before a number that it does not read, and before the last number of a full row that goes on.
 * @param at address of the first number
 * @param out address that the first double is written to; the address that follows the last one is left at END_AT
 * @param rowEnd address that follows the double which completes the first row
 * @param rowBytes size of a row of doubles; 0 when there is one row, of any length
 * @returns the address where it stopped
 */
export function read(at: usize, out: usize, rowEnd: usize, rowBytes: usize): usize {
  while (true) {
    const end = skipSpace(readNumber(skipSpace(at), out));
    const separator: u32 = load<u8>(end);
    if (separator !== COMMA && separator !== CLOSE_ARRAY) break;
    if (rowBytes && separator === COMMA && out + 8 === rowEnd) break;
    out += 8;
    if (separator === COMMA) {
      at = end + 1;
      continue;
    }
    at = rowBytes && out === rowEnd ? skipToRow(end) : end;
    if (at === end) break;
    rowEnd += rowBytes;
  }
  store<usize>(END_AT, out);
  return at;
}

/** Writes the double of a number to `out`. Returns the address that follows the number, or UNREAD_AT. */
function readNumber(at: usize, out: usize): usize {
  let byte: u32 = load<u8>(at);
  const isNegative = byte === MINUS;
  if (isNegative) byte = load<u8>(++at);
  if (!isDigit(byte)) return UNREAD_AT;
  let first = at;
  let digits: u64 = 0;
  if (byte === ZERO) {
    byte = load<u8>(++at);
    if (isDigit(byte)) return UNREAD_AT;
  } else {
    do {
      digits = digits * 10 + (byte - ZERO);
      byte = load<u8>(++at);
    } while (isDigit(byte));
  }
  let decimals: i32 = 0;
  if (byte === POINT) {
    const point = at;
    byte = load<u8>(++at);
    if (!isDigit(byte)) return UNREAD_AT;
    if (digits === 0) {
      // Zeros before the first other digit do not count as digits.
      while (byte === ZERO) byte = load<u8>(++at);
      first = at - 1;
    }
    while (isDigit(byte)) {
      digits = digits * 10 + (byte - ZERO);
      byte = load<u8>(++at);
    }
    // The point, or the zero before the first digit, is not a digit.
    if (i32(at - first) - 1 > MAX_DIGITS) return UNREAD_AT;
    decimals = i32(at - point) - 1;
  } else if (i32(at - first) > MAX_WHOLE_DIGITS) return UNREAD_AT;
  if ((byte | SMALL) === LETTER_E) {
    at = readExponent(at + 1);
    decimals += power;
  }
  if (decimals <= MAX_EXACT_DECIMALS && digits < 1 << 53) {
    // Both are doubles, so that one division rounds once (Clinger 1990).
    const value = f64(digits) / load<f64>(POWERS_AT + (decimals << 3));
    store<f64>(out, isNegative ? -value : value);
    return at;
  }
  // Zero has no first digit to scale by.
  if (digits === 0 || decimals > MAX_DECIMALS) return UNREAD_AT;
  const value = scale(digits, u32(decimals));
  store<f64>(out, isNegative ? -value : value);
  return at;
}

/** Reads a negative exponent, from its sign on, to `power`. Returns the address that follows it, or UNREAD_AT. */
function readExponent(at: usize): usize {
  let byte: u32 = load<u8>(at + 1);
  if (load<u8>(at) !== MINUS || !isDigit(byte)) return UNREAD_AT;
  at++;
  let sum: i32 = 0;
  do {
    sum = sum * 10 + i32(byte - ZERO);
    if (sum > MAX_DECIMALS) return UNREAD_AT;
    byte = load<u8>(++at);
  } while (isDigit(byte));
  power = sum;
  return at;
}

/** Returns the address of the first number of the row that follows, or `end` itself when `],[` does not stand there. */
function skipToRow(end: usize): usize {
  let at = skipSpace(end + 1);
  if (load<u8>(at) !== COMMA) return end;
  at = skipSpace(at + 1);
  return load<u8>(at) === OPEN_ARRAY ? at + 1 : end;
}

function skipSpace(at: usize): usize {
  while (isSpace(load<u8>(at))) at++;
  return at;
}

function isSpace(byte: u32): bool {
  return (
    byte <= SPACE &&
    (byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB)
  );
}

function isDigit(byte: u32): bool {
  return byte - ZERO <= 9;
}
