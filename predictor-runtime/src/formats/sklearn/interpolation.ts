/** Interpolates between points, as numpy.interp does. */

/**
 * Makes a function of the line through points, which stays at the first and the last point's value beyond them.
 * @param xs where the points are, in order
 */
export function interpolator(xs: Float64Array, ys: Float64Array): (x: number) => number {
  const last = xs.length - 1;
  return (x) => {
    if (Number.isNaN(x)) return x;
    if (x < (xs[0] as number)) return ys[0] as number;
    const at = countUpTo(xs, x) - 1;
    if (at >= last) return ys[last] as number;
    const [left, right] = [xs[at] as number, xs[at + 1] as number];
    const [low, high] = [ys[at] as number, ys[at + 1] as number];
    return x === left ? low : ((high - low) / (right - left)) * (x - left) + low;
  };
}

/** Returns the number of values that are not above x. @param sorted values in order */
export function countUpTo(sorted: Float64Array, x: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}
