/**
 * A whole number over a power of ten, as the nearest double. The number is multiplied by the power's reciprocal in 128
 * bits, of which the upper 55 are enough to round rightly (Lemire, "Number parsing at a gigabyte per second", 2021,
 * section 5).
 */
import { SCALE_BYTES, SCALES_AT } from './number-layout.ts';

/** Returns the double that is nearest to w / 10^decimals; w is above 0. */
export function scale(w: u64, decimals: u32): f64 {
  const entry: usize = SCALES_AT + decimals * SCALE_BYTES;
  const reciprocal = load<u64>(entry);
  const zeros = clz(w);
  w <<= zeros;
  let upper = multiplyHigh(w, reciprocal);
  let lower = w * reciprocal;
  // Where all bits below the ones that are kept are set, the reciprocal's second word may carry into them.
  if ((upper & 0x1ff) === 0x1ff) {
    const next = multiplyHigh(w, load<u64>(entry, 8));
    lower += next;
    if (lower < next) upper++;
  }
  // 53 bits are the mantissa's, and one more is to round by.
  const shift = upper >> 63;
  let mantissa = upper >> (shift + 9);
  if (lower <= 1) {
    // Only up to four decimals can w be half way between two doubles: there, an even mantissa is rounded down.
    const isTie = decimals <= 4 && (mantissa & 3) === 1 && mantissa << (shift + 9) === upper;
    mantissa -= u64(isTie);
  }
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  // A double does not store the mantissa's first bit. The sum lets it, and a carry out of rounding, raise the exponent.
  const exponent = load<u64>(entry, 16) - zeros + shift;
  return reinterpret<f64>(mantissa + (exponent << 52));
}

/** Returns the upper 64 bits of a × b, summed from products of their halves. */
function multiplyHigh(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const cross = aLow * bHigh;
  const middle = aHigh * bLow + (cross & 0xffffffff) + ((aLow * bLow) >> 32);
  return aHigh * bHigh + (middle >> 32) + (cross >> 32);
}
