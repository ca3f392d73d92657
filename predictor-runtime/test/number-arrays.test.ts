/** Property tests of numbers in JSON against JSON.parse: random documents, and numbers half way between two doubles. */
import { expect } from 'chai';
import fc from 'fast-check';
import {
  extractNumbers,
  type NumberArray,
  type Place,
} from '../src/protocol/numbers/number-arrays.ts';

const between = (min: number, max: number) => fc.integer({ min, max });
const digits = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength, maxLength });
/** Between -0.5 and 0.5, and never as close to 0 as a double can be. */
const half = between(0, 2 ** 32 - 1).map((value) => value / 2 ** 32 - 0.5);

/** An odd number of 54 bits over a power of two, and what is next to it in the last of its digits. */
const halfWay = fc
  .tuple(fc.bigInt(2n ** 52n, 2n ** 53n - 1n), between(1, 3), fc.bigInt(-1n, 1n))
  .map(([number, decimals, offset]) => {
    const text = ((2n * number + 1n) * 5n ** BigInt(decimals) + offset).toString();
    return `${text.slice(0, -decimals)}.${text.slice(-decimals)}`;
  });

/** Texts of numbers, by what they try. */
const NUMBERS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  'small integers': between(-100, 100).map(String),
  'large integers': between(-999_999_999, 999_999_999).map((value) => String(value * 1000)),
  'few decimals': fc
    .tuple(half, between(1, 3))
    .map(([value, decimals]) => (10 * (value + 0.5)).toFixed(decimals)),
  doubles: half.map(String),
  'single precision': fc
    .tuple(half, between(-6, 6))
    .map(([value, power]) => String(Math.fround(value * 10 ** power))),
  exponents: fc.tuple(half, between(-70, 6)).map(([value, power]) => String(value * 10 ** power)),
  'digits after the point': fc
    .tuple(between(0, 99), digits(1, 16))
    .map(([whole, decimals]) => `${whole}.${decimals}`),
  'zeros after the point': fc
    .tuple(between(0, 9), between(1, 9), digits(0, 16))
    .map(([zeros, first, rest]) => `0.${'0'.repeat(zeros)}${first}${rest}`),
  'odd forms': fc.constantFrom(
    ...['0', '-0', '0.0', '-0.00', '0e-5', '1E-5', '123456789012345', '1.5e-07'],
  ),
  'half way between doubles': halfWay,
};

const space = fc.oneof(
  { weight: 7, arbitrary: fc.constant('') },
  { weight: 3, arbitrary: fc.constantFrom(' ', '\n', ' \t ', '\r\n') },
);
const spaced = fc
  .tuple(space, fc.oneof(...Object.values(NUMBERS)), space)
  .map((parts) => parts.join(''));
/** Numbers that an array of any size repeats: a few shrink faster than the thousands that it takes to fill a chunk. */
const numbers = fc.array(spaced, { minLength: 1, maxLength: 300 });

/** Changes one item of the arrays, which are counted with the numbers and in the order in which they end. */
interface Fault {
  readonly item: number;
  /** The text that takes the item's place; undefined leaves it out. */
  readonly text: string | undefined;
}

const fault: fc.Arbitrary<Fault> = fc.record({
  item: fc.nat(500),
  text: fc.constantFrom(
    '',
    '[]',
    '1',
    '01',
    '1.',
    'null',
    '"1"',
    '[1]',
    '1,1',
    '[1],[1]',
    undefined,
  ),
});

/** The text of nested arrays of that shape. */
function nested(shape: readonly number[], texts: readonly string[], faults: readonly Fault[] = []) {
  const changes = new Map(faults.map(({ item, text }) => [item, text]));
  let item = 0;
  let number = 0;
  const part = (depth: number): string => {
    if (depth === shape.length) return texts[number++ % texts.length] as string;
    const items: string[] = [];
    for (let i = 0; i < (shape[depth] as number); i++) {
      const text = part(depth + 1);
      const changed = changes.has(item) ? changes.get(item) : text;
      item++;
      if (changed !== undefined) items.push(changed);
    }
    return `[${items.join(',')}]`;
  };
  return part(0);
}

