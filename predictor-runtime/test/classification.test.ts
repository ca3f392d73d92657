/** Classes of outputs, as Triton's classification extension makes them. */
import { expect } from 'chai';
import { classify } from '../src/protocol/v2/classification.ts';
import type { Datatype, TensorData } from '../src/protocol/v2/datatypes.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

function classes(datatype: Datatype, data: TensorData, count = 4): string[] {
  const tensor = { name: 'x', datatype, shape: [data.length], data };
  const { data: texts } = classify(tensor, { count, labels: [], batched: false });
  return (texts as Buffer[]).map(String);
}

describe('classification', () => {
  it('tells 64-bit integers exactly, and their order', () => {
    // What Triton 2.51 answers.
    const values = BigInt64Array.of(9007199254740993n, 9007199254740992n, -(2n ** 63n), 7n);
    expect(classes('INT64', values)).to.deep.equal([
      '9007199254740993:0',
      '9007199254740992:1',
      '7:3',
      '-9223372036854775808:2',
    ]);
    expect(classes('UINT64', BigUint64Array.of(2n ** 64n - 2n, 2n ** 64n - 1n))).to.deep.equal([
      '18446744073709551615:1',
      '18446744073709551614:0',
    ]);
  });

  it('tells other numbers as C++ writes them, NaN last', () => {
    // What Triton 2.51 answers, but for the place of NaN, which stays where it is there.
    expect(classes('FP32', Float32Array.of(0.5, 1e22, -0.25, 0.0078125))).to.deep.equal([
      '9999999778196308361216.000000:1',
      '0.500000:0',
      '0.007812:3',
      '-0.250000:2',
    ]);
    const special = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, -Infinity, 1);
    expect(classes('FP32', special)).to.deep.equal(['inf:1', '1.000000:3', '-inf:2', 'nan:0']);
    // Ties go to the even digit, as C's printf has it.
    expect(classes('FP64', Float64Array.of(3 / 128, -1 / 128, 1 / 64))).to.deep.equal([
      '0.023438:0',
      '0.015625:2',
      '-0.007812:1',
    ]);
    expect(classes('BOOL', Uint8Array.of(0, 1))).to.deep.equal(['1:1', '0:0']);
  });

  for (const [title, config, shape, data] of [
    ['each row without a configuration', undefined, [2, 1], ['8:3', '9:0']],
    ['each row of a batch', 'max_batch_size: 4', [2, 1], ['8:3', '9:0']],
    ['the whole tensor without a batch', 'max_batch_size: 0', [1], ['9:4:five']],
    ['the whole tensor of dims in full', 'input { name: "a" dims: [-1, 4] }', [1], ['9:4:five']],
  ] as const) {
    it(`takes ${title}`, async () => {
      using folder = new RepositoryFolder({ add: { model: 'add_two' } });
      if (config !== undefined) {
        const labels = 'output { name: "sum" label_filename: "labels.txt" }';
        folder.put('add/config.pbtxt', `${config} ${labels}`);
        // A line without text is no label.
        folder.put('add/labels.txt', '\n\n\n\nfive\n');
      }
      await withServer({ modelRepository: [folder.dir] }, async (url) => {
        const tensor = { datatype: 'INT32', shape: [2, 4] };
        const { json } = await call(`${url}/v2/models/add/infer`, {
          inputs: [
            { name: 'a', ...tensor, data: [1, 2, 3, 4, 5, 2, 1, 0] },
            { name: 'b', ...tensor, data: [1, 2, 3, 4, 4, 2, 1, 0] },
          ],
          outputs: [{ name: 'sum', parameters: { classification: 1 } }],
        });
        expect(json.outputs).to.deep.equal([{ name: 'sum', datatype: 'BYTES', shape, data }]);
      });
    });
  }
});
