/** Property tests of the text of floats against `Number` and `Math.fround`: random bits, and what is next to powers of ten. */
import { expect } from 'chai';
import { float32sText, shortest } from '../src/protocol/numbers/number-text.ts';

const COUNT = 300_000;
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** xorshift: the same bits in each run. */
function* random(): Generator<number> {
  let state = 2_463_534_242;
  for (;;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield state >>> 0;
  }
}

function floatOf(pattern: number): number {
  bits[0] = pattern;
  return float[0] as number;
}

function samples(): number[] {
  const values: number[] = [];
  for (const pattern of random()) {
    if (values.length >= COUNT) break;
    const value = floatOf(pattern);
    if (Number.isFinite(value)) values.push(value);
    // As many of the size that models give.
    values.push(Math.fround((pattern / 2 ** 32) * 10 ** ((pattern % 13) - 6)));
  }
  for (let exponent = -45; exponent <= 38; exponent++) {
    const value = Math.fround(10 ** exponent);
    float[0] = value;
    const pattern = bits[0] as number;
    for (const step of [-2, -1, 0, 1, 2]) values.push(floatOf(pattern + step));
  }
  const known = [0, -0, 1, -1, 0.1, 16_777_216, 3.4028234663852886e38];
  return [...values.filter(Number.isFinite), ...known.map(Math.fround)];
}

describe('the text of a float32', () => {
  it('reads back as the same float', () => {
    const odd = samples().filter((value) => Math.fround(Number(String(shortest(value)))) !== value);
    expect(odd.slice(0, 5)).to.deep.equal([]);
  });

  it('has no digit more than it takes', () => {
    const digits = (value: number) =>
      value.toExponential().split('e')[0]?.replace(/\D/g, '').length;
    const tooLong = samples().filter((value) => {
      const text = shortest(value);
      const count = digits(text) ?? 0;
      if (count <= 1) return false;
      return Math.fround(Number(value.toPrecision(count - 1))) === value;
    });
    expect(tooLong.slice(0, 5)).to.deep.equal([]);
  });

  it('is that of arrays, too', () => {
    const data = Float32Array.from(samples());
    const text = float32sText(data) as string;
    const read = JSON.parse(text) as number[];
    expect(read).to.have.length(data.length);
    expect(read.findIndex((value, i) => value !== shortest(data[i] as number))).to.equal(-1);
    expect(text).to.match(/^\[[-+\d.e,]+\]$/);
    const alone = samples().find(
      (value) => float32sText(Float32Array.of(value)) !== JSON.stringify([shortest(value)]),
    );
    expect(alone).to.equal(undefined);
    expect(float32sText(Float32Array.of(1, Number.NaN))).to.equal(undefined);
    expect(float32sText(new Float32Array(0))).to.equal('[]');
  });
});