const isData = ({ opened, keys }: Place) =>
  opened === '{[{' && keys[1] === 'inputs' && keys[3] === 'data';

/** A request that holds the data, and other arrays in places that look alike. */
function document(data: string, space = ''): string {
  const padding = 'pad'.repeat(400);
  return `{"id": "a\\"]b", "inputs": [{"name": "x", "data": ${data}, "parameters": {"data": [1, 2]}},
    {"data"${space}:${space}[3, 4]}], "data": [5], "x": "${padding}\\\\"}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a reader gets; undefined where the numbers are left to JSON.parse. */
function extracted(text: string): unknown {
  const extraction = extractNumbers(Buffer.from(text), isData);
  if (extraction === undefined) return undefined;
  const { arrays } = extraction;
  return JSON.parse(
    extraction.text,
    (_, value) =>
      (typeof value === 'string' ? (arrays.get(value) as NumberArray)?.toJSON() : undefined) ??
      value,
  );
}

const largestShapes = [20_000, 100, 20, 8];
const anyShape = fc.oneof(
  fc.tuple(between(1, 8000), between(1, 6)),
  ...largestShapes.map((largest, i) =>
    fc.array(between(1, largest), { minLength: i + 1, maxLength: i + 1 }),
  ),
);
const smallShape = fc.array(between(1, 12), { minLength: 1, maxLength: 3 });

describe('numbers in JSON', () => {
  for (const [name, number] of Object.entries(NUMBERS)) {
    it(`are what JSON.parse says, however they are written: ${name}`, () => {
      fc.assert(
        fc.property(fc.array(number, { minLength: 1, maxLength: 1000, size: 'max' }), (texts) => {
          const text = document(`[${texts.join(',')}]`);
          const extraction = extractNumbers(Buffer.from(text), isData);
          const [array] = extraction?.arrays.values() ?? [];
          expect(array?.shape, texts[0]).to.deep.equal([texts.length]);
          const wrong = texts.filter((one, i) => !Object.is(array?.data[i], Number(one)));
          expect(wrong).to.deep.equal([]);
        }),
        { numRuns: 200 },
      );
    }).timeout(20_000);
  }

  it('lie in each other as JSON.parse says', () => {
    fc.assert(
      fc.property(anyShape, numbers, space, (shape, texts, around) => {
        const text = document(nested(shape, texts), around);
        expect(extracted(text), `shape ${shape}`).to.deep.equal(parsed(text));
      }),
      { numRuns: 500 },
    );
  }).timeout(60_000);

  it('are left to JSON.parse, or read as it does, when something is wrong with them', () => {
    let left = 0;
    fc.assert(
      fc.property(
        smallShape,
        numbers,
        fc.array(fault, { maxLength: 3 }),
        (shape, texts, faults) => {
          const text = document(nested(shape, texts, faults));
          const extraction = extractNumbers(Buffer.from(text), isData);
          if (extraction === undefined) left++;
          else expect(extracted(text)).to.deep.equal(parsed(text));
        },
      ),
      { numRuns: 3000 },
    );
    expect(left).to.be.within(100, 2900);
  }).timeout(60_000);

  it('are left to JSON.parse where they are no plain ones', () => {
    const odd = [
      '[1e400]',
      '[1e5]',
      '[12345678901234567]',
      '[0.12345678901234567890]',
      '[1,]',
      '[NaN]',
    ];
    for (const data of [...odd, '[[1],[2,3]]', '[[1],2]', '[1,[2]]', '[]', '[[]]', '[1', '[+1]']) {
      expect(extractNumbers(Buffer.from(document(data)), isData), data).to.equal(undefined);
    }
    expect(extractNumbers(Buffer.from('[1]'), () => true)).to.equal(undefined);
  });
});
