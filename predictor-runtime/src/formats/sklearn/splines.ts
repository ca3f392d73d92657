/** Evaluates B-splines, as scipy.interpolate.BSpline does. */

/** Several splines over the same knots. */
export interface Spline {
  readonly knots: Float64Array;
  readonly degree: number;
  /** The weight of each basis function in each spline: `coefficients[function * width + spline]`. */
  readonly coefficients: Float64Array;
  /** Number of splines. */
  readonly width: number;
}

/** Returns the values of all splines at x. Beyond the knots the polynomials at the ends go on. */
export function basisOf(spline: Spline, x: number): Float64Array {
  const { knots, degree } = spline;
  const at = intervalOf(spline, x);
  return weighted(spline, at - degree, functionsAt(knots, { degree, at, x }));
}

/** Returns the slopes of all splines at x. */
export function slopesOf(spline: Spline, x: number): Float64Array {
  const { knots, degree } = spline;
  if (degree === 0) return new Float64Array(spline.width);
  const at = intervalOf(spline, x);
  const lower = functionsAt(knots, { degree: degree - 1, at, x });
  const slopes = new Float64Array(degree + 1);
  lower.forEach((value, i) => {
    const first = at - degree + 1 + i;
    const slope = (degree * value) / ((knots[first + degree] as number) - (knots[first] as number));
    slopes[i] = (slopes[i] as number) - slope;
    slopes[i + 1] = (slopes[i + 1] as number) + slope;
  });
  return weighted(spline, at - degree, slopes);
}

/** Returns the index of the knot at which the interval of x begins; the first or last one for x beyond them. */
function intervalOf({ knots, degree }: Spline, x: number): number {
  const last = knots.length - degree - 2;
  let at = degree;
  while (at < last && x >= (knots[at + 1] as number)) at++;
  return at;
}

/** Returns the values of the basis functions that are not zero in an interval (de Boor and Cox). */
function functionsAt(
  knots: Float64Array,
  { degree, at, x }: { degree: number; at: number; x: number },
): Float64Array {
  const values = new Float64Array(degree + 1);
  values[0] = 1;
  for (let order = 1; order <= degree; order++) {
    let carried = 0;
    for (let i = 0; i < order; i++) {
      const right = knots[at + i + 1] as number;
      const left = knots[at + i + 1 - order] as number;
      const part = right === left ? 0 : (values[i] as number) / (right - left);
      values[i] = carried + part * (right - x);
      carried = part * (x - left);
    }
    values[order] = carried;
  }
  return values;
}

/** Returns the sum of basis functions, the first of which has that number, by their weights in each spline. */
function weighted(
  { coefficients, width }: Spline,
  first: number,
  values: Float64Array,
): Float64Array {
  return Float64Array.from({ length: width }, (_, spline) => {
    return values.reduce(
      (sum, value, i) => sum + value * (coefficients[(first + i) * width + spline] as number),
      0,
    );
  });
}
