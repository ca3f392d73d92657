/** Questions over REST. */
import { deflateSync, gzipSync } from 'node:zlib';
import type { Case, Compared } from './compared.ts';
import { DATATYPES } from './models.ts';

interface Request {
  readonly method?: string;
  readonly body?: object | string | Buffer;
  readonly headers?: Record<string, string>;
}

/** Sends a request, and returns its status, the headers that clients read, and its body. */
async function send({ url }: Compared, path: string, request: Request = {}): Promise<object> {
  const { body, headers, method = body === undefined ? 'GET' : 'POST' } = request;
  const sent = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body);
  const reply = await fetch(`${url}${path}`, {
    method,
    // Without this header, fetch asks for compression by itself.
    headers: { 'accept-encoding': 'identity', ...headers },
    body: typeof sent === 'string' || sent === undefined ? sent : new Uint8Array(sent),
  });
  const bytes = Buffer.from(await reply.arrayBuffer());
  const length = reply.headers.get('inference-header-content-length');
  const head = length === null ? bytes.length : Number(length);
  return {
    status: reply.status,
    type: reply.headers.get('content-type'),
    encoding: reply.headers.get('content-encoding'),
    body: withBytes(parsed(bytes.toString('utf8', 0, head)), bytes.subarray(head)),
  };
}

/** Puts the bytes after the JSON to the outputs that they belong to. */
function withBytes(body: unknown, binary: Buffer): unknown {
  let start = 0;
  const { outputs = [] } = body as { outputs?: { parameters?: { binary_data_size?: number } }[] };
  for (const output of outputs) {
    const size = output.parameters?.binary_data_size;
    if (size === undefined) continue;
    Object.assign(output, { bytes: binary.toString('hex', start, start + size) });
    start += size;
  }
  return body;
}

/** Parses JSON; 64-bit integers that JSON's numbers do not hold stay texts. */
function parsed(text: string): unknown {
  if (text === '') return '';
  try {
    return JSON.parse(text.replace(/(?<=[[,:]\s*)-?\d{16,}(?=\s*[\],}])/g, '"$&"'));
  } catch {
    return text;
  }
}

const tensor = (name: string, data: readonly unknown[], shape = [1, 4], datatype = 'INT32') => ({
  name,
  shape,
  datatype,
  data,
});
const A = tensor('a', [1, 2, 3, 4]);
const B = tensor('b', [10, 20, 30, 40]);
const add = (more: object = {}) => ({ inputs: [A, B], ...more });
const wrong = (change: object) => ({ inputs: [{ ...A, ...change }, B] });
const int32 = (...values: number[]) => Buffer.from(Int32Array.from(values).buffer);

/** Makes a body of JSON and then tensors. */
function binary(json: object, ...buffers: Buffer[]): Request {
  const head = Buffer.from(JSON.stringify(json));
  return {
    body: Buffer.concat([head, ...buffers]),
    headers: { 'inference-header-content-length': String(head.length) },
  };
}
const inBytes = ({ data, ...about }: ReturnType<typeof tensor>, size = 16) => ({
  ...about,
  parameters: { binary_data_size: size },
});
const BYTES = [int32(1, 2, 3, 4), int32(10, 20, 30, 40)] as const;

