/** Property tests of numbers in JSON against JSON.parse: random documents, and numbers half way between two doubles. */
import { expect } from 'chai';
import {
  extractNumbers,
  type NumberArray,
  type Place,
} from '../src/protocol/numbers/number-arrays.ts';

/** xorshift: the same in each run. */
let state = 2_463_534_242;
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}

const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
const pick = <T>(items: readonly T[]): T => items[between(0, items.length - 1)] as T;
const digits = (count: number) => Array.from({ length: count }, () => between(0, 9)).join('');

const NUMBERS: readonly (() => string)[] = [
  () => String(between(-100, 100)),
  () => String(between(-999_999_999, 999_999_999) * 1000),
  () => (random() * 10).toFixed(between(1, 3)),
  () => String(random() - 0.5),
  () => String(Math.fround((random() - 0.5) * 10 ** between(-6, 6))),
  () => String((random() - 0.5) * 10 ** between(-70, 6)),
  () => `${between(0, 99)}.${digits(between(1, 16))}`,
  () => `0.${'0'.repeat(between(0, 9))}${between(1, 9)}${digits(between(0, 16))}`,
  () => pick(['0', '-0', '0.0', '-0.00', '0e-5', '1E-5', '123456789012345', '1.5e-07']),
  halfWay,
];

/** An odd number of 54 bits over a power of two, and what is next to it in the last of its digits. */
function halfWay(): string {
  const odd = 2n * (2n ** 52n + BigInt(Math.floor(random() * 2 ** 52))) + 1n;
  const decimals = between(1, 3);
  const text = (odd * 5n ** BigInt(decimals) + BigInt(between(-1, 1))).toString();
  return `${text.slice(0, -decimals)}.${text.slice(-decimals)}`;
}

const space = () => (random() < 0.7 ? '' : pick([' ', '\n', ' \t ', '\r\n']));

interface Form {
  readonly shape: readonly number[];
  readonly number: () => string;
  /** How often something is wrong. */
  readonly hurt: number;
}

function nested({ shape: [length, ...inner], number, hurt }: Form): string {
  if (length === undefined) return number();
  const isHurt = () => random() < hurt;
  const count = isHurt() ? length + between(-1, 1) : length;
  const item = () =>
    isHurt() ? pick(['', '[]', '1', '01', '1.', 'null', '"1"', '[1]']) : undefined;
  const items = Array.from({ length: count }, () => {
    const text = item() ?? nested({ shape: inner, number, hurt });
    return `${space()}${text}${space()}`;
  });
  return `[${items.join(',')}]`;
}

const isData = ({ opened, keys }: Place) =>
  opened === '{[{' && keys[1] === 'inputs' && keys[3] === 'data';

function document(data: string): string {
  const padding = 'pad'.repeat(400);
  return `{"id": "a\\"]b", "inputs": [{"name": "x", "data": ${data}, "parameters": {"data": [1, 2]}},
    {"data"${space()}:${space()}[3, 4]}], "data": [5], "x": "${padding}\\\\"}`;
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

function randomShape(): number[] {
  const rank = between(1, 4);
  const most = [20_000, 100, 20, 8][rank - 1] as number;
  return Array.from({ length: rank }, () => between(1, most));
}

describe('numbers in JSON', () => {
  it('are what JSON.parse says, however they are written', () => {
    for (const number of NUMBERS) {
      const texts = Array.from({ length: 50_000 }, number);
      const text = document(`[${texts.join(',')}]`);
      const extraction = extractNumbers(Buffer.from(text), isData);
      const [array] = extraction?.arrays.values() ?? [];
      expect(array?.shape, texts[0]).to.deep.equal([texts.length]);
      const wrong = texts.filter((one, i) => !Object.is(array?.data[i], Number(one)));
      expect(wrong).to.deep.equal([]);
    }
  }).timeout(20_000);

  it('lie in each other as JSON.parse says', () => {
    for (let i = 0; i < 500; i++) {
      const shape = i % 5 === 0 ? [between(1, 8000), between(1, 6)] : randomShape();
      const text = document(nested({ shape, number: () => pick(NUMBERS)(), hurt: 0 }));
      expect(extracted(text), `shape ${shape}`).to.deep.equal(parsed(text));
    }
  }).timeout(60_000);

  it('are left to JSON.parse, or read as it does, when something is wrong with them', () => {
    let left = 0;
    for (let i = 0; i < 3000; i++) {
      const shape = Array.from({ length: between(1, 3) }, () => between(1, 12));
      const text = document(nested({ shape, number: () => pick(NUMBERS)(), hurt: 0.01 }));
      const extraction = extractNumbers(Buffer.from(text), isData);
      if (extraction === undefined) left++;
      else expect(extracted(text)).to.deep.equal(parsed(text));
    }
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
