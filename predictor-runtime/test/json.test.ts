import { expect } from 'chai';
import fc from 'fast-check';
import { decodeInferRequest, encodeInferResponse } from '../src/protocol/v2/json.ts';
import type { Tensor } from '../src/protocol/v2/types.ts';

const numbers = {
  FP32: fc.float({ noNaN: true, noDefaultInfinity: true }),
  FP64: fc.double({ noNaN: true, noDefaultInfinity: true }),
  INT8: fc.integer({ min: -128, max: 127 }),
  UINT32: fc.integer({ min: 0, max: 4294967295 }),
  INT64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  UINT64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  BOOL: fc.boolean(),
  BYTES: fc.string(),
};

const ALL_JSON = { outputs: [], binaryOutputs: false };

describe('V2 JSON', () => {
  for (const [datatype, element] of Object.entries(numbers)) {
    it(`what is encoded decodes to the same ${datatype} tensor`, () => {
      fc.assert(
        fc.property(fc.array(element as fc.Arbitrary<unknown>), (values) => {
          const data = values.map((v) =>
            typeof v === 'bigint' ? v.toString() : JSON.stringify(v),
          );
          const text = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[${values.length}],"data":[${data}]}]}`;
          const [first] = decodeInferRequest(text).inputs as [Tensor];
          const encoded = encodeInferResponse({ modelName: 'm', outputs: [first] }, ALL_JSON).json;
          const [second] = decodeInferRequest(encoded.replace('"outputs"', '"inputs"')).inputs as [
            Tensor,
          ];
          // -0 is 0 in JSON.
          const plain = ({ data: d }: Tensor) =>
            Array.from(d as ArrayLike<unknown>, (v) => (v === 0 ? 0 : v));
          expect(plain(second)).to.deep.equal(plain(first));
        }),
      );
    });
  }

  it('reads null as NaN in floating-point tensors and writes NaN as null', () => {
    const { inputs } = decodeInferRequest(
      '{"inputs":[{"name":"x","datatype":"FP16","shape":[2],"data":[null,1.5]}]}',
    );
    const text = encodeInferResponse({ modelName: 'm', outputs: inputs }, ALL_JSON).json;
    expect(text).to.contain('"data":[null,1.5]');
  });

  const floats = (datatype: string, data: string) =>
    decodeInferRequest(
      `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[2],"data":[1.5,${data}]}]}`,
    ).inputs[0] as Tensor;

  /** Largest numbers that IEEE 754 rounds to a finite one, and the least that it does not. */
  const LIMITS = [
    ['FP16', '65519.99', '65520', 0x7bff],
    ['BF16', '3.396e38', '3.39617752923046e38', 0x7f7f],
    ['FP32', '3.4028235677973362e38', '3.4028235677973366e38', 3.4028234663852886e38],
    ['FP64', '1.7976931348623158e308', '1.7976931348623159e308', Number.MAX_VALUE],
  ] as const;
  for (const [datatype, last, first, largest] of LIMITS) {
    it(`refuses a number that would become an infinity in ${datatype}`, () => {
      expect(floats(datatype, last).data[1]).to.equal(largest);
      for (const text of [
        first,
        `-${first}`,
        '1e400',
        `${'9'.repeat(400)}`,
        `-${'9'.repeat(310)}.5`,
      ]) {
        expect(() => floats(datatype, text), text).to.throw(
          /^(inputs\[0\]\.data\[1\]: .* is not a \w+ value|.* is beyond the largest number of double precision)$/,
        );
      }
      expect(() => floats(datatype, '"-Infinity"')).not.to.throw();
    });
  }

  it('answers any text with a request or an error that is meant for the caller', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        try {
          decodeInferRequest(text);
        } catch (error) {
          expect(error).to.have.property('code', 'INVALID_ARGUMENT');
        }
      }),
    );
  });
});
