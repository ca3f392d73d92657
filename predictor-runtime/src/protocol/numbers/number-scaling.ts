/**
 * A whole number w of at most 19 digits over a power of ten, as the nearest double. Below 2^53 both are doubles, and one
 * division rounds once (Clinger 1990). From there on, w is multiplied by the power's reciprocal in 128 bits, of which the
 * upper 55 are enough to round rightly (Lemire, "Number parsing at a gigabyte per second", 2021, section 5).
 */
import {
  type Code,
  call,
  get,
  i32,
  i64,
  memory,
  op,
  set,
  Type,
  type WasmFunction,
  when,
} from '../../platform/webassembly/assembly.ts';

/** Of w: 10^19 is below 2^64. */
export const MAX_DIGITS = 19;
/** The powers of ten that are doubles. */
export const MAX_EXACT_DECIMALS = 22;
/** Those of an exponent with them. */
export const MAX_DECIMALS = 99;

/** Addresses of tables by decimals: of 10^decimals, and of what scales by it. */
export const POWERS_AT = 8;
const SCALES_AT = POWERS_AT + 8 * (MAX_EXACT_DECIMALS + 1);
/** The reciprocal's halves, and the exponent that the result has besides. */
const SCALE_BYTES = 24;
/** The first that is free after the tables. */
export const TABLES_END = SCALES_AT + SCALE_BYTES * (MAX_DECIMALS + 1);

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

/** Of a double's exponent. */
const BIAS = 1023n;
const bitsOf = (value: bigint) => BigInt(value.toString(2).length);
/** Its first 128 bits, rounded up. */
const reciprocalOf = (value: bigint) => (1n << (bitsOf(value) + 127n)) / value + 1n;

const and = (a: Code, b: Code) => op('i64.and', a, b);
const add = (a: Code, b: Code) => op('i64.add', a, b);
const right = (value: Code, bits: bigint) => op('i64.shr_u', value, i64(bits));

/** The upper 64 bits of a × b, from products of their halves. */
const MULTIPLY_HIGH: WasmFunction = (() => {
  const [a, b, cross, carry] = [0, 1, 2, 3] as const;
  const low = (local: number) => and(get(local), i64(0xffffffffn));
  const high = (local: number) => right(get(local), 32n);
  const product = (x: Code, y: Code) => op('i64.mul', x, y);
  return {
    name: 'multiplyHigh',
    parameters: [Type.i64, Type.i64],
    result: Type.i64,
    locals: [Type.i64, Type.i64],
    code: [
      ...set(cross, product(low(a), high(b))),
      ...set(carry, add(right(product(low(a), low(b)), 32n), low(cross))),
      ...set(carry, add(product(high(a), low(b)), get(carry))),
      ...add(product(high(a), high(b)), add(high(carry), high(cross))),
    ],
  };
})();
const MULTIPLY_HIGH_INDEX = 0;

/** w / 10^decimals as the nearest double; w is above 0. */
const SCALE: WasmFunction = (() => {
  const [w, decimals, scale, zeros, upper, lower, next, shift, mantissa] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8,
  ] as const;
  const table = (offset: number) =>
    memory('i64.load', { address: get(scale), offset: SCALES_AT + offset });
  const timesReciprocal = [
    ...set(upper, call(MULTIPLY_HIGH_INDEX, get(w), table(0))),
    ...set(lower, op('i64.mul', get(w), table(0))),
    // Where all bits below the ones that are kept are set, the reciprocal's second half may carry into them.
    ...when(op('i64.eq', and(get(upper), i64(0x1ffn)), i64(0x1ffn)), [
      ...set(next, call(MULTIPLY_HIGH_INDEX, get(w), table(8))),
      ...set(lower, add(get(lower), get(next))),
      ...set(upper, add(get(upper), op('i64.extend_i32_u', op('i64.lt_u', get(lower), get(next))))),
    ]),
  ];
  const isHalfWay = op(
    'i64.eq',
    op('i64.shl', get(mantissa), add(get(shift), i64(9n))),
    get(upper),
  );
  // Only up to four decimals does w hold a number that is half way between two doubles.
  const toEvenWhenHalfWay = when(
    op('i64.le_u', get(lower), i64(1n)),
    when(
      op('i32.le_u', get(decimals), i32(4)),
      when(
        op('i64.eq', and(get(mantissa), i64(3n)), i64(1n)),
        when(isHalfWay, set(mantissa, and(get(mantissa), i64(~1n)))),
      ),
    ),
  );
  const exponent = add(op('i64.sub', table(16), get(zeros)), get(shift));
  return {
    name: 'scale',
    parameters: [Type.i64, Type.i32],
    result: Type.f64,
    locals: [Type.i32, ...new Array(6).fill(Type.i64)],
    code: [
      ...set(scale, op('i32.mul', get(decimals), i32(SCALE_BYTES))),
      ...set(zeros, op('i64.clz', get(w))),
      ...set(w, op('i64.shl', get(w), get(zeros))),
      ...timesReciprocal,
      // 53 bits, and one to round by.
      ...set(shift, right(get(upper), 63n)),
      ...set(mantissa, op('i64.shr_u', get(upper), add(get(shift), i64(9n)))),
      ...toEvenWhenHalfWay,
      ...set(mantissa, right(add(get(mantissa), and(get(mantissa), i64(1n))), 1n)),
      // The mantissa's first bit, which a double does not store, is one more in the exponent; so is a carry out of it.
      ...op('f64.reinterpret_i64', add(get(mantissa), op('i64.shl', exponent, i64(52n)))),
    ],
  };
})();
export const SCALE_INDEX = 1;

/** In the order of their numbers. */
export const SCALING = [MULTIPLY_HIGH, SCALE];
