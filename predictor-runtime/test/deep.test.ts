/** Values nested deeper than the stack, and values of unexpected types: the client's fault, and told as such. */
import { expect } from 'chai';
import { show } from '../src/protocol/v2/elements.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

const DEPTH = 200_000;
const deep = '['.repeat(DEPTH) + ']'.repeat(DEPTH);
const start = `${'['.repeat(40)}…`;
const tensor = (name: string, data: string) =>
  `{"name":"${name}","datatype":"INT32","shape":[1,4],"data":${data}}`;
const a = tensor('a', '[1,2,3,4]');
const v2 = `"inputs":[${a},${tensor('b', '[1,2,3,4]')}]`;
const KINDS = { deep: [deep, start], odd: ['{"toString":1}', '{"toString":1}'] } as const;

const PLUGIN = `export const routes = { 'POST /ask': async ({ body, infer }) =>
  ({ body: await infer('add', JSON.parse(body)) }) };`;

/** Requests with a value `#`, and their errors, in which `#` is what is told of it. */
const REQUESTS: readonly (readonly [path: string, body: string, error: string])[] = [
  ['/v2/models/add/infer', '{"inputs":[{"name":#}]}', 'inputs[0].name: expected a string, got #'],
  [
    '/v2/models/add/infer',
    `{"inputs":[${tensor('a', '[1,2,3,#]')}]}`,
    'inputs[0].data[3]: # is not a INT32 value',
  ],
  [
    '/v2/models/add/infer',
    `{"inputs":[${tensor('a', '[[1,2,3,#]]')}]}`,
    'inputs[0].data[3]: # is not a INT32 value',
  ],
  ['/v2/models/add/infer', `{${v2},"id":#}`, 'id: expected a string, got #'],
  [
    '/v2/models/add/infer',
    `{${v2},"parameters":{"priority":#}}`,
    'parameters.priority: expected a whole number of at least 0, got #',
  ],
  [
    '/v2/models/add/infer',
    `{"inputs":[{"name":"a","datatype":"INT32","shape":[1,4],"parameters":{"binary_data_size":#}}]}`,
    'inputs[0].parameters.binary_data_size: expected a number of bytes, got #',
  ],
  [
    '/v2/models/add/infer',
    `{${v2},"outputs":[{"name":"sum","parameters":{"classification":#}}]}`,
    'outputs[0].parameters.classification: expected a whole number above 0, got #',
  ],
  [
    '/v1/models/add:predict',
    '{"signature_name":#,"instances":[]}',
    "signature_name: # is not known, the model has 'serving_default'",
  ],
  [
    '/v1/models/add:predict',
    '{"instances":[{"a":[1,2,3,4],"b":[1,2,3,#]}]}',
    'instances[].b[3]: # is not a INT32 value',
  ],
  [
    '/v2/logging',
    '{"log_info":#}',
    'log_info: # can not be set; errors are always written, formats are default and ISO8601',
  ],
];

describe('deep and odd values', () => {
  for (const [path, body, error] of REQUESTS) {
    it(`in ${path} are the fault of the client: ${error}`, async () => {
      using folder = new RepositoryFolder({ add: { model: 'add_two' } });
      await withServer({ modelRepository: [folder.dir] }, async (url) => {
        for (const [kind, [value, told]] of Object.entries(KINDS)) {
          const answer = await call(url + path, body.replace('#', value));
          expect(answer.status, kind).to.equal(400);
          expect(answer.json.error, kind).to.equal(error.replace('#', told));
        }
      });
    });
  }

  it('beside long integers, and from a plugin, are told of', async () => {
    using folder = new RepositoryFolder({ 'add/model.onnx': '', 'plugins/ask.mjs': PLUGIN });
    folder.remove('add');
    folder.put('add', { model: 'add_two' });
    const config = { modelName: 'add', modelDir: `${folder.dir}/add` };
    await withServer({ ...config, pluginsDir: `${folder.dir}/plugins` }, async (url) => {
      const body = `{"id":1234567890123456789,"inputs":${deep}}`;
      expect(await call(`${url}/v2/models/add/infer`, body)).to.deep.equal({
        status: 400,
        json: { error: 'body is not JSON: it is nested too deep' },
      });
      const answer = await call(`${url}/ask`, `{"inputs":${deep}}`);
      expect(answer.json.error).to.contain('body cannot be written as JSON: Maximum call stack');
    });
  });

  it('are no settings that every object has', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      for (const name of ['__proto__', 'toString', 'constructor']) {
        expect(await call(`${url}/v2/logging`, `{"${name}":1}`)).to.deep.equal({
          status: 400,
          json: {
            error: `${name}: 1 can not be set; errors are always written, formats are default and ISO8601`,
          },
        });
      }
    });
  });

  it('cost no more than their size', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const pairs = '[],'.repeat(DEPTH);
      const body = `{"x":${'['.repeat(DEPTH)}${pairs}[]${']'.repeat(DEPTH)},${v2}}`;
      expect((await call(`${url}/v2/models/add/infer`, body)).status).to.equal(200);
    });
  });

  it('are shown by their beginning', () => {
    for (const [value, text] of [
      [undefined, 'nothing'],
      [null, 'null'],
      [1.5, '1.5'],
      [true, 'true'],
      [2n ** 64n, '18446744073709551616'],
      ['say "a"', '"say \\"a\\""'],
      ['x'.repeat(1e6), `"${'x'.repeat(39)}…`],
      [[], '[]'],
      [{}, '{}'],
      [[1, [2n, 'b'], { c: null, 'd"': [] }], '[1,[2,"b"],{"c":null,"d\\"":[]}]'],
      [Array.from({ length: 1e6 }, () => 0), `[${'0,'.repeat(19)}0…`],
      [{ ['k'.repeat(1e6)]: 1 }, `{"${'k'.repeat(38)}…`],
    ] as const) {
      expect(show(value)).to.equal(text);
    }
  });
});
