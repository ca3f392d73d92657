/**
 * Makes classes of an output: its largest values, with their indices and labels. Source: Triton, classification
 * extension.
 */
import { invalid } from '../errors.ts';
import { datatype } from './datatypes.ts';
import { numbers } from './elements.ts';
import type { Tensor } from './types.ts';

/** Largest number of elements that are sorted; the limit is Triton's. */
const MAX_ELEMENTS = 1_000_000;

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
  if (datatype(tensor.datatype).kind === 'bytes') {
    throw invalid(
      `output '${name}': class result not available for output due to unsupported type`,
    );
  }
  const values = numbers(tensor);
  if (values.length > MAX_ELEMENTS) {
    throw invalid(`output '${name}': classification output tensor too large`);
  }
  const whole = ['int', 'bigint', 'bool'].includes(datatype(tensor.datatype).kind);
  const rows = batched ? (shape[0] ?? 1) : 1;
  const classes = rows === 0 ? 0 : values.length / rows;
  const kept = Math.min(count, classes);
  const data: Buffer[] = [];
  for (let row = 0; row < rows; row++) {
    const order = Array.from({ length: classes }, (_, i) => i);
    const value = (i: number) => values[row * classes + i] as number;
    order.sort((a, b) => value(b) - value(a) || a - b);
    for (const i of order.slice(0, kept)) {
      const label = labels[i] === undefined ? '' : `:${labels[i]}`;
      data.push(Buffer.from(`${whole ? value(i) : value(i).toFixed(6)}:${i}${label}`));
    }
  }
  return { name, datatype: 'BYTES', shape: batched ? [rows, kept] : [kept], data };
}
