/** The tables of the number kernel: powers of ten, and their reciprocals in 128 bits. */
import {
  MAX_DECIMALS,
  MAX_EXACT_DECIMALS,
  POWERS_AT,
  SCALE_BYTES,
  SCALES_AT,
} from './number-layout.ts';

/** The bias of a double's exponent. */
const BIAS = 1023n;

/** Writes the tables to the kernel's memory, once and before the first number is read. */
export function fillTables(buffer: SharedArrayBuffer): void {
  const powers = new Float64Array(buffer, POWERS_AT);
  for (let decimals = 0; decimals <= MAX_EXACT_DECIMALS; decimals++) {
    powers[decimals] = Number(`1e${decimals}`);
  }
  const scales = new BigInt64Array(buffer, SCALES_AT);
  for (let decimals = 0; decimals <= MAX_DECIMALS; decimals++) {
    const reciprocal = reciprocalOf(5n ** BigInt(decimals));
    // 10^-decimals is at least 2^-bits.
    const exponent = BIAS + 63n - bitsOf(10n ** BigInt(decimals));
    scales.set([reciprocal >> 64n, reciprocal, exponent - 1n], (decimals * SCALE_BYTES) / 8);
  }
}

function bitsOf(value: bigint): bigint {
  return BigInt(value.toString(2).length);
}

/** Returns the first 128 bits of the value's reciprocal, rounded up. */
function reciprocalOf(value: bigint): bigint {
  return (1n << (bitsOf(value) + 127n)) / value + 1n;
}
