/**
 * Kubernetes quantities, such as `500m` or `1Gi`. The API server stores them in one canonical form; what is planned
 * has it from the start, or it would differ from what is stored for ever.
 */

/** A quantity as an exact number, and the family of suffixes that it was written with. */
interface Quantity {
  /** Billionths, rounded up, which is as fine as Kubernetes is. */
  readonly billionths: bigint;
  readonly family: 'decimal' | 'binary' | 'exponent';
}

const BILLION = 10n ** 9n;
const DECIMAL = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const FORM = /^(\d*)(?:\.(\d*))?([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;

/**
 * Returns a quantity of 0 or more in the API server's canonical form: `1024Mi` is `1Gi`, `0.5` is `500m`.
 * @throws Error for what is no quantity
 */
export function canonicalQuantity(text: string): string {
  const { billionths, family } = parse(text);
  // Kubernetes writes fractions, and less than the first binary suffix, in decimal.
  if (family === 'binary' && billionths >= 1024n * BILLION && billionths % BILLION === 0n) {
    const whole = billionths / BILLION;
    const power = factors(whole, 1024n, BINARY.length - 1);
    return `${whole / 1024n ** BigInt(power)}${BINARY[power]}`;
  }
  const power = billionths === 0n ? 3 : factors(billionths, 1000n, DECIMAL.length - 1);
  const mantissa = billionths / 1000n ** BigInt(power);
  const exponent = 3 * (power - 3);
  if (family === 'exponent') return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`;
  return `${mantissa}${DECIMAL[power]}`;
}

/** Returns the value of a quantity of 0 or more as a number. @throws Error for what is no quantity */
export function quantityValue(text: string): number {
  return Number(parse(text).billionths) / 1e9;
}

function parse(text: string): Quantity {
  const [, whole = '', fraction = '', suffix = ''] = FORM.exec(text) ?? [];
  if (whole + fraction === '') throw new Error(`"${text}" is no quantity, such as 500m or 1Gi`);
  const digits = BigInt(whole + fraction);
  const binary = BINARY.indexOf(suffix);
  const isBinary = binary > 0;
  const decimal = /^[eE][+-]?\d/.test(suffix)
    ? Number(suffix.slice(1))
    : 3 * (DECIMAL.indexOf(suffix) - 3);
  const power = 9 - fraction.length + (isBinary ? 0 : decimal);
  const scaled = digits * (isBinary ? 1024n ** BigInt(binary) : 1n);
  const divisor = 10n ** BigInt(Math.max(0, -power));
  const billionths = (scaled * 10n ** BigInt(Math.max(0, power)) + divisor - 1n) / divisor;
  const isExponent = suffix.length > 1 && !isBinary;
  return { billionths, family: isBinary ? 'binary' : isExponent ? 'exponent' : 'decimal' };
}

/** Returns how many times `value` can be divided by `factor`, up to `most`. */
function factors(value: bigint, factor: bigint, most: number): number {
  let count = 0;
  for (let rest = value; count < most && rest % factor === 0n; rest /= factor) count++;
  return count;
}
