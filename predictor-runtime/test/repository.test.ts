/** Several models in one server: folders, lists and configurations; loading and unloading by API. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { readJsonProto } from '../src/serving/repository/json-proto.ts';
import { parseTextProto } from '../src/serving/repository/text-proto.ts';
import { MODEL_CONFIG } from '../src/serving/repository/triton-schema.ts';
import { withGrpc } from './grpc-client.ts';
import { keptLog } from './kept-log.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, eventually, withServer } from './server.ts';

const ADD = {
  inputs: ['a', 'b'].map((name) => ({
    name,
    datatype: 'INT32',
    shape: [1, 4],
    data: [1, 2, 3, 4],
  })),
};
const addTwo = readFileSync(new URL('models/add_two/model.onnx', import.meta.url));

const ENSEMBLE = `platform: "ensemble"
  input { name: "x" data_type: TYPE_INT32 dims: [ -1, 4 ] }
  output { name: "y" data_type: TYPE_INT32 dims: [ -1, 4 ] }
  ensemble_scheduling { step { model_name: "m" model_version: -1
    input_map { key: "a" value: "x" } input_map { key: "b" value: "x" } output_map { key: "sum" value: "y" } } }`;

const camelCase = (name: string) =>
  name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

describe('text format of protobuf', () => {
  for (const [title, text, value] of [
    [
      'scalars, comments and separators',
      'name: "m" # c\nmax_batch_size: 8,\nplatform: \'p\';',
      { name: 'm', max_batch_size: 8, platform: 'p' },
    ],
    ['strings in pieces and escapes', 'name: "a" "b\\n\\"\\x41\\101"', { name: 'ab\n"AA' }],
    [
      'messages with and without a colon',
      'version_policy: { latest { num_versions: 2 } }',
      { version_policy: { latest: { num_versions: 2 } } },
    ],
    ['angle brackets', 'version_policy < all < > >', { version_policy: { all: {} } }],
    [
      'repeated fields',
      'input { name: "a" dims: [ 1, -1 ] dims: 3 } input [ { name: "b" } ]',
      { input: [{ name: 'a', dims: [1, -1, 3] }, { name: 'b' }] },
    ],
    [
      'maps',
      'parameters { key: "k" value { string_value: "v" } }',
      { parameters: { k: { string_value: 'v' } } },
    ],
    [
      'booleans and names of enumerations in all their forms',
      'input { optional: t is_shape_tensor: False data_type: 8 } dynamic_batching { preserve_ordering: 1 }',
      {
        input: [{ optional: true, is_shape_tensor: false, data_type: 'TYPE_INT32' }],
        dynamic_batching: { preserve_ordering: true },
      },
    ],
    [
      'fields that say nothing',
      'runtime: "" input { allow_ragged_batch: false } optimization { priority: PRIORITY_DEFAULT cuda { } }',
      {
        runtime: '',
        input: [{ allow_ragged_batch: false }],
        optimization: { priority: 'PRIORITY_DEFAULT', cuda: {} },
      },
    ],
    ['nothing', '', {}],
  ] as const) {
    it(`reads ${title}`, () => {
      expect(parseTextProto(text, MODEL_CONFIG)).to.deep.equal(value);
    });
  }

  for (const [text, error] of [
    ['nme: "m"', 'line 1: nme: unknown field, expected one of name, platform,'],
    ['\n\ninput { nme: "m" }', 'line 3: input.nme: unknown field, expected one of name,'],
    ['max_batch_size: "8"', 'line 1: max_batch_size: expected an int, got "8"'],
    ['max_batch_size: 1.5', 'line 1: max_batch_size: expected an int, got 1.5'],
    ['name: m', 'line 1: name: expected a string, got m'],
    ['input {\n name: "m"', "line 2: expected '}', got the end"],
    ['input: 5', "line 1: expected '{', got 5"],
    ['name: "m" }', 'line 1: expected the end, got }'],
    ['name: "m\n"', "line 1: unexpected '\"'"],
    ['input { dims: [1 2] }', "line 1: expected ',' or ']', got 2"],
    ['constructor: 5', 'line 1: constructor: unknown field, expected one of name, platform,'],
    ['instance_group { kind: "KIND_CPU" }', 'kind: expected one of KIND_AUTO, KIND_GPU,'],
    ['instance_group { kind:', 'KIND_CPU, KIND_MODEL, got the end'],
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseTextProto(text as string, MODEL_CONFIG)).to.throw(error as string);
    });
  }
});

describe("protobuf's JSON", () => {
  for (const [json, error] of [
    ['{"constructor": [1]}', 'constructor: unknown field, expected one of name, platform,'],
    ['{"__proto__": {}}', '__proto__: unknown field, expected one of name, platform,'],
    ['{"max_batch_size": 1, "maxBatchSize": 2}', 'max_batch_size: is given twice'],
  ] as const) {
    it(`refuses ${json}`, () => {
      expect(() => readJsonProto(JSON.parse(json), MODEL_CONFIG)).to.throw(SyntaxError, error);
    });
  }
});

describe('a model repository', () => {
  it('serves every folder, without any configuration', async () => {
    using folder = new RepositoryFolder({
      add: { model: 'add_two' },
      'v/1': { model: 'versions/1' },
    });
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      expect((await call(`${url}/v2/models`)).json.models.sort()).to.deep.equal(['add', 'v']);
      expect((await call(`${url}/v2/models/add/infer`, ADD)).status).to.equal(200);
      expect((await call(`${url}/v2/repository/index`, {})).json).to.deep.equal([
        { name: 'add', version: '1', state: 'READY', reason: '' },
        { name: 'v', version: '1', state: 'READY', reason: '' },
      ]);
      const load = await call(`${url}/v2/repository/models/add/load`, {});
      expect([load.status, load.json.error]).to.deep.equal([
        503,
        "explicit model load / unload is not allowed in model control mode 'none': start the server with --model_control_mode=explicit",
      ]);
    });
  });

  it('tells the statistics of a version, and not of another where there is no such version', async () => {
    using folder = new RepositoryFolder({ v: { model: 'versions' } });
    await withServer(
      { modelRepository: [folder.dir], versionPolicy: { kind: 'all' }, versionLabels: { old: 1 } },
      async (url) => {
        const stats = async (path: string) => {
          const { status, json } = await call(`${url}/v2/models/v${path}/stats`);
          if (status !== 200) return [status, json.error];
          return json.model_stats.map(({ version }: { version: string }) => version);
        };
        expect(await stats('')).to.deep.equal(['1', '2', '3']);
        expect(await stats('/versions/2')).to.deep.equal(['2']);
        expect(await stats('/versions/old')).to.deep.equal(['1']);
        expect(await stats('/versions/x')).to.deep.equal([
          404,
          "model 'v' has no label 'x'; it has old",
        ]);
        expect((await stats('/versions/9'))[0]).to.equal(404);
      },
    );
  });

  it("finds a model and its external data in a folder model.onnx, as Triton's layout has it", async () => {
    using folder = new RepositoryFolder({ 'cnn/1/model.onnx': { model: 'digits_cnn_external' } });
    folder.put('cnn/1/readme.txt', "other files are nobody's business");
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const { status, json } = await call(`${url}/v2/models/cnn/ready`);
      expect([status, json]).to.deep.equal([200, { name: 'cnn', ready: true }]);
    });
  });

  it('answers the configuration in full', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    folder.put(
      'add/config.pbtxt',
      `name: "add" platform: "onnxruntime_onnx" max_batch_size: 8
       input [ { name: "a" data_type: TYPE_INT32 dims: [ 4 ] format: FORMAT_NCHW } ]
       output { name: "sum" data_type: TYPE_INT32 dims: 4 label_filename: "labels.txt" }
       dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 500 preserve_ordering: true
         default_queue_policy { default_timeout_microseconds: 9000000 allow_timeout_override: true max_queue_size: 3 } }
       optimization { graph { level: 1 } } response_cache { enable: true } runtime: ""
       model_warmup { name: "w" batch_size: 1
         inputs { key: "a" value { data_type: TYPE_INT32 dims: 4 zero_data: true } }
         inputs { key: "b" value { data_type: TYPE_INT32 dims: 4 random_data: true } } }
       instance_group [ { count: 2 kind: KIND_CPU } ]
       parameters { key: "k" value { string_value: "v" } }
       parameters { key: "intra_op_thread_count" value { string_value: "1" } }`,
    );
    folder.put('add/labels.txt', 'one\ntwo\n');
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const { json } = await call(`${url}/v2/models/add/config`);
      const plain = { is_shape_tensor: false, is_non_linear_format_io: false };
      const input = { format: 'FORMAT_NONE', allow_ragged_batch: false, optional: false, ...plain };
      const tensor = (name: string) => ({ name, data_type: 'TYPE_INT32', dims: [4] });
      expect(json).to.deep.equal({
        name: 'add',
        platform: 'onnxruntime_onnx',
        backend: 'onnxruntime',
        runtime: '',
        version_policy: { latest: { num_versions: 1 } },
        max_batch_size: 8,
        input: [
          { ...tensor('a'), ...input, format: 'FORMAT_NCHW' },
          { ...tensor('b'), ...input },
        ],
        output: [
          { ...tensor('sum'), ...plain, label_filename: 'labels.txt' },
          { ...tensor('diff'), ...plain, label_filename: '' },
        ],
        batch_input: [],
        batch_output: [],
        optimization: {
          graph: { level: 1 },
          priority: 'PRIORITY_DEFAULT',
          input_pinned_memory: { enable: true },
          output_pinned_memory: { enable: true },
          gather_kernel_buffer_threshold: 0,
          eager_batching: false,
        },
        dynamic_batching: {
          preferred_batch_size: [4, 8],
          max_queue_delay_microseconds: 500,
          preserve_ordering: true,
          priority_levels: 0,
          default_priority_level: 0,
          default_queue_policy: {
            timeout_action: 'REJECT',
            default_timeout_microseconds: 9000000,
            allow_timeout_override: true,
            max_queue_size: 3,
          },
          priority_queue_policy: {},
        },
        instance_group: [
          {
            name: 'add',
            kind: 'KIND_CPU',
            count: 2,
            gpus: [],
            secondary_devices: [],
            profile: [],
            passive: false,
            host_policy: '',
          },
        ],
        default_model_filename: 'model.onnx',
        cc_model_filenames: {},
        metric_tags: {},
        parameters: { k: { string_value: 'v' }, intra_op_thread_count: { string_value: '1' } },
        model_warmup: [
          {
            name: 'w',
            batch_size: 1,
            inputs: {
              a: { data_type: 'TYPE_INT32', dims: [4], zero_data: true },
              b: { data_type: 'TYPE_INT32', dims: [4], random_data: true },
            },
            count: 1,
          },
        ],
        response_cache: { enable: true },
      });
      const classified = await call(`${url}/v2/models/add/infer`, {
        ...ADD,
        outputs: [{ name: 'sum', parameters: { classification: 3 } }],
      });
      expect(classified.json.outputs).to.deep.equal([
        { name: 'sum', datatype: 'BYTES', shape: [1, 3], data: ['8:3', '6:2', '4:1:two'] },
      ]);
    });
  });

  for (const [config, error] of [
    ['name: "other"', "name is 'other', but the model is 'm'"],
    ['backend: "tensorrt"', "backend: 'tensorrt' is not supported, use onnxruntime or ensemble"],
    ['max_batch_size: -1', 'max_batch_size: expected 0 or more, got -1'],
    ['dynamic_batching { }', 'dynamic_batching: needs a max_batch_size above 0'],
    [
      'max_batch_size: 2 dynamic_batching { default_queue_policy { timeout_action: DROP } }',
      'dynamic_batching.default_queue_policy.timeout_action: expected one of REJECT, DELAY, got DROP',
    ],
    [
      'max_batch_size: 2 dynamic_batching { priority_levels: 2 default_priority_level: 3 }',
      'dynamic_batching.default_priority_level: expected 1 to priority_levels, which is 2, got 3',
    ],
    [
      'max_batch_size: 2 dynamic_batching { priority_queue_policy { key: 1 value { } } }',
      'dynamic_batching.priority_queue_policy[1]: expected a key of 1 to priority_levels, which is 0',
    ],
    [
      'sequence_batching { }',
      'line 1: sequence_batching: is not supported here; keep the state of a sequence in the client',
    ],
    [
      'input { name: "a" reshape { shape: [ ] } }',
      "line 1: input.reshape: is not supported here; declare the model's own shape",
    ],
    [
      'input { name: "a" allow_ragged_batch: true }',
      'line 1: input.allow_ragged_batch: is not supported here; true has no effect, leave it out',
    ],
    ['input { name: "a" optional: true }', "inputs 'a': is not optional in the model"],
    [
      'batch_input [ { kind: BATCH_ELEMENT_COUNT } ]',
      'line 1: batch_input: is not supported here; ',
    ],
    [
      'runtime: "libtriton_x.so"',
      'line 1: runtime: is not supported here; "libtriton_x.so" has no',
    ],
    ['metric_tags { key: "a" value: "b" }', 'line 1: metric_tags: is not supported here; '],
    ['optimization { priority: PRIORITY_MAX }', 'optimization.priority: is not supported here; '],
    ['optimization { cuda { graphs: true } }', 'optimization.cuda: is not supported here; '],
    [
      'optimization { execution_accelerators { } }',
      'optimization.execution_accelerators: is not supported here; start the server with --execution',
    ],
    [
      'optimization { graph { level: 3 } }',
      'optimization.graph.level: expected -1, 0, 1 or 2, got 3',
    ],
    ['instance_group { passive: true }', 'instance_group.passive: is not supported here; '],
    [
      'instance_group { kind: KIND_TPU }',
      'instance_group.kind: expected one of KIND_AUTO, KIND_GPU,',
    ],
    ['instance_group { kind: KIND_GPU }', 'instance_group: KIND_GPU, but there is no GPU for '],
    ['instance_group { gpus: [0] }', 'instance_group: KIND_GPU, but there is no GPU for '],
    [
      'instance_group { gpus: [1] }',
      'instance_group[0].gpus: is not supported here; a server has one',
    ],
    [
      'instance_group [ { count: 1000 }, { count: 1000 } ]',
      'instance_group: expected at most 1024 instances, got 2000',
    ],
    ['instance_group { kind: KIND_CPU gpus: 0 }', 'instance_group[0].gpus: is for KIND_GPU'],
    [
      'instance_group [ { kind: KIND_CPU }, { kind: KIND_GPU } ]',
      'instance_group: all groups need the same kind',
    ],
    [
      'parameters { key: "intra_op_thread_count" value { string_value: "two" } }',
      "parameters.intra_op_thread_count: expected a whole number, got 'two'",
    ],
    [
      'parameters { key: "execution_mode" value { string_value: "1" } }',
      "parameters.execution_mode: is not supported here; '1' has no effect, leave it out",
    ],
    ['max_batch_size: 1 max_batch_size: 2', 'line 1: max_batch_size: is given twice'],
    [
      'max_batch_size: 2 dynamic_batching { preferred_batch_size: 4 }',
      'dynamic_batching.preferred_batch_size: expected 1 to max_batch_size, which is 2, got 4',
    ],
    [
      'max_batch_size: 2 dynamic_batching { preserve_ordering: true default_queue_policy { timeout_action: DELAY } }',
      'dynamic_batching.preserve_ordering: needs one priority level, and no timeout_action DELAY',
    ],
    ['input { name: "z" }', "inputs 'z': the model has 'a', 'b'"],
    ['input { name: "a" data_type: TYPE_FP32 }', "inputs 'a': is INT32 in the model, not FP32"],
    [
      'input { name: "a" data_type: TYPE_FLOAT }',
      'input.data_type: expected one of TYPE_INVALID, TYPE_BOOL,',
    ],
    ['input { name: "a" dims: 5 }', "inputs 'a': has shape [-1,4] in the model, not [5]"],
    ['default_model_filename: "x.onnx"', 'no x.onnx in'],
    ['output { name: "sum" label_filename: "nope" }', "label_filename of 'sum': ENOENT"],
    ['model_transaction_policy { decoupled: true }', 'decoupled models are not supported'],
    [
      'model_warmup { name: "w" inputs { key: "a" value { data_type: TYPE_INT32 dims: 3 zero_data: true } } }',
      "warm-up request 'w' failed: ",
    ],
  ]) {
    it(`says what is wrong with config.pbtxt: ${config}`, async () => {
      using folder = new RepositoryFolder({ m: { model: 'add_two' }, ok: { model: 'add_two' } });
      folder.put('m/config.pbtxt', config as string);
      await withServer({ modelRepository: [folder.dir] }, async (url) => {
        const index = (await call(`${url}/v2/repository/index`, {})).json;
        const entry = index.find(({ name }: { name: string }) => name === 'm');
        expect(entry).to.include({ name: 'm', version: '1', state: 'UNAVAILABLE' });
        expect(entry.reason).to.contain(error);
        const ready = await call(`${url}/v2/health/ready`);
        expect(ready.status).to.equal(503);
        expect(ready.json.error).to.contain(error);
        expect((await call(`${url}/v2/models/ok/infer`, ADD)).status).to.equal(200);
      });
    });
  }

  it('warms a model up before it serves', async () => {
    using folder = new RepositoryFolder({ m: { model: 'add_two' } });
    folder.put('m/warmup/one.json', JSON.stringify(ADD));
    folder.put(
      'm/config.pbtxt',
      `model_warmup { name: "r" count: 2 inputs { key: "a" value { data_type: TYPE_INT32 dims: [2, 4] random_data: true } }
        inputs { key: "b" value { data_type: TYPE_INT32 dims: [2, 4] zero_data: true } } }`,
    );
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      expect((await call(`${url}/v2/models/m/ready`)).status).to.equal(200);
      // Warm-up is no inference of anybody's.
      expect((await call(`${url}/v2/models/m/stats`)).json.model_stats[0].inference_count).to.equal(
        0,
      );
    });
    folder.put('m/warmup/two.json', '{"inputs": [{"name": "a"}]}');
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      expect((await call(`${url}/v2/models/m/ready`)).json.error).to.match(
        /two\.json: inputs\[0\]\.datatype: expected a string, got nothing$/,
      );
    });
  });

  it("takes MLServer's settings", async () => {
    using folder = new RepositoryFolder({ m: { model: 'add_two' }, x: { model: 'add_two' } });
    folder.put(
      'm/model-settings.json',
      '{"name": "m", "implementation": "x.Y", "max_batch_size": 5, "max_batch_time": 0.01, "parameters": {"uri": "./model.onnx"}}',
    );
    folder.put('x/model-settings.json', '{"nme": "m"}');
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const { json } = await call(`${url}/v2/models/m/config`);
      expect(json.max_batch_size).to.equal(5);
      expect(json.dynamic_batching.max_queue_delay_microseconds).to.equal(10_000);
      const index = (await call(`${url}/v2/repository/index`, {})).json;
      expect(index[1].reason).to.contain(
        'model-settings.json: nme: unknown field, expected one of name,',
      );
    });
  });

  it("takes TensorFlow Serving's list of models, with labels", async () => {
    using folder = new RepositoryFolder({ v: { model: 'versions' } });
    folder.put(
      'models.config',
      `model_config_list { config { name: "m" base_path: "${folder.dir}/v" model_platform: "onnx"
         model_version_policy { specific { versions: 1 versions: 3 } }
         version_labels { key: "stable" value: 1 } } }`,
    );
    const config = {
      modelConfigFile: `${folder.dir}/models.config`,
      modelControlMode: 'poll',
      repositoryPollSecs: 0.05,
    } as const;
    const { log, lines } = keptLog();
    await withServer(
      config,
      async (url) => {
        const x = { inputs: [1, 2] };
        expect((await call(`${url}/v1/models/m:predict`, x)).json.outputs.version).to.deep.equal([
          3,
        ]);
        expect(
          (await call(`${url}/v1/models/m/labels/stable:predict`, x)).json.outputs.version,
        ).to.deep.equal([1]);
        folder.put(
          'models.config',
          `model_config_list { config { name: "m2" base_path: "${folder.dir}/v" } }`,
        );
        await eventually(async () => (await call(`${url}/v1/models/m2:predict`, x)).status === 200);
        await eventually(async () => (await call(`${url}/v1/models/m:predict`, x)).status === 503);
        folder.put('models.config', 'nonsense');
        await eventually(async () =>
          lines.some(({ message }) => message === 'model repository not read'),
        );
        expect((await call(`${url}/v1/models/m2:predict`, x)).status).to.equal(200);
      },
      {},
      log,
    );
  });
});

describe('loading by API', () => {
  const explicit = (dir: string) =>
    ({ modelRepository: [dir], modelControlMode: 'explicit' }) as const;

  it('loads, loads anew without a gap, and unloads', async () => {
    using folder = new RepositoryFolder({ m: { model: 'add_two' }, n: { model: 'add_two' } });
    await withServer({ ...explicit(folder.dir), loadModel: ['n'] }, async (url) => {
      expect((await call(`${url}/v2/repository/index`, {})).json).to.deep.equal([
        { name: 'm', reason: '' },
        { name: 'n', version: '1', state: 'READY', reason: '' },
      ]);
      expect((await call(`${url}/v2/models/m/infer`, ADD)).status).to.equal(404);
      expect(await call(`${url}/v2/repository/models/m/load`, {})).to.deep.equal({
        status: 200,
        json: { name: 'm', load: true },
      });
      expect((await call(`${url}/v2/models/m/infer`, ADD)).status).to.equal(200);

      folder.put('m/model.onnx', 'not a model');
      const bad = await call(`${url}/v2/repository/models/m/load`, {});
      expect(bad.status).to.equal(400);
      expect(bad.json.error).to.match(
        /^failed to load 'm': ONNX Runtime cannot load .*: Load model/,
      );
      expect((await call(`${url}/v2/models/m/infer`, ADD)).status, 'the old one serves').to.equal(
        200,
      );

      expect((await call(`${url}/v2/repository/models/m/unload`, {})).json).to.deep.equal({
        name: 'm',
        unload: true,
      });
      expect((await call(`${url}/v2/models/m/infer`, ADD)).status).to.equal(503);
      expect((await call(`${url}/v2/repository/index`, { ready: true })).json).to.deep.equal([
        { name: 'n', version: '1', state: 'READY', reason: '' },
      ]);
      expect((await call(`${url}/v2/health/ready`)).status).to.equal(200);
      folder.put('bad/model.onnx', 'not a model');
      folder.put('odd/config.pbtxt', 'nonsense: 1');
      for (const name of ['bad', 'odd']) {
        expect((await call(`${url}/v2/repository/models/${name}/load`, {})).status).to.equal(400);
        expect((await call(`${url}/v2/models/n/infer`, ADD)).status).to.equal(200);
        expect((await call(`${url}/v2/health/ready`)).status, 'the others serve').to.equal(200);
      }
      expect(await call(`${url}/v2/repository/models/x/load`, {})).to.deep.equal({
        status: 400,
        json: { error: "failed to load 'x': no such model in the repository" },
      });
      expect((await call(`${url}/v2/repository/models/x/unload`, {})).status).to.equal(404);
    });
  });

  it('takes the configuration that it told, over each protocol', async () => {
    using folder = new RepositoryFolder({ m: { model: 'add_two' } });
    folder.put('e/config.pbtxt', ENSEMBLE);
    folder.put(
      'm/config.pbtxt',
      `max_batch_size: 8 optimization { graph { level: -1 } } instance_group { count: 2 kind: KIND_CPU }
       dynamic_batching { preserve_ordering: True default_queue_policy { max_queue_size: 9 } }
       parameters { key: "intra_op_thread_count" value { string_value: "1" } }`,
    );
    await withGrpc({ ...explicit(folder.dir), loadModel: ['*'] }, async (grpc, { url }) => {
      for (const model of ['m', 'e']) {
        const told = await call(`${url}/v2/models/${model}/config`);
        const again = async (config: object) => {
          const parameters = { config: JSON.stringify(config) };
          const load = await call(`${url}/v2/repository/models/${model}/load`, { parameters });
          expect([load.status, load.json.error]).to.deep.equal([200, undefined]);
          expect((await call(`${url}/v2/models/${model}/config`)).json).to.deep.equal(told.json);
        };
        await again(told.json);
        // Protobuf's JSON has 64-bit integers as texts, and names in camel case if it is asked.
        const { config } = await grpc<{ config: object }>('ModelConfig', { name: model });
        const given = Object.entries(config).filter(([, value]) => value !== null);
        await again(Object.fromEntries(given));
        await again(Object.fromEntries(given.map(([key, value]) => [camelCase(key), value])));
      }
    });
  });

  it('takes a configuration that Triton told', async () => {
    using folder = new RepositoryFolder({ m: { model: 'add_two' } });
    const config = readFileSync(new URL('vectors/triton-config.json', import.meta.url), 'utf8');
    await withServer(explicit(folder.dir), async (url) => {
      const load = await call(`${url}/v2/repository/models/m/load`, { parameters: { config } });
      expect([load.status, load.json.error]).to.deep.equal([200, undefined]);
      expect((await call(`${url}/v2/models/m/config`)).json).to.deep.equal(JSON.parse(config));
    });
  });

  it('takes a configuration and files along', async () => {
    using folder = new RepositoryFolder({ m: { model: 'add_two' } });
    await withServer(explicit(folder.dir), async (url) => {
      const config = JSON.stringify({ max_batch_size: 3 });
      const load = (parameters: object | null) =>
        call(`${url}/v2/repository/models/m/load`, { parameters });
      expect((await load(null)).status).to.equal(200);
      expect((await load({ config, other: null })).status).to.equal(200);
      expect((await call(`${url}/v2/models/m/config`)).json.max_batch_size).to.equal(3);
      const file = addTwo.toString('base64');
      expect((await load({ config, 'file:2/model.onnx': file })).status).to.equal(200);
      expect((await call(`${url}/v2/models/m/infer`, ADD)).json.model_version).to.equal('2');
      for (const [parameters, error] of [
        [{ 'file:1/model.onnx': file }, "parameters: 'file:…' needs a 'config' too"],
        [
          { config, 'file:../../x/model.onnx': file },
          "parameters: 'file:../../x/model.onnx' leads out of the model's folder",
        ],
        [{ config, 'file:1/model.onnx': '!' }, 'parameters.file:1/model.onnx: "!" is not base64'],
        [{ config: 5 }, 'parameters.config: expected a string with the configuration in JSON'],
        [{ config: '{"x": 1}' }, "failed to load 'm': x: unknown field"],
        [{ other: 1 }, 'parameters.other: expected config or file:PATH'],
      ] as const) {
        const { status, json } = await load(parameters);
        expect([status, json.error.slice(0, error.length)]).to.deep.equal([400, error]);
      }
      expect((await call(`${url}/v2/models/m/infer`, ADD)).json.model_version).to.equal('2');
      // A load that was refused takes nothing from what serves.
      expect((await call(`${url}/v2/repository/index`, {})).json).to.deep.equal([
        { name: 'm', version: '2', state: 'READY', reason: '' },
      ]);
    });
  });
});

describe('ensembles', () => {
  const ensemble = (steps: string) => `platform: "ensemble"
    input { name: "x" data_type: TYPE_INT32 dims: [ -1, 4 ] }
    output { name: "y" data_type: TYPE_INT32 dims: [ -1, 4 ] }
    output { name: "z" data_type: TYPE_INT32 dims: [ -1, 4 ] }
    ensemble_scheduling { ${steps} }`;
  const step = (inputs: object, outputs: object, model = 'add') =>
    `step { model_name: "${model}" model_version: -1 ${Object.entries(inputs)
      .map(([key, value]) => `input_map { key: "${key}" value: "${value}" }`)
      .join(' ')} ${Object.entries(outputs)
      .map(([key, value]) => `output_map { key: "${key}" value: "${value}" }`)
      .join(' ')} }`;
  const twice = step({ a: 'x', b: 'x' }, { sum: 'two' });
  const fourTimes = step({ a: 'two', b: 'two' }, { sum: 'y', diff: 'z' });

  it('answer one request with several models', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    folder.put('e/config.pbtxt', ensemble(fourTimes + twice));
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const x = { inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 4], data: [1, 2, 3, 4] }] };
      const { status, json } = await call(`${url}/v2/models/e/infer`, x);
      expect(status, JSON.stringify(json)).to.equal(200);
      expect(
        json.outputs.map(({ name, data }: { name: string; data: number[] }) => [name, data]),
      ).to.deep.equal([
        ['y', [4, 8, 12, 16]],
        ['z', [0, 0, 0, 0]],
      ]);
      expect(
        (await call(`${url}/v2/models/add/stats`)).json.model_stats[0].inference_stats.success
          .count,
      ).to.equal(2);
      expect((await call(`${url}/v2/models/e/ready`)).status).to.equal(200);
      expect(
        (await call(`${url}/v2/models/e/config`)).json.ensemble_scheduling.step,
      ).to.have.length(2);
    });
  });

  for (const [title, steps, error] of [
    [
      'a circle',
      step({ a: 'y', b: 'x' }, { sum: 'y', diff: 'z' }),
      "ensemble step 'add' needs 'y', which nothing before it makes",
    ],
    ['a tensor made twice', twice + twice, "ensemble tensor 'two' of step 'add' is made twice"],
    ['an output that nobody makes', twice, "ensemble output 'y' is made by no step"],
    ['no step', '', 'ensemble_scheduling: has no step'],
  ] as const) {
    it(`are refused with ${title}`, async () => {
      using folder = new RepositoryFolder({ add: { model: 'add_two' } });
      folder.put('e/config.pbtxt', ensemble(steps));
      await withServer({ modelRepository: [folder.dir] }, async (url) => {
        expect((await call(`${url}/v2/health/ready`)).json.error).to.contain(error);
      });
    });
  }

  it('refuse rows that one of their models cannot put together', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    folder.put('add/config.pbtxt', 'max_batch_size: 4');
    folder.put(
      'e/config.pbtxt',
      `${ensemble(step({ a: 'x', b: 'w' }, { sum: 'y', diff: 'z' }))}
       input { name: "w" data_type: TYPE_INT32 dims: [ -1, 4 ] }`,
    );
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const tensor = (name: string, rows: number) => ({
        name,
        datatype: 'INT32',
        shape: [rows, 4],
        data: new Array(rows * 4).fill(1),
      });
      const ask = (rows: number) =>
        call(`${url}/v2/models/e/infer`, { inputs: [tensor('x', 1), tensor('w', rows)] });
      expect((await ask(1)).status).to.equal(200);
      expect(await ask(2)).to.deep.equal({
        status: 400,
        json: {
          error:
            "inputs[1].shape: model 'add' takes as many rows of each input, 'a' has 1, 'b' has 2",
        },
      });
    });
  });

  const explicit = (dir: string, ...loadModel: string[]) =>
    ({ modelRepository: [dir], modelControlMode: 'explicit', loadModel }) as const;
  const twiceOf = (model: string) =>
    ensemble(
      step({ a: 'x', b: 'x' }, { sum: 'y' }, model) +
        step({ a: 'x', b: 'x' }, { diff: 'z' }, model),
    );
  const X = { inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 4], data: [1, 2, 3, 4] }] };
  const stateOf = async (url: string, model: string) => {
    const index = (await call(`${url}/v2/repository/index`, {})).json;
    const { state, reason } = index.find(({ name }: { name: string }) => name === model);
    return [state, reason];
  };

  it('load the models that they need, at start and by API', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' }, other: { model: 'add_two' } });
    folder.put('e/config.pbtxt', ensemble(fourTimes + twice));
    folder.put(
      'nested/config.pbtxt',
      ensemble(
        'step { model_name: "e" input_map { key: "x" value: "x" } output_map { key: "y" value: "y" } output_map { key: "z" value: "z" } }',
      ),
    );
    for (const loadModel of [['nested'], ['e'], ['*'], []]) {
      await withServer(explicit(folder.dir, ...loadModel), async (url) => {
        if (loadModel.length === 0) {
          const load = await call(`${url}/v2/repository/models/nested/load`, {});
          expect(load.status, JSON.stringify(load.json)).to.equal(200);
        }
        const { status, json } = await call(`${url}/v2/models/e/infer`, X);
        expect(status, JSON.stringify(json)).to.equal(200);
        expect((await call(`${url}/v2/health/ready`)).status).to.equal(200);
        const others = loadModel[0] === '*' ? 'READY' : undefined;
        expect((await stateOf(url, 'other'))[0]).to.equal(others);
      });
    }
  });

  it('are not loaded without the models that they need, and hold up nobody', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    folder.put('e/config.pbtxt', twiceOf('nope'));
    folder.put('b/config.pbtxt', twiceOf('broken'));
    folder.put('broken/model.onnx', 'not a model');
    folder.put('c/config.pbtxt', twiceOf('d'));
    folder.put('d/config.pbtxt', twiceOf('c'));
    for (const loadModel of [['*'], ['e', 'b', 'c', 'add'], ['add']]) {
      await withServer(explicit(folder.dir, ...loadModel), async (url) => {
        for (const [model, error] of [
          ['e', "it needs another model: there is no model 'nope' in the repository"],
          ['b', "it needs another model: model 'broken' version 1 failed to load: ONNX Runtime"],
          ['c', 'ensembles c → d → c are a circle'],
        ] as const) {
          const load = await call(`${url}/v2/repository/models/${model}/load`, {});
          expect([load.status, load.json.error]).to.deep.equal([400, load.json.error]);
          expect(load.json.error).to.contain(error);
          expect((await call(`${url}/v2/models/${model}/infer`, X)).status).to.equal(404);
          expect((await stateOf(url, model))[0]).to.equal('UNAVAILABLE');
        }
        expect((await call(`${url}/v2/models/add/infer`, ADD)).status).to.equal(200);
        expect((await call(`${url}/v2/health/ready`)).status).to.equal(200);
      });
    }
  });

  it('are unavailable while one of their models is unloaded, and come back with it', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    folder.put('e/config.pbtxt', twiceOf('add'));
    await withServer(explicit(folder.dir, 'e'), async (url) => {
      await call(`${url}/v2/repository/models/add/unload`, {});
      expect(await stateOf(url, 'e')).to.deep.equal([
        'UNAVAILABLE',
        "model 'e' needs another: model 'add' is not loaded",
      ]);
      expect((await call(`${url}/v2/repository/index`, { ready: true })).json).to.deep.equal([]);
      expect((await call(`${url}/v2/models/e/infer`, X)).status).to.equal(503);
      await call(`${url}/v2/repository/models/add/load`, {});
      expect(await stateOf(url, 'e')).to.deep.equal(['READY', '']);
      expect((await call(`${url}/v2/models/e/infer`, X)).status).to.equal(200);
    });
  });

  it('that need each other are not ready, and the others are', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    folder.put('c/config.pbtxt', twiceOf('d'));
    folder.put('d/config.pbtxt', twiceOf('c'));
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const { status, json } = await call(`${url}/v2/models/c/ready`);
      expect([status, json.error]).to.deep.equal([
        503,
        "model 'c' needs another: model 'd' needs another: ensembles c → d → c are a circle",
      ]);
      expect((await call(`${url}/v2/models/c/infer`, X)).status).to.equal(503);
      expect((await call(`${url}/v2/models/add/infer`, ADD)).status).to.equal(200);
    });
  });

  it('are not ready while one of their models is not', async () => {
    using folder = new RepositoryFolder({ other: { model: 'add_two' } });
    folder.put('e/config.pbtxt', ensemble(twice + fourTimes));
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const { status, json } = await call(`${url}/v2/models/e/ready`);
      expect([status, json.error]).to.deep.equal([
        503,
        "model 'e' needs another: model 'add' is not loaded",
      ]);
    });
  });
});

describe('the response cache', () => {
  it('answers again without a run, and runs once for equal requests at the same time', async () => {
    using folder = new RepositoryFolder({ l: { model: 'loop_n' } });
    folder.put('l/config.pbtxt', 'response_cache { enable: true }');
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const ask = (trips: number) =>
        call(`${url}/v2/models/l/infer`, {
          inputs: [
            { name: 'trips', datatype: 'INT64', shape: [], data: [trips] },
            { name: 'x', datatype: 'FP32', shape: [1], data: [0] },
          ],
        });
      const answers = await Promise.all([ask(50_000), ask(50_000), ask(50_000), ask(3)]);
      answers.push(await ask(50_000));
      expect(answers.map(({ json }) => json.outputs[0].data[0])).to.deep.equal([
        50_000, 50_000, 50_000, 3, 50_000,
      ]);
      const [stats] = (await call(`${url}/v2/models/l/stats`)).json.model_stats;
      expect([
        stats.execution_count,
        stats.inference_stats.cache_hit.count,
        stats.inference_stats.cache_miss.count,
      ]).to.deep.equal([2, 3, 2]);
    });
  });
});