/** Both rows of each datatype, as JSON; FP16 has no form in Triton's JSON, and comes as bytes. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  FP32: [0.5, -1.5],
  FP64: [0.1, -1e300],
  INT8: [-128, 127],
  INT16: [-32768, 32767],
  INT32: [-2147483648, 2147483647],
  INT64: [-9007199254740991, 9007199254740991],
  UINT8: [0, 255],
  UINT16: [0, 65535],
  UINT32: [0, 4294967295],
  UINT64: [0, 9007199254740991],
  BOOL: [true, false],
  BYTES: ['türkiye', ''],
};
const typesInputs = DATATYPES.map((type) =>
  type === 'FP16'
    ? { name: 'in_FP16', shape: [1, 2], datatype: type, parameters: { binary_data_size: 4 } }
    : tensor(`in_${type}`, VALUES[type] ?? [], [1, 2], type),
);
const HALVES = Buffer.from([0x00, 0x3c, 0x00, 0xc0]);

const post = (title: string, path: string, body: object | string, headers = {}): Case => ({
  title,
  ask: (server) => send(server, path, { body, headers }),
});
const get = (title: string, path: string): Case => ({ title, ask: (server) => send(server, path) });
const infer = (title: string, body: object | string, model = 'add'): Case =>
  post(title, `/v2/models/${model}/infer`, body);
const bytes = (title: string, request: Request, model = 'add'): Case => ({
  title,
  ask: (server) => send(server, `/v2/models/${model}/infer`, request),
});
const outputs = (...list: object[]) => add({ outputs: list });

export const REST_CASES: readonly Case[] = [
  get('live', '/v2/health/live'),
  get('ready', '/v2/health/ready'),
  get('server metadata', '/v2'),
  get('metadata', '/v2/models/add'),
  get('metadata of a version', '/v2/models/rows/versions/1'),
  get('metadata of an unknown model', '/v2/models/nope'),
  get('metadata of an unknown version', '/v2/models/add/versions/9'),
  get('ready model', '/v2/models/add/ready'),
  get('ready version', '/v2/models/add/versions/1/ready'),
  get('ready, unknown model', '/v2/models/nope/ready'),
  get('ready, unknown version', '/v2/models/add/versions/9/ready'),
  get('ready, no number', '/v2/models/add/versions/x/ready'),
  get('configuration', '/v2/models/add/config'),
  get('configuration with batches', '/v2/models/batched/config'),
  get('configuration with a queue policy', '/v2/models/reject/config'),
  get('configuration with priorities', '/v2/models/levels/config'),
  get('configuration with labels', '/v2/models/rows/config'),
  get('configuration of an unknown model', '/v2/models/nope/config'),
  get('statistics of an unknown model', '/v2/models/nope/stats'),
  get('statistics of an unknown version', '/v2/models/add/versions/9/stats'),
  get('statistics of no version', '/v2/models/add/versions/x/stats'),
  get('unknown path', '/v2/nope'),
  get('wrong method', '/v2/models/add/infer'),

  infer('plain', add()),
  infer('plain, with an id', add({ id: '7' })),
  infer('nested', { inputs: [tensor('a', [[1, 2, 3, 4]]), B] }),
  infer('several rows', {
    inputs: [
      tensor('a', [1, 2, 3, 4, 5, 6, 7, 8], [2, 4]),
      tensor('b', [0, 0, 0, 0, 0, 0, 0, 0], [2, 4]),
    ],
  }),
  infer('no rows', { inputs: [tensor('a', [], [0, 4]), tensor('b', [], [0, 4])] }),
  infer('of a version', add(), 'add/versions/1'),
  infer('of an unknown version', add(), 'add/versions/9'),
  infer('of an unknown model', add(), 'nope'),
  infer('one output', outputs({ name: 'diff' })),
  infer('outputs in another order', outputs({ name: 'diff' }, { name: 'sum' })),
  infer('outputs empty', add({ outputs: [] })),
  infer('unknown output', outputs({ name: 'nope' })),
  infer('unknown fields', add({ nope: 1 })),
  infer('parameters of one’s own', add({ parameters: { mine: 'x', number: 1, truth: true } })),
  infer('parameters with null', add({ parameters: { mine: null } })),
  infer('a reserved parameter', add({ parameters: { triton_mine: 1 } })),
  infer('priority where there are none', add({ parameters: { priority: 3 } })),
  infer('timeout where there is no policy', add({ parameters: { timeout: 5_000_000 } })),
  infer('sequence parameters', add({ parameters: { sequence_id: 0 } })),
  infer('id that is a number', add({ id: 7 })),
  infer('inputs missing', {}),
  infer('no input', { inputs: [] }),
  infer('an input missing', { inputs: [A] }),
  infer('an input too many', { inputs: [A, B, tensor('c', [1])] }),
  infer('an input twice', { inputs: [A, A] }),
  infer('wrong name', wrong({ name: 'z' })),
  infer('wrong datatype', wrong({ datatype: 'FP32' })),
  infer('unknown datatype', wrong({ datatype: 'INT31' })),
  infer('wrong shape', wrong({ shape: [1, 3], data: [1, 2, 3] })),
  infer('wrong rank', wrong({ shape: [4] })),
  infer('negative shape', wrong({ shape: [-1, 4] })),
  infer('too few elements', wrong({ data: [1, 2, 3] })),
  infer('too many elements', wrong({ data: [1, 2, 3, 4, 5] })),
  infer('a text for a number', wrong({ data: ['1', 2, 3, 4] })),
  infer('a fraction for an integer', wrong({ data: [1.5, 2, 3, 4] })),
  infer('a number beyond its type', wrong({ data: [2147483648, 2, 3, 4] })),
  infer('null for a number', wrong({ data: [null, 2, 3, 4] })),
  infer('data missing', wrong({ data: undefined })),
  infer(
    'rows that do not agree',
    {
      inputs: [tensor('a', [1, 2, 3, 4]), tensor('b', [1, 2, 3, 4, 5, 6, 7, 8], [2, 4])],
    },
    'batched',
  ),
  infer(
    'more rows than max_batch_size',
    {
      inputs: ['a', 'b'].map((name) => tensor(name, new Array(20).fill(1), [5, 4])),
    },
    'rows',
  ),
  infer('empty body', ''),
  infer('no JSON', '{"inputs":'),
  infer('JSON that is no object', '[1]'),
  infer('batched', add(), 'batched'),

  bytes(
    'bytes in, bytes out',
    binary(
      add({ inputs: [inBytes(A), inBytes(B)], parameters: { binary_data_output: true } }),
      ...BYTES,
    ),
  ),
  bytes('bytes in, JSON out', binary(add({ inputs: [inBytes(A), inBytes(B)] }), ...BYTES)),
  bytes('JSON in, bytes out', binary(add({ parameters: { binary_data_output: true } }))),
  bytes(
    'one of each in, one of each out',
    binary(
      {
        inputs: [A, inBytes(B)],
        outputs: [{ name: 'sum', parameters: { binary_data: true } }, { name: 'diff' }],
      },
      BYTES[1],
    ),
  ),
  bytes(
    'binary_data: false against binary_data_output',
    binary({
      inputs: [A, B],
      outputs: [{ name: 'sum', parameters: { binary_data: false } }],
      parameters: { binary_data_output: true },
    }),
  ),
  bytes('bytes too few', binary({ inputs: [inBytes(A), inBytes(B)] }, BYTES[0])),
  bytes('bytes too many', binary({ inputs: [inBytes(A), inBytes(B)] }, ...BYTES, BYTES[0])),
  bytes(
    'binary_data_size wrong',
    binary({ inputs: [inBytes(A, 12), inBytes(B)] }, int32(1, 2, 3), BYTES[1]),
  ),
  bytes(
    'bytes beside data',
    binary({ inputs: [{ ...A, parameters: { binary_data_size: 16 } }, B] }, BYTES[0]),
  ),
  bytes('header longer than the body', {
    body: Buffer.from('{}'),
    headers: { 'inference-header-content-length': '9' },
  }),
  bytes('header that is no number', {
    body: Buffer.from('{}'),
    headers: { 'inference-header-content-length': 'x' },
  }),
  bytes('raw request to two inputs', {
    body: BYTES[0],
    headers: { 'inference-header-content-length': '0' },
  }),
  bytes(
    'raw request',
    { body: int32(1), headers: { 'inference-header-content-length': '0' } },
    'short',
  ),
  bytes('gzip', { body: gzipSync(JSON.stringify(add())), headers: { 'content-encoding': 'gzip' } }),
  bytes('deflate', {
    body: deflateSync(JSON.stringify(add())),
    headers: { 'content-encoding': 'deflate' },
  }),
  bytes('an answer in gzip', {
    body: add({ id: 'x'.repeat(2000) }),
    headers: { 'accept-encoding': 'gzip' },
  }),
  bytes('broken gzip', { body: Buffer.from('nope'), headers: { 'content-encoding': 'gzip' } }),
  bytes('unknown encoding', { body: Buffer.from('{}'), headers: { 'content-encoding': 'br' } }),

  bytes(
    'every datatype',
    binary(
      {
        inputs: typesInputs,
        outputs: DATATYPES.map((type) => ({
          name: `out_${type}`,
          parameters: { binary_data: type === 'FP16' },
        })),
      },
      HALVES,
    ),
    'types',
  ),
  bytes(
    'every datatype, bytes out',
    binary({ inputs: typesInputs, parameters: { binary_data_output: true } }, HALVES),
    'types',
  ),
  infer(
    'FP16 in JSON',
    {
      inputs: typesInputs.map((input) =>
        input.datatype === 'FP16' ? tensor('in_FP16', [1, -2], [1, 2], 'FP16') : input,
      ),
      outputs: [{ name: 'out_FP16' }],
    },
    'types',
  ),
  bytes(
    'a fraction beyond its type',
    binary(
      {
        inputs: typesInputs.map((input) =>
          input.datatype === 'FP32' ? tensor('in_FP32', [1e39, 0], [1, 2], 'FP32') : input,
        ),
        outputs: [{ name: 'out_FP32', parameters: { binary_data: true } }],
      },
      HALVES,
    ),
    'types',
  ),

  infer('classification', outputs({ name: 'sum', parameters: { classification: 2 } })),
  infer('classification of all', outputs({ name: 'sum', parameters: { classification: 9 } })),
  infer('classification of none', outputs({ name: 'sum', parameters: { classification: 0 } })),
  infer(
    'classification with labels',
    outputs({ name: 'sum', parameters: { classification: 4 } }),
    'rows',
  ),
  bytes(
    'classification as bytes',
    binary(outputs({ name: 'sum', parameters: { classification: 1, binary_data: true } })),
    'rows',
  ),

  post('load what is there', '/v2/repository/models/add/load', {}),
  post('load what is not there', '/v2/repository/models/nope/load', {}),
  post('load with an unknown parameter', '/v2/repository/models/add/load', {
    parameters: { nope: 'x' },
  }),
  post('load with a configuration that is no JSON', '/v2/repository/models/loaded/load', {
    parameters: { config: '{' },
  }),
  post('load files without a configuration', '/v2/repository/models/loaded/load', {
    parameters: { 'file:1/x': 'AAAA' },
  }),
  post('index before a load', '/v2/repository/index', {}),
  post('load', '/v2/repository/models/loaded/load', {}),
  infer('after a load', add(), 'loaded'),
  post('unload', '/v2/repository/models/loaded/unload', {}),
  {
    title: 'index after an unload',
    ask: async (server) => {
      await gone(server, 'loaded');
      return send(server, '/v2/repository/index', { body: {} });
    },
  },
  infer('after an unload', add(), 'loaded'),
  get('metadata after an unload', '/v2/models/loaded'),
  get('ready after an unload', '/v2/models/loaded/ready'),
  post('unload again', '/v2/repository/models/loaded/unload', {}),
  post('unload what is not there', '/v2/repository/models/nope/unload', {}),
  post('index of the ready', '/v2/repository/index', { ready: true }),

  post('load an ensemble', '/v2/repository/models/ensemble/load', {}),
  infer('ensemble', { inputs: [tensor('x', [1, 2, 3, 4])] }, 'ensemble'),
  get('configuration of an ensemble', '/v2/models/ensemble/config'),
  get('metadata of an ensemble', '/v2/models/ensemble'),
  get('statistics of an ensemble', '/v2/models/ensemble/stats'),
  post('load an ensemble without its model', '/v2/repository/models/orphan/load', {}),
  get('server ready after a failed load', '/v2/health/ready'),
  post('unload an ensemble with its models', '/v2/repository/models/ensemble/unload', {
    parameters: { unload_dependents: true },
  }),
  {
    title: 'index after the unload of an ensemble',
    ask: async (server) => {
      await gone(server, 'step');
      return send(server, '/v2/repository/index', { body: {} });
    },
  },

  post('set the levels of the log', '/v2/logging', { log_info: true, log_warning: true }),
  get('log settings', '/v2/logging'),
  post('set the log', '/v2/logging', { log_verbose_level: 0, log_format: 'ISO8601' }),
  post('set the log back', '/v2/logging', { log_format: 'default' }),
  post('set a log file', '/v2/logging', { log_file: '/tmp/x' }),
  post('set an unknown log setting', '/v2/logging', { nope: true }),
  post('switch errors off', '/v2/logging', { log_error: false }),
  post('switch errors on', '/v2/logging', { log_error: true }),
  get('trace settings', '/v2/trace/setting'),
  get('shared memory', '/v2/systemsharedmemory/status'),
];

/** Waits until a model that is being unloaded has gone. */
async function gone({ url }: Compared, model: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const reply = await fetch(`${url}/v2/repository/index`, { method: 'POST', body: '{}' });
    const index = (await reply.json()) as { name: string; state?: string }[];
    const { state } = index.find(({ name }) => name === model) ?? {};
    if (state !== 'UNLOADING' && state !== 'READY') return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
