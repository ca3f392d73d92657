import { fileURLToPath } from 'node:url';
import { deflateSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { decodeElements, encodeElements } from '../src/protocol/v2/binary.ts';
import { DATATYPES, type Datatype, datatype } from '../src/protocol/v2/datatypes.ts';
import type { Tensor } from '../src/protocol/v2/types.ts';
import { acceptedCoding, codingsOf } from '../src/transport/rest/codings.ts';
import { sendBinary } from './binary-client.ts';
import { withServer } from './server.ts';

const addTwo = fileURLToPath(new URL('models/add_two', import.meta.url));
const int32 = (...values: number[]) => Buffer.from(Int32Array.from(values).buffer);
const input = (name: string, size: unknown, shape = [1, 4]) => ({
  name,
  datatype: 'INT32',
  shape,
  parameters: { binary_data_size: size },
});

describe('binary tensors', () => {
  for (const type of Object.keys(DATATYPES) as Datatype[]) {
    const { bytes: size } = datatype(type);
    if (size === undefined || type === 'BOOL') continue;
    it(`${type}: bytes in are bytes out, at any alignment`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(8), (raw, shift) => {
          const whole = raw.subarray(0, raw.length - (raw.length % size));
          const shifted = Buffer.alloc(whole.length + shift);
          shifted.set(whole, shift);
          const bytes = shifted.subarray(shift);
          const shape = [whole.length / size];
          const data = decodeElements(type, shape, bytes, 'x');
          const out = encodeElements({ name: 'x', datatype: type, shape, data });
          expect(out.equals(whole)).to.equal(true);
        }),
      );
    });
  }

  it('BYTES: strings in are strings out', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (elements) => {
        const data = elements.map((bytes) => Buffer.from(bytes));
        const tensor: Tensor = { name: 'x', datatype: 'BYTES', shape: [data.length], data };
        const bytes = encodeElements(tensor);
        expect(decodeElements('BYTES', tensor.shape, bytes, 'x')).to.deep.equal(data);
      }),
    );
  });

  it('any bytes for BYTES or BOOL are a tensor or an error for the caller', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(5), fc.constantFrom('BYTES', 'BOOL'), (raw, n, type) => {
        try {
          decodeElements(type as Datatype, [n], Buffer.from(raw), 'x');
        } catch (error) {
          expect(error).to.have.property('code', 'INVALID_ARGUMENT');
        }
      }),
    );
  });

  const cases: [string, object | string, Buffer[], number, string][] = [
    [
      'in and in JSON out',
      { inputs: [input('a', 16), input('b', 16)] },
      [int32(1, 2, 3, 4), int32(1, 1, 1, 1)],
      200,
      '"data":[2,3,4,5]',
    ],
    [
      'too few bytes',
      { inputs: [input('a', 16), input('b', 16)] },
      [int32(1, 2, 3, 4, 5)],
      400,
      'inputs[1].parameters.binary_data_size: 16 bytes are announced, but 4 follow',
    ],
    [
      'too many bytes',
      { inputs: [input('a', 16), input('b', 16)] },
      [int32(1, 2, 3, 4, 5, 6, 7, 8, 9)],
      400,
      'body: 4 bytes after the last tensor',
    ],
    [
      'a size that does not fit the shape',
      { inputs: [input('a', 12)] },
      [int32(1, 2, 3)],
      400,
      'shape [1,4] of INT32 has 16 bytes, got 12',
    ],
    [
      'a size that is no number',
      { inputs: [input('a', '16')] },
      [int32(1, 2, 3, 4)],
      400,
      'expected a number of bytes, got "16"',
    ],
    [
      'data twice',
      { inputs: [{ ...input('a', 16), data: [1] }] },
      [int32(1, 2, 3, 4)],
      400,
      'inputs[0]: has both data and binary_data_size',
    ],
    ['JSON that is none', '{"inputs": [', [], 400, 'body is not JSON'],
  ];
  for (const [name, json, buffers, status, text] of cases) {
    it(name, async () => {
      await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
        const reply = await sendBinary(`${url}/v2/models/add/infer`, { json, buffers });
        expect(reply.status, reply.json).to.equal(status);
        expect(status === 200 ? reply.json : JSON.parse(reply.json).error).to.contain(text);
      });
    });
  }

  it('mixes JSON and bytes, each output as it is asked for', async () => {
    await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
      const reply = await sendBinary(`${url}/v2/models/add/infer`, {
        json: {
          inputs: [
            { name: 'a', datatype: 'INT32', shape: [1, 4], data: [5, 6, 7, 8] },
            input('b', 16),
          ],
          outputs: [{ name: 'sum', parameters: { binary_data: false } }, { name: 'diff' }],
          parameters: { binary_data_output: true },
        },
        buffers: [int32(1, 1, 1, 1)],
      });
      expect(JSON.parse(reply.json).outputs).to.deep.equal([
        { name: 'sum', datatype: 'INT32', shape: [1, 4], data: [6, 7, 8, 9] },
        { name: 'diff', datatype: 'INT32', shape: [1, 4], parameters: { binary_data_size: 16 } },
      ]);
      expect(reply.binary.equals(int32(4, 5, 6, 7))).to.equal(true);
      expect(reply.headers.get('content-type')).to.equal('application/octet-stream');
    });
  });

  it('refuses a header that is no length of the body', async () => {
    await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
      for (const value of ['-1', '9999', 'x']) {
        const headers = { 'inference-header-content-length': value };
        const reply = await fetch(`${url}/v2/models/add/infer`, {
          method: 'POST',
          headers,
          body: '{}',
        });
        expect(await reply.json()).to.deep.equal({
          error: `inference-header-content-length: expected 0 to 2, the length of the body, got '${value}'`,
        });
      }
    });
  });
});

