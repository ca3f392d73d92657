/** Kernels, which tell how similar two rows are (sklearn.metrics.pairwise). */
import type { Fitted } from './fitted.ts';

/** Returns how similar two rows are. */
export type Kernel = (a: Float64Array, b: Float64Array) => number;

/** Returns the product of two rows. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    sum += difference * difference;
  }
  return sum;
}

/** The parameters of kernels. */
interface KernelParameters {
  readonly gamma: number;
  readonly coef0: number;
  readonly degree: number;
}

/** Reads the kernel of an estimator. @throws UnsupportedModelError for one that is not computed here. */
export function readKernel(
  fitted: Fitted,
  { gamma, coef0, degree }: KernelParameters,
  name = fitted.oneOf('kernel', ['linear', 'rbf', 'poly', 'sigmoid']),
): Kernel {
  return {
    linear: dot,
    rbf: (a: Float64Array, b: Float64Array) => Math.exp(-gamma * squaredDistance(a, b)),
    poly: (a: Float64Array, b: Float64Array) => (gamma * dot(a, b) + coef0) ** degree,
    sigmoid: (a: Float64Array, b: Float64Array) => Math.tanh(gamma * dot(a, b) + coef0),
  }[name];
}

/** Returns the rows that an array has. */
export function rowsOf(data: Float64Array, width: number): Float64Array[] {
  return Array.from({ length: data.length / width }, (_, i) =>
    data.subarray(i * width, (i + 1) * width),
  );
}
