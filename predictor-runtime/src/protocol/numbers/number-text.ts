/**
 * Writes float32 as JSON text: the digits that tell it from its neighbours, and no more. The text reads back as the
 * same float (test/number-text.test.ts).
 */

/** Powers of ten that are doubles: 10^0 to 10^22. */
const POWERS = Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const power = (exponent: number) => POWERS[exponent] as number;

/**
 * Returns the double with the shortest text among those that round to a float32: the digits of other doubles would only
 * make the text longer. NaN and the infinities are returned as they are.
 */
export function shortest(float: number): number {
  const size = Math.abs(float);
  if (!isPlain(size)) return shortestByText(float);
  const scale = power(decimalsOf(size));
  const double = Math.round(size * scale) / scale;
  return float < 0 ? -double : double;
}

/** True for a size whose digits arithmetic tells exactly; others are told from text. */
function isPlain(size: number): boolean {
  return size >= 1e-5 && size < 1e7;
}

/**
 * Returns the number of decimals that tell a float32 from its neighbours. It begins with 6 digits: where fewer are
 * enough, the others are zeros, which are not written.
 */
function decimalsOf(size: number): number {
  const whole = wholeDigits(size);
  for (let decimals = 6 - whole; decimals < 9 - whole; decimals++) {
    const scale = power(decimals);
    if (Math.fround(Math.round(size * scale) / scale) === size) return decimals;
  }
  return 9 - whole;
}

/** Returns the shortest double by trying more and more digits; 9 tell every float32 from its neighbours. */
function shortestByText(float: number): number {
  if (float === 0 || !Number.isFinite(float)) return float;
  for (let digits = 1; digits < 9; digits++) {
    const double = Number(float.toPrecision(digits));
    if (Math.fround(double) === float) return double;
  }
  return Number(float.toPrecision(9));
}

/** Returns the number of digits before the point, or minus the number of zeros that follow it, for 1e-5 to 1e7. */
function wholeDigits(size: number): number {
  if (size >= 1) {
    let digits = 1;
    while (size >= power(digits)) digits++;
    return digits;
  }
  let zeros = 0;
  while (size * power(zeros + 1) < 1) zeros++;
  return -zeros;
}

const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const OPEN = 0x5b;
const CLOSE = 0x5d;
/**
 * Largest size of a number's text: a comma, a sign and 21 digits, as JavaScript writes numbers below 1e21 in full; one
 * byte is spare.
 */
const MAX_TEXT = 24;

/** Memory for short texts, which are copied from it. */
const SCRATCH = Buffer.allocUnsafeSlow(4096);

/** Writes floats as a JSON array: `[1,2.5,…]`. Undefined when one is not finite. */
export function float32sText(data: Float32Array): string | undefined {
  const size = data.length * MAX_TEXT + 2;
  const bytes = size <= SCRATCH.length ? SCRATCH : Buffer.allocUnsafe(size);
  let at = 0;
  bytes[at++] = OPEN;
  for (let i = 0; i < data.length; i++) {
    const float = data[i] as number;
    if (!Number.isFinite(float)) return undefined;
    if (i > 0) bytes[at++] = COMMA;
    at = writeFloat(bytes, at, float);
  }
  bytes[at++] = CLOSE;
  return bytes.toString('latin1', 0, at);
}

function writeFloat(bytes: Buffer, start: number, float: number): number {
  const size = Math.abs(float);
  if (!isPlain(size)) return start + bytes.write(String(shortest(float)), start, 'latin1');
  const decimals = decimalsOf(size);
  const scaled = Math.round(size * power(decimals)) | 0;
  if (float < 0) bytes[start] = MINUS;
  return writeDecimal(bytes, float < 0 ? start + 1 : start, scaled, decimals);
}

/**
 * Writes `scaled / 10^decimals` without zeros at its end, and returns where the text ends. `scaled` has at most 10
 * digits.
 */
function writeDecimal(bytes: Buffer, start: number, scaled: number, decimals: number): number {
  let rest = scaled;
  let places = decimals;
  while (places > 0) {
    const next = (rest / 10) | 0;
    if (next * 10 !== rest) break;
    rest = next;
    places--;
  }
  let length = places + 1;
  while (length < 10 && rest >= power(length)) length++;
  const end = places > 0 ? start + length + 1 : start + length;
  let at = end - 1;
  for (let place = 0; place < length; place++) {
    if (place === places && places > 0) bytes[at--] = POINT;
    const next = (rest / 10) | 0;
    bytes[at--] = ZERO + rest - next * 10;
    rest = next;
  }
  return end;
}
