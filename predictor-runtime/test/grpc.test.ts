/** The V2 protocol over gRPC: the same data plane as REST, the same errors. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, credentials, type ServiceDefinition } from '@grpc/grpc-js';
import { expect } from 'chai';
import { service as healthService } from 'grpc-health-check';
import { failure, withGrpc } from './grpc-client.ts';

const folder = (name: string) => fileURLToPath(new URL(`models/${name}`, import.meta.url));
const add = { modelName: 'add', modelDir: folder('add_two') };
const int32 = (...values: number[]) => Buffer.from(Int32Array.from(values).buffer);
const input = (name: string, contents?: object, shape = [1, 4], datatype = 'INT32') => ({
  name,
  datatype,
  shape,
  contents,
});
const typed = { int_contents: [1, 2, 3, 4] };

interface Response {
  id: string;
  outputs: {
    name: string;
    datatype: string;
    shape: string[];
    contents: { int_contents: number[] } | null;
  }[];
  raw_output_contents: Buffer[];
}

describe('V2 over gRPC', () => {
  it('tells live, ready and metadata', async () => {
    await withGrpc(add, async (call) => {
      expect(await call('ServerLive', {})).to.deep.equal({ live: true });
      expect(await call('ServerReady', {})).to.deep.equal({ ready: true });
      expect(await call('ModelReady', { name: 'add' })).to.deep.equal({ ready: true });
      expect(await call('ServerMetadata', {})).to.include({ name: 'wherry' });
      expect(await call('ModelMetadata', { name: 'add' })).to.deep.equal({
        name: 'add',
        versions: ['1'],
        platform: 'onnxruntime_onnx',
        inputs: ['a', 'b'].map((name) => ({ name, datatype: 'INT32', shape: ['-1', '4'] })),
        outputs: ['sum', 'diff'].map((name) => ({ name, datatype: 'INT32', shape: ['-1', '4'] })),
      });
    });
  });

  it('answers typed contents with typed contents, and raw with raw', async () => {
    await withGrpc(add, async (call) => {
      const inputs = [input('a', typed), input('b', { int_contents: [1, 1, 1, 1] })];
      const reply = await call<Response>('ModelInfer', { model_name: 'add', id: '7', inputs });
      expect(reply.id).to.equal('7');
      expect(reply.outputs[0]?.contents?.int_contents).to.deep.equal([2, 3, 4, 5]);
      expect(reply.raw_output_contents).to.deep.equal([]);
      const raw = await call<Response>('ModelInfer', {
        model_name: 'add',
        inputs: [input('a'), input('b')],
        outputs: [{ name: 'diff' }],
        raw_input_contents: [int32(5, 6, 7, 8), int32(1, 1, 1, 1)],
      });
      expect(raw.outputs.map(({ name }) => name)).to.deep.equal(['diff']);
      expect(raw.raw_output_contents[0]?.equals(int32(4, 5, 6, 7))).to.equal(true);
    });
  });

  const cases: [string, object, string][] = [
    ['an unknown model', { model_name: 'x' }, "5 model 'x' is not found; this server has add"],
    ['an unknown version', { model_version: '3' }, "5 model 'add' has no version 3; it has 1"],
    ['no inputs', {}, "3 inputs: model 'add' also needs 'a', 'b'"],
    [
      'an unknown datatype',
      { inputs: [input('a', typed, [1, 4], 'INT33')] },
      "3 inputs[0].datatype: unknown datatype 'INT33', expected one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64, BYTES",
    ],
    [
      'a wrong datatype',
      { inputs: [input('a', { fp32_contents: [1, 2, 3, 4] }, [1, 4], 'FP32')] },
      "3 inputs[0].datatype: input 'a' is INT32, got FP32",
    ],
    [
      'contents in the wrong field',
      { inputs: [input('a', { fp32_contents: [1, 2, 3, 4] })] },
      '3 inputs[0].contents.int_contents: shape [1,4] has 4 elements, got 0',
    ],
    [
      'a wrong count',
      { inputs: [input('a', { int_contents: [1] })] },
      '3 inputs[0].contents.int_contents: shape [1,4] has 4 elements, got 1',
    ],
    [
      'a negative dimension',
      { inputs: [input('a', typed, [-1, 4])] },
      '3 inputs[0].shape[0]: expected a non-negative integer, got "-1"',
    ],
    [
      'raw for some inputs only',
      { inputs: [input('a'), input('b')], raw_input_contents: [int32(1)] },
      '3 raw_input_contents: has 1 entries for 2 inputs; use it for all of them or none',
    ],
    [
      'raw and typed',
      { inputs: [input('a', typed)], raw_input_contents: [int32(1, 2, 3, 4)] },
      '3 inputs[0].contents: is given beside raw_input_contents',
    ],
    [
      'raw of the wrong size',
      { inputs: [input('a')], raw_input_contents: [int32(1)] },
      '3 raw_input_contents of inputs[0]: shape [1,4] of INT32 has 16 bytes, got 4',
    ],
    [
      'typed FP16',
      { inputs: [input('a', { fp32_contents: [1] }, [1], 'FP16')] },
      '3 inputs[0]: FP16 is sent in raw_input_contents',
    ],
    [
      'an integer out of range',
      { inputs: [input('a', { int_contents: [300] }, [1], 'INT8')] },
      '3 inputs[0].contents.int_contents[0]: 300 is not a INT8 value',
    ],
    [
      'an unknown output',
      { inputs: [input('a', typed), input('b', typed)], outputs: [{ name: 'x' }] },
      "3 outputs[0].name: model 'add' has no output 'x', expected 'sum', 'diff'",
    ],
  ];
  for (const [name, request, expected] of cases) {
    it(name, async () => {
      await withGrpc(add, async (call) => {
        const got = await call('ModelInfer', { model_name: 'add', ...request }).then(
          () => 'OK',
          failure,
        );
        expect(got).to.equal(expected);
      });
    });
  }

  it('refuses a message that is too large', async () => {
    await withGrpc({ ...add, maxBodyBytes: 1000 }, async (call) => {
      const inputs = [input('a', undefined, [1000, 4])];
      const raw_input_contents = [Buffer.alloc(16_000)];
      const got = await call('ModelInfer', { model_name: 'add', inputs, raw_input_contents }).then(
        () => 'OK',
        failure,
      );
      expect(got).to.match(/^8 /);
      expect(await call('ServerLive', {})).to.deep.equal({ live: true });
    });
  });

  it('answers grpc.health.v1 and reflection', async () => {
    await withGrpc(add, async (_call, port) => {
      const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
      const { Check } = healthService as ServiceDefinition;
      if (Check === undefined) throw new Error('no Check');
      for (const name of ['', 'inference.GRPCInferenceService']) {
        const { status } = await new Promise<{ status: string }>((resolve, reject) =>
          client.makeUnaryRequest(
            Check.path,
            Check.requestSerialize,
            Check.responseDeserialize,
            { service: name },
            (error, reply) => (error === null ? resolve(reply as never) : reject(error)),
          ),
        );
        expect(status).to.equal('SERVING');
      }
      const stream = client.makeBidiStreamRequest(
        '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        (value: Buffer) => value,
        (value: Buffer) => value,
      );
      // list_services (field 7) of the empty string.
      stream.write(Buffer.from([0x3a, 0x00]));
      const answer = await new Promise<Buffer>((resolve, reject) =>
        stream.once('data', resolve).once('error', reject),
      );
      expect(answer.toString('latin1')).to.contain('inference.GRPCInferenceService');
      stream.end();
      client.close();
    });
  });

  for (const name of readdirSync(new URL('models/', import.meta.url))) {
    const golden = `${folder(name)}/golden.json`;
    if (!existsSync(golden) || !existsSync(`${folder(name)}/model.onnx`)) continue;
    it(`golden ${name}, raw`, async () => {
      const { cases: all } = JSON.parse(readFileSync(golden, 'utf8')) as {
        cases: {
          name: string;
          exact: boolean;
          request: {
            inputs: { name: string; datatype: string; shape: number[]; raw_b64?: string }[];
          };
          response: { outputs: { name: string; raw_b64?: string }[] };
        }[];
      };
      await withGrpc({ modelName: name, modelDir: folder(name) }, async (call) => {
        for (const { name: title, request, response, exact } of all) {
          if (request.inputs.some(({ raw_b64 }) => raw_b64 === undefined)) continue;
          const reply = await call<Response>('ModelInfer', {
            model_name: name,
            inputs: request.inputs.map(({ name: n, datatype, shape }) => ({
              name: n,
              datatype,
              shape,
            })),
            raw_input_contents: request.inputs.map(({ raw_b64 }) =>
              Buffer.from(raw_b64 ?? '', 'base64'),
            ),
          });
          reply.outputs.forEach((output, i) => {
            const expected = response.outputs.find((o) => o.name === output.name)?.raw_b64;
            const got = reply.raw_output_contents[i]?.toString('base64');
            if (exact && expected !== undefined)
              expect(got, `${title} ${output.name}`).to.equal(expected);
          });
        }
      });
    });
  }
});
