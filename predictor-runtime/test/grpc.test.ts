/** The V2 protocol over gRPC: the same data plane as REST, the same errors. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, credentials, type ServiceDefinition } from '@grpc/grpc-js';
import { expect } from 'chai';
import { service as healthService } from 'grpc-health-check';
import { failure, service, withGrpc } from './grpc-client.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { eventually } from './server.ts';

const folder = (name: string) => fileURLToPath(new URL(`models/${name}`, import.meta.url));
const add = { modelName: 'add', modelDir: folder('add_two') };
const int32 = (...values: number[]) => Buffer.from(Int32Array.from(values).buffer);
const input = (name: string, contents?: object, shape = [1, 4], datatype = 'INT32') => ({
  name,
  datatype,
  shape,
  contents,
});
const SHARED = { shared_memory_region: { string_param: 'r' } };
const typed = { int_contents: [1, 2, 3, 4] };

interface Response {
  id: string;
  parameters: Record<string, object>;
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

  it('says of a model that it does not know, or not any more, that it is not ready', async () => {
    const config = {
      modelName: 'add',
      modelDir: folder('add_two'),
      modelControlMode: 'explicit',
      loadModel: ['add'],
    } as const;
    await withGrpc(config, async (call) => {
      const ready = async (name: string, version?: string) =>
        (await call<{ ready: boolean }>('ModelReady', { name, version })).ready;
      expect(await ready('add')).to.equal(true);
      expect(await ready('nope')).to.equal(false);
      expect(await ready('add', '9')).to.equal(false);
      expect(await ready('add', 'canary')).to.equal(false);
      await call('RepositoryModelUnload', { model_name: 'add' });
      expect(await ready('add')).to.equal(false);
      expect(await ready('add', '1')).to.equal(false);
    });
  });

  it('refuses parameters whose names are the protocol’s own', async () => {
    await withGrpc(add, async (call) => {
      const inputs = [input('a', typed), input('b', typed)];
      const infer = (name: string) =>
        call('ModelInfer', {
          model_name: 'add',
          inputs,
          parameters: { [name]: { bool_param: true } },
        }).then(() => 'served', failure);
      expect(await infer('triton_final_response')).to.equal(
        "3 parameters.triton_final_response: names that begin with 'triton_' are reserved",
      );
      expect(await infer('triton_enable_empty_final_response')).to.equal('served');
      expect(await infer('mine')).to.equal('served');
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
    [
      'an input in shared memory',
      {
        inputs: [input('a'), { ...input('b'), parameters: SHARED }],
        raw_input_contents: [int32(1, 2, 3, 4)],
      },
      '3 inputs[1].parameters.shared_memory_region: there is no shared memory here, send and receive data in messages',
    ],
    [
      'an output in shared memory',
      {
        inputs: [input('a', typed), input('b', typed)],
        outputs: [{ name: 'sum', parameters: SHARED }],
      },
      '3 outputs[0].parameters.shared_memory_region: there is no shared memory here, send and receive data in messages',
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
    await withGrpc(add, async (_call, { port }) => {
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
      const { Watch } = healthService as ServiceDefinition;
      if (Watch === undefined) throw new Error('no Watch');
      const watch = client.makeServerStreamRequest(
        Watch.path,
        Watch.requestSerialize,
        Watch.responseDeserialize,
        { service: '' },
      );
      expect(await new Promise((resolve) => watch.once('data', resolve))).to.deep.equal({
        status: 'SERVING',
      });
      watch.on('error', () => undefined);
      watch.cancel();
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

  for (const [overloadStatus, code] of [
    [429, 8],
    [503, 14],
  ] as const) {
    it(`refuses what the queue has no room for with status ${code}, where REST has ${overloadStatus}`, async () => {
      const config = { modelName: 'l', modelDir: folder('loop_n'), concurrency: 1, queueSize: 1 };
      await withGrpc({ ...config, overloadStatus }, async (call) => {
        const inputs = [
          { name: 'trips', datatype: 'INT64', shape: [], contents: { int64_contents: [100_000] } },
          { name: 'x', datatype: 'FP32', shape: [1], contents: { fp32_contents: [0] } },
        ];
        const answers = await Promise.all(
          Array.from({ length: 4 }, () =>
            call('ModelInfer', { model_name: 'l', inputs }).then(() => 'served', failure),
          ),
        );
        const refused = `${code} model 'l' is overloaded: 1 requests wait; try again later`;
        expect(answers.sort()).to.deep.equal([refused, refused, 'served', 'served'].sort());
      });
    });
  }

  it('answers a stream, message by message, errors among them', async () => {
    await withGrpc(add, async (_call, { client }) => {
      const { ModelStreamInfer } = service;
      if (ModelStreamInfer === undefined) throw new Error('no ModelStreamInfer');
      const stream = client.makeBidiStreamRequest(
        ModelStreamInfer.path,
        ModelStreamInfer.requestSerialize,
        ModelStreamInfer.responseDeserialize,
      );
      const inputs = [input('a', typed), input('b', typed)];
      stream.write({ model_name: 'add', id: '1', inputs });
      stream.write({ model_name: 'nope', id: '2' });
      stream.write({ model_name: 'add', id: '3', inputs });
      stream.end();
      const answers: { error_message: string; infer_response: Response }[] = [];
      for await (const answer of stream) answers.push(answer as (typeof answers)[0]);
      expect(answers.map(({ error_message }) => error_message)).to.deep.equal([
        '',
        "model 'nope' is not found; this server has add",
        '',
      ]);
      expect(answers[2]?.infer_response.outputs[0]?.contents?.int_contents).to.deep.equal([
        2, 4, 6, 8,
      ]);
      expect(answers[2]?.infer_response.parameters.triton_final_response).to.include({
        bool_param: true,
      });
      expect(answers[1]?.infer_response.parameters).to.deep.equal({});
    });
  });

  it('answers a stream in the order of its messages, however long each takes', async () => {
    const config = { modelName: 'l', modelDir: folder('loop_n') };
    await withGrpc(config, async (_call, { client }) => {
      const { ModelStreamInfer } = service;
      if (ModelStreamInfer === undefined) throw new Error('no ModelStreamInfer');
      const stream = client.makeBidiStreamRequest(
        ModelStreamInfer.path,
        ModelStreamInfer.requestSerialize,
        ModelStreamInfer.responseDeserialize,
      );
      const trips = [300_000, 1, 100_000, 1, 1];
      trips.forEach((count, i) => {
        const inputs = [
          { name: 'trips', datatype: 'INT64', shape: [], contents: { int64_contents: [count] } },
          { name: 'x', datatype: 'FP32', shape: [1], contents: { fp32_contents: [0] } },
        ];
        stream.write({ model_name: i === 3 ? 'nope' : 'l', id: String(i), inputs });
      });
      stream.end();
      const ids: string[] = [];
      for await (const { infer_response } of stream) ids.push(infer_response.id);
      expect(ids).to.deep.equal(['0', '1', '2', '3', '4']);
    });
  });

  it("honours the call's deadline, and stops when the client cancels", async () => {
    const config = { modelName: 'e', modelDir: folder('abuse_endless_loop'), concurrency: 1 };
    await withGrpc(config, async (call) => {
      const request = {
        model_name: 'e',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1], contents: { fp32_contents: [1] } }],
      };
      for (let i = 0; i < 3; i++) {
        // Were the first still running, the next would wait for the one slot.
        const ended = await call('ModelInfer', request, { deadline: Date.now() + 200 }).catch(
          failure,
        );
        expect(ended).to.match(/^4 /);
      }
      const failures = await eventually(async () => {
        const {
          model_stats: [stats],
        } = await call<{ model_stats: { inference_stats: { fail: { count: string } } }[] }>(
          'ModelStatistics',
          { name: 'e' },
        );
        const count = Number(stats?.inference_stats.fail.count);
        return count >= 3 && count;
      });
      expect(failures).to.equal(3);
    });
  });

  it('knows no statistics of a version that is none', async () => {
    await withGrpc(add, async (call) => {
      const asked = call('ModelStatistics', { name: 'add', version: 'x' });
      expect(await asked.then(() => 'OK', failure)).to.equal(
        "5 model 'add' has no label 'x'; it has none",
      );
    });
  });

  it("answers Triton's configuration, statistics and logging", async () => {
    await withGrpc(add, async (call) => {
      const { config } = await call<{ config: { input: object[]; instance_group: object[] } }>(
        'ModelConfig',
        { name: 'add' },
      );
      expect(config).to.include({ name: 'add', platform: 'onnxruntime_onnx', max_batch_size: 0 });
      expect(config.input[0]).to.deep.equal({
        name: 'a',
        data_type: 'TYPE_INT32',
        format: 'FORMAT_NONE',
        dims: ['-1', '4'],
        is_shape_tensor: false,
        allow_ragged_batch: false,
        optional: false,
        is_non_linear_format_io: false,
      });
      await call('ModelInfer', {
        model_name: 'add',
        inputs: [input('a', typed), input('b', typed)],
      });
      const {
        model_stats: [stats],
      } = await call<{
        model_stats: {
          inference_count: string;
          inference_stats: Record<string, { count: string }>;
        }[];
      }>('ModelStatistics', {});
      expect(stats).to.include({
        name: 'add',
        version: '1',
        inference_count: '1',
        execution_count: '1',
      });
      for (const name of ['success', 'queue', 'compute_input', 'compute_infer', 'compute_output']) {
        expect(stats?.inference_stats[name]?.count, name).to.equal('1');
      }
      const { settings } = await call<{ settings: Record<string, object> }>('LogSettings', {
        settings: { log_verbose_level: { uint32_param: 1 } },
      });
      expect(settings.log_verbose_level).to.deep.include({ uint32_param: 1 });
      const refused = await call('LogSettings', {
        settings: { log_file: { string_param: '/x' } },
      }).catch(failure);
      expect(refused).to.equal(
        '3 log_file: log file location can not be updated through network protocol',
      );
    });
  });

  it('loads and unloads models, with a configuration and files', async () => {
    using models = new RepositoryFolder({ m: { model: 'add_two' } });
    const config = { modelRepository: [models.dir], modelControlMode: 'explicit' } as const;
    await withGrpc(config, async (call) => {
      expect(await call('RepositoryIndex', {})).to.deep.equal({
        models: [{ name: 'm', version: '', state: '', reason: '' }],
      });
      await call('RepositoryModelLoad', { model_name: 'm' });
      expect(await call('RepositoryIndex', { ready: true })).to.deep.equal({
        models: [{ name: 'm', version: '1', state: 'READY', reason: '' }],
      });
      await call('RepositoryModelLoad', {
        model_name: 'm',
        parameters: {
          config: { string_param: '{"max_batch_size": 2}' },
          'file:5/model.onnx': { bytes_param: readFileSync(`${folder('add_two')}/model.onnx`) },
        },
      });
      expect(
        (await call<{ versions: string[] }>('ModelMetadata', { name: 'm' })).versions,
      ).to.deep.equal(['5']);
      await call('RepositoryModelUnload', { model_name: 'm' });
      expect(await call('ModelReady', { name: 'm' })).to.deep.equal({ ready: false });
      for (const [method, more, error] of [
        [
          'Load',
          { other: { string_param: 'x' } },
          'parameters.other: expected config or file:PATH',
        ],
        [
          'Load',
          { config: { int64_param: 5 } },
          'parameters.config: expected a string with the configuration in JSON',
        ],
        [
          'Load',
          { config: { string_param: '{}' }, 'file:1/m': { string_param: 'x' } },
          'parameters.file:1/m: expected bytes_param',
        ],
        [
          'Unload',
          { unload_dependents: { string_param: 'x' } },
          'parameters.unload_dependents: expected true or false',
        ],
        ['Unload', { other: { bool_param: true } }, 'parameters.other: expected unload_dependents'],
      ] as const) {
        const refused = await call(`RepositoryModel${method}`, {
          model_name: 'm',
          parameters: more,
        }).catch(failure);
        expect(refused).to.equal(`3 ${error}`);
      }
      for (const method of ['RepositoryIndex', 'RepositoryModelLoad', 'RepositoryModelUnload']) {
        const refused = await call(method, { repository_name: 'r', model_name: 'm' }).catch(
          failure,
        );
        expect(refused).to.equal(
          "12 repository_name: 'r' cannot be named, models are found by their own names",
        );
      }
      const missing = await call('RepositoryModelLoad', { model_name: 'x' }).catch(failure);
      expect(missing).to.equal("3 failed to load 'x': no such model in the repository");
    });
    await withGrpc(add, async (call) => {
      const refused = await call('RepositoryModelLoad', { model_name: 'add' }).catch(failure);
      expect(refused).to.match(
        /^14 explicit model load \/ unload is not allowed in model control mode 'none'/,
      );
    });
  });
});
