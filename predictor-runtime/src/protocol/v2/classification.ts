/**
 * Makes classes of an output: its largest values, with their indices and labels. Source: Triton, classification
 * extension.
 */
import { invalid } from '../errors.ts';
import { datatype, type Kind } from './datatypes.ts';
import { numbers } from './elements.ts';
import type { Tensor } from './types.ts';

/** Largest number of elements that are sorted; the limit is Triton's. */
const MAX_ELEMENTS = 1_000_000;
/** Size from which JavaScript writes numbers with an exponent, whatever form is asked for. */
const MAX_FIXED = 1e21;

/** The classes to return for each row, and what counts as a row. */
export interface ClassificationOptions {
  /** Number of classes to return for each row; all of them when there are fewer. */
  readonly count: number;
  /** Names of the classes, by index. */
  readonly labels: readonly string[];
  /** True when the first dimension is a batch; otherwise the whole tensor is one row. */
  readonly batched: boolean;
}

/**
 * Returns a tensor of BYTES with the largest values of each row, the largest first: `<value>:<index>[:<label>]`. Its
 * shape is `[batch, count]`, or `[count]` without a batch.
 * @throws InferenceError INVALID_ARGUMENT when the output is not of numbers, or too large.
 */
export function classify(
  tensor: Tensor,
  { count, labels, batched }: ClassificationOptions,
): Tensor {
  const { name, shape } = tensor;
  const { kind } = datatype(tensor.datatype);
  if (kind === 'bytes') {
    throw invalid(
      `output '${name}': class result not available for output due to unsupported type`,
    );
  }
  const values = exactNumbers(tensor);
  if (values.length > MAX_ELEMENTS) {
    throw invalid(`output '${name}': classification output tensor too large`);
  }
  const rows = batched ? (shape[0] ?? 1) : 1;
  const classes = rows === 0 ? 0 : values.length / rows;
  const kept = Math.min(count, classes);
  const data: Buffer[] = [];
  for (let row = 0; row < rows; row++) {
    const order = Array.from({ length: classes }, (_, i) => i);
    const value = (i: number) => values[row * classes + i] as number | bigint;
    order.sort((a, b) => descending(value(a), value(b)) || a - b);
    for (const i of order.slice(0, kept)) {
      const label = labels[i] ? `:${labels[i]}` : '';
      data.push(Buffer.from(`${valueText(value(i), kind)}:${i}${label}`));
    }
  }
  return { name, datatype: 'BYTES', shape: batched ? [rows, kept] : [kept], data };
}

/** Returns the elements of a numeric tensor as they are: those of 64 bits would not fit a number. */
function exactNumbers(tensor: Tensor): ArrayLike<number | bigint> {
  return datatype(tensor.datatype).kind === 'bigint'
    ? (tensor.data as BigInt64Array)
    : numbers(tensor);
}

/** Orders the larger value first, and NaN last. */
function descending(a: number | bigint, b: number | bigint): number {
  if (a > b) return -1;
  if (a < b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** Writes a value as C++ does: integers in full, others with six decimals. */
function valueText(value: number | bigint, kind: Kind): string {
  if (typeof value === 'bigint' || kind === 'int' || kind === 'bool') return String(value);
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Math.abs(value) < MAX_FIXED ? withSixDecimals(value) : `${BigInt(value)}.000000`;
}

/** Rounds to six decimals. A tie, which only 128ths are, goes to the even digit; JavaScript's would go up. */
function withSixDecimals(value: number): string {
  const seven = value.toFixed(7);
  const isTie = Number.isInteger(value * 128) && seven.endsWith('5');
  return isTie && Number(seven.at(-2)) % 2 === 0 ? seven.slice(0, -1) : value.toFixed(6);
}
