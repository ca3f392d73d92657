/** The WebAssembly that goes over text and makes doubles of the numbers in it. */
import {
  block,
  branch,
  branchIf,
  type Code,
  call,
  get,
  i32,
  i64,
  loop,
  memory,
  op,
  set,
  Type,
  type WasmFunction,
  when,
} from '../../platform/webassembly/assembly.ts';
import {
  MAX_DECIMALS,
  MAX_DIGITS,
  MAX_EXACT_DECIMALS,
  POWERS_AT,
  SCALE_INDEX,
} from './number-scaling.ts';

/**
 * Reads from `at`, writes to `out`, the row's end there being `rowEnd`; `rowBytes` is 0 for one row. Returns where it
 * stopped; at END_AT it leaves where the numbers end. Addresses all.
 */
export type Read = (at: number, out: number, rowEnd: number, rowBytes: number) => number;

export const END_AT = 0;
/** Every whole number of so many digits is a double. */
const MAX_WHOLE_DIGITS = 15;

/** Parameters, and locals. */
const [at, out, rowEnd, rowBytes] = [0, 1, 2, 3] as const;
const [start, first, byte, isNegative, decimals, power, number, w, value] = [
  4, 5, 6, 7, 8, 9, 10, 11, 12,
] as const;

const ahead = (bytes: number) => set(at, op('i32.add', get(at), i32(bytes)));
const peek = set(byte, memory('i32.load8_u', { address: get(at) }));
const is = (character: string) => op('i32.eq', get(byte), i32(character.charCodeAt(0)));
const digit = op('i32.sub', get(byte), i32(0x30));
const isDigit = op('i32.le_u', digit, i32(9));
const isNoDigit = op('i32.gt_u', digit, i32(9));
const either = (a: Code, ...others: readonly Code[]) =>
  others.reduce((all, one) => op('i32.or', all, one), a);
const skipSpace = [
  ...peek,
  ...block(
    branchIf(0, op('i32.gt_u', get(byte), i32(0x20))),
    loop(
      block(
        branchIf(0, op('i32.eqz', either(is(' '), is('\n'), is('\r'), is('\t')))),
        ahead(1),
        peek,
        branch(1),
      ),
    ),
  ),
];

/** Of w, from the one at hand on. */
const digits = loop(
  set(w, op('i64.add', op('i64.mul', get(w), i64(10n)), op('i64.extend_i32_u', digit))),
  ahead(1),
  peek,
  branchIf(0, isDigit),
);

const wholeDigits = op('i32.sub', get(at), get(first));
/** This and what follows stand in a `when` of the loop, from which giving up is 2 blocks out. */
const fraction = [
  ...ahead(1),
  ...peek,
  ...branchIf(2, isNoDigit),
  ...set(start, get(at)),
  // Zeros before the first other digit are none of w's.
  ...when(op('i64.eq', get(w), i64(0n)), [
    ...block(loop(branchIf(1, op('i32.eqz', is('0'))), ahead(1), peek, branch(0))),
    ...set(first, op('i32.sub', get(at), i32(1))),
  ]),
  ...when(isDigit, digits),
  ...set(decimals, op('i32.sub', get(at), get(start))),
  ...branchIf(2, op('i32.gt_u', wholeDigits, i32(MAX_DIGITS + 1))),
];

/** Below zero. */
const exponent = [
  ...ahead(1),
  ...peek,
  ...branchIf(2, op('i32.eqz', is('-'))),
  ...ahead(1),
  ...peek,
  ...branchIf(2, isNoDigit),
  ...set(power, i32(0)),
  ...loop(
    set(power, op('i32.add', op('i32.mul', get(power), i32(10)), digit)),
    // A longer one than is read here, before it overflows.
    branchIf(3, op('i32.gt_u', get(power), i32(MAX_DECIMALS))),
    ahead(1),
    peek,
    branchIf(0, isDigit),
  ),
  ...set(decimals, op('i32.add', get(decimals), get(power))),
];

const divide = op(
  'f64.div',
  op('f64.convert_i64_u', get(w)),
  memory('f64.load', { address: op('i32.shl', get(decimals), i32(3)), offset: POWERS_AT }),
);
const scale = call(SCALE_INDEX, get(w), get(decimals));
const convert = when(
  op('i32.gt_u', get(decimals), i32(MAX_EXACT_DECIMALS)),
  [
    ...branchIf(2, op('i32.gt_u', get(decimals), i32(MAX_DECIMALS))),
    // Zero has no first digit to scale by.
    ...branchIf(2, op('i64.eq', get(w), i64(0n))),
    ...set(value, scale),
  ],
  when(op('i64.lt_u', get(w), i64(1n << 53n)), set(value, divide), set(value, scale)),
);

const isRowFull = op('i32.eq', get(out), get(rowEnd));
/** After a row's end, to the next one's beginning; inside of the loop it begins again from there. */
const nextRow = [
  ...set(start, get(at)),
  ...ahead(1),
  ...skipSpace,
  ...when(is(','), [
    ...ahead(1),
    ...skipSpace,
    ...when(is('['), [
      ...ahead(1),
      ...set(rowEnd, op('i32.add', get(rowEnd), get(rowBytes))),
      ...branch(5),
    ]),
  ]),
  ...set(at, get(start)),
];

/** A number a turn. Blocks are left by their distance: for what stands in the loop itself, giving up is 1, being done 2. */
export const READ: WasmFunction = {
  name: 'read',
  parameters: [Type.i32, Type.i32, Type.i32, Type.i32],
  result: Type.i32,
  locals: [...new Array(7).fill(Type.i32), Type.i64, Type.f64],
  code: [
    ...block(
      block(
        loop(
          set(number, get(at)),
          skipSpace,
          set(isNegative, is('-')),
          set(at, op('i32.add', get(at), get(isNegative))),
          peek,
          branchIf(1, isNoDigit),
          set(first, get(at)),
          set(w, i64(0n)),
          set(decimals, i32(0)),
          // No digit follows a zero that is the first.
          when(is('0'), [...ahead(1), ...peek, ...branchIf(2, isDigit)], digits),
          when(is('.'), fraction, branchIf(2, op('i32.gt_u', wholeDigits, i32(MAX_WHOLE_DIGITS)))),
          when(either(is('e'), is('E')), exponent),
          convert,
          skipSpace,
          branchIf(1, op('i32.eqz', either(is(','), is(']')))),
          set(out, op('i32.add', get(out), i32(8))),
          // A row that goes on when it is full is not read to its last number.
          when(
            get(rowBytes),
            when(
              is(','),
              when(isRowFull, [...set(out, op('i32.sub', get(out), i32(8))), ...branch(4)]),
            ),
          ),
          when(get(isNegative), set(value, op('f64.neg', get(value)))),
          memory('f64.store', { address: op('i32.sub', get(out), i32(8)), value: get(value) }),
          when(is(']'), [...when(get(rowBytes), when(isRowFull, nextRow)), ...branch(3)]),
          ahead(1),
          branch(0),
        ),
      ),
      set(at, get(number)),
    ),
    ...memory('i32.store', { address: i32(END_AT), value: get(out) }),
    ...get(at),
  ],
};
