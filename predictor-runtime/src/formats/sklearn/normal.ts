/** The normal distribution: its quantiles and its shares. */

/** Coefficients of a rational function: those of the numerator, and those of the denominator after its first, 1. */
type Rational = readonly [numerator: readonly number[], denominator: readonly number[]];

/** Wichura's algorithm AS 241 (1988): near the middle, in the tails, and far out in them. */
const MIDDLE: Rational = [
  [
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946,
    45921.95393154987, 67265.7709270087, 33430.57558358813, 2509.0809287301227,
  ],
  [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597,
    39307.89580009271, 28729.085735721943, 5226.495278852854,
  ],
];
const TAIL: Rational = [
  [
    1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045,
    1.2704582524523684, 0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
  ],
  [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008,
    0.015198666563616457, 0.0005475938084995345, 1.0507500716444169e-9,
  ],
];
const FAR: Rational = [
  [
    6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487,
    0.026532189526576124, 0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
  ],
  [
    1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133,
    1.8463183175100548e-5, 1.421511758316446e-7, 2.0442631033899397e-15,
  ],
];

function rational([numerator, denominator]: Rational, x: number): number {
  const polynomial = (coefficients: readonly number[]) =>
    coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0);
  return polynomial(numerator) / polynomial(denominator);
}

/** Returns the value below which that share of the standard normal distribution lies. */
export function normalQuantile(share: number): number {
  if (!(share > 0 && share < 1)) {
    return share === 0
      ? Number.NEGATIVE_INFINITY
      : share === 1
        ? Number.POSITIVE_INFINITY
        : Number.NaN;
  }
  const q = share - 0.5;
  if (Math.abs(q) <= 0.425) return q * rational(MIDDLE, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(q < 0 ? share : 1 - share));
  const value = r <= 5 ? rational(TAIL, r - 1.6) : rational(FAR, r - 5);
  return q < 0 ? -value : value;
}

/** Returns the share of the standard normal distribution below a value. */
export function normalShare(value: number): number {
  const x = Math.abs(value);
  const below = x < 3 ? 0.5 - density(x) * series(x) : density(x) / fraction(x);
  return value > 0 ? 1 - below : below;
}

function density(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

/** Returns the series x + x^3/3 + x^5/(3 * 5) + …, which converges fast near zero. */
function series(x: number): number {
  let term = x;
  let sum = x;
  for (let i = 3; term > sum * 1e-17; i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return sum;
}

/** Returns Laplace's continued fraction x + 1/(x + 2/(x + …)), which converges fast far from zero. */
function fraction(x: number): number {
  let value = x;
  for (let i = 200; i > 0; i--) value = x + i / value;
  return value;
}