describe('compression', () => {
  const body = JSON.stringify({
    inputs: ['a', 'b'].map((name) => ({
      name,
      datatype: 'INT32',
      shape: [200, 4],
      data: new Array(800).fill(1),
    })),
  });

  for (const [encoding, packed] of [
    ['gzip', gzipSync(body)],
    ['deflate', deflateSync(body)],
    ['zstd', zstdCompressSync(body)],
  ] as const) {
    it(`${encoding}, both ways`, async () => {
      await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
        const headers = { 'content-encoding': encoding, 'accept-encoding': encoding };
        const reply = await fetch(`${url}/v2/models/add/infer`, {
          method: 'POST',
          headers,
          body: packed,
        });
        expect(reply.headers.get('content-encoding')).to.equal(encoding);
        const bytes = Buffer.from(await reply.arrayBuffer());
        // Node's client unpacks what it knows, which zstd is not everywhere.
        const text = bytes[0] === 0x7b ? bytes : zstdDecompressSync(bytes);
        const { outputs } = JSON.parse(String(text)) as { outputs: { data: number[] }[] };
        expect(outputs[0]?.data).to.deep.equal(new Array(800).fill(2));
      });
    });
  }

  it('reads the names of codings in capitals, old ones, and several of them', async () => {
    await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
      for (const [encoding, packed] of [
        ['GZIP', gzipSync(body)],
        ['X-Gzip', gzipSync(body)],
        ['identity, Deflate', deflateSync(body)],
        ['deflate, gzip', gzipSync(deflateSync(body))],
        ['Identity', body],
      ] as const) {
        const headers = { 'content-encoding': encoding };
        const reply = await fetch(`${url}/v2/models/add/infer`, {
          method: 'POST',
          headers,
          body: packed,
        });
        expect(reply.status, encoding).to.equal(200);
      }
    });
    for (const [header, codings] of [
      [undefined, []],
      ['', []],
      ['gzip,, x-gzip', ['gzip', 'gzip']],
    ] as const) {
      expect(codingsOf(header)).to.deep.equal(codings);
    }
    expect(() => codingsOf('gzip, br')).to.throw("content-encoding 'br' is not supported");
    expect(() => codingsOf('gzip,gzip,gzip,gzip,gzip')).to.throw('may have 4 codings, this has 5');
  });

  it('chooses the coding that the client likes best', () => {
    for (const [header, coding] of [
      ['gzip, deflate, br, zstd', 'gzip'],
      ['br, zstd', 'zstd'],
      ['X-GZIP', 'gzip'],
      ['gzip;q=0.5, zstd', 'zstd'],
      ['gzip ; q=0, deflate;q=0.1', 'deflate'],
      ['gzip;q=0.000, identity', undefined],
      ['br', undefined],
    ] as const) {
      expect(acceptedCoding(header), header).to.equal(coding);
    }
  });

  it('leaves small answers and unwilling clients alone', async () => {
    await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
      const small = await fetch(`${url}/v2`, { headers: { 'accept-encoding': 'gzip' } });
      expect(small.headers.get('content-encoding')).to.equal(null);
      const headers = { 'accept-encoding': 'gzip;q=0, identity' };
      const large = await fetch(`${url}/v2/models/add/infer`, { method: 'POST', headers, body });
      expect(large.headers.get('content-encoding')).to.equal(null);
    });
  });

  it('stops a bomb at the limit, and says when a body is not what it claims', async () => {
    await withServer({ modelName: 'add', modelDir: addTwo, maxBodyBytes: 100_000 }, async (url) => {
      const send = (bytes: Buffer) =>
        fetch(`${url}/v2/models/add/infer`, {
          method: 'POST',
          headers: { 'content-encoding': 'gzip' },
          body: bytes,
        });
      const bomb = await send(gzipSync(Buffer.alloc(50_000_000)));
      expect([bomb.status, await bomb.json()]).to.deep.equal([
        413,
        { error: 'body is larger than 100000 bytes; send fewer rows at a time' },
      ]);
      const plain = await send(Buffer.from('{}'));
      expect([plain.status, await plain.json()]).to.deep.equal([
        400,
        { error: 'body is not gzip: incorrect header check' },
      ]);
    });
  });
});
