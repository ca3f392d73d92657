/** JavaScript beside models and in the server: the examples of docs/plugins.md, as they stand there. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

const docs = readFileSync(new URL('../../docs/plugins.md', import.meta.url), 'utf8');

/** The code block of the docs that begins with `// NAME`. */
function example(name: string): string {
  const found = new RegExp(`\`\`\`js\n(// ${name}\n[^]*?)\`\`\``).exec(docs)?.[1];
  if (found === undefined) throw new Error(`docs/plugins.md has no example ${name}`);
  return found;
}

const text = (...data: string[]) => ({
  inputs: [{ name: 'text', datatype: 'BYTES', shape: [data.length], data }],
});

describe('JavaScript beside a model', () => {
  it('is a model of its own', async () => {
    using folder = new RepositoryFolder({ 'words/model.mjs': example('model.mjs') });
    await withServer({ modelRepository: [folder.dir], allowModelCode: true }, async (url) => {
      expect((await call(`${url}/v2/models/words`)).json.platform).to.equal('javascript');
      const { json } = await call(`${url}/v2/models/words/infer`, text('one two', 'three'));
      expect(json.outputs).to.deep.equal([
        { name: 'count', datatype: 'INT32', shape: [2], data: [2, 1] },
      ]);
    });
  });

  it('goes around a model: before, after, and to explain', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    folder.put('add/plugin.mjs', example('plugin.mjs'));
    folder.put('add/config.pbtxt', 'parameters { key: "scale" value { string_value: "10" } }');
    await withServer({ modelRepository: [folder.dir], allowModelCode: true }, async (url) => {
      const values = {
        inputs: [{ name: 'values', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }],
      };
      const { json } = await call(`${url}/v2/models/add/infer`, values);
      expect(json.outputs).to.deep.equal([
        { name: 'total', datatype: 'FP32', shape: [1, 4], data: [20, 40, 60, 80] },
      ]);
      const explained = await call(`${url}/v1/models/add:explain`, { instances: [[1, 2, 3, 4]] });
      expect([explained.status, explained.json]).to.deep.equal([
        200,
        { explanations: [[20, 20, 20, 20]] },
      ]);
      expect(
        (await call(`${url}/v1/models/add:predict`, { instances: [[1, 2, 3, 4]] })).json,
      ).to.deep.equal({ predictions: [[20, 40, 60, 80]] });
    });
  });

  it('does not run unless the server allows it', async () => {
    using folder = new RepositoryFolder({
      'words/model.mjs': example('model.mjs'),
      add: { model: 'add_two' },
    });
    folder.put('add/plugin.mjs', example('plugin.mjs'));
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      for (const name of ['words', 'add']) {
        const { json } = await call(`${url}/v2/models/${name}/ready`);
        expect(json.error).to.match(
          /failed to load: the model brings code, .*\.mjs: start the server with --allow_model_code to let it run$/,
        );
      }
    });
  });

  for (const [title, code, error] of [
    ['is no JavaScript', 'nonsense nonsense', /Node cannot load .*model\.mjs: /],
    ['exports no model', 'export const inputs = [];', /the module must export inputs, outputs/],
    [
      'fails to load',
      "export const inputs = []; export const outputs = []; export function infer() {} export function load() { throw new Error('no licence'); }",
      /no licence$/,
    ],
    ['ends the process', 'process.exit(3);', /the process that loads it ended with code 3/],
  ] as const) {
    it(`that ${title} is told of`, async () => {
      using folder = new RepositoryFolder({ 'm/model.mjs': code });
      await withServer({ modelRepository: [folder.dir], allowModelCode: true }, async (url) => {
        expect((await call(`${url}/v2/models/m/ready`)).json.error).to.match(error);
      });
    });
  }

  it('harms nobody else when it throws, loops or gives no tensor', async () => {
    const model = `
      const tensor = { datatype: 'INT32', shape: [1], data: Int32Array.of(1) };
      export const inputs = [{ name: 'what', datatype: 'BYTES', shape: [1] }];
      export const outputs = [{ name: 'y', datatype: 'INT32', shape: [-1] }];
      export function infer({ what }) {
        switch (what.data[0].toString()) {
          case 'throw': throw new Error('no idea');
          case 'loop': for (;;);
          case 'die': process.exit(1);
          case 'nothing': return {};
          case 'short': return { y: { ...tensor, shape: [5] } };
          default: return { y: tensor };
        }
      }`;
    using folder = new RepositoryFolder({ 'm/model.mjs': model });
    const config = { modelRepository: [folder.dir], allowModelCode: true, workers: 2 };
    await withServer(config, async (url) => {
      const ask = (what: string, timeout = 0) =>
        call(`${url}/v2/models/m/infer`, {
          inputs: [{ name: 'what', datatype: 'BYTES', shape: [1], data: [what] }],
          parameters: { timeout },
        });
      expect((await ask('fine')).json.outputs[0].data).to.deep.equal([1]);
      for (const [what, error] of [
        ['throw', "model 'm' failed: no idea"],
        ['nothing', "model 'm' failed: the module gave no tensor 'y'"],
        [
          'short',
          "model 'm' failed: the module's tensor 'y' must have a datatype, a shape and as many elements as the shape says",
        ],
        ['die', "model 'm' lost its executor, which ended with code 1"],
      ] as const) {
        const { status, json } = await ask(what);
        expect([status, json.error]).to.deep.equal([500, error]);
      }
      expect((await ask('loop', 200_000)).status).to.equal(504);
      expect((await ask('fine')).json.outputs[0].data).to.deep.equal([1]);
    });
  });
});

describe('plugins of the server', () => {
  it('add endpoints, authentication and authorization', async () => {
    using folder = new RepositoryFolder({
      'models/add': { model: 'add_two' },
      'models/secret': { model: 'add_two' },
      'plugins/hello.mjs': example('hello.mjs'),
      'plugins/keys.mjs': example('keys.mjs'),
    });
    const config = {
      modelRepository: [`${folder.dir}/models`],
      pluginsDir: `${folder.dir}/plugins`,
    };
    await withServer(config, async (url) => {
      const ask = async (path: string, key?: string, body?: string) => {
        const headers: Record<string, string> = key === undefined ? {} : { 'x-api-key': key };
        const reply = await fetch(`${url}${path}`, {
          headers,
          ...(body ? { method: 'POST', body } : {}),
        });
        return [reply.status, await reply.text()];
      };
      expect(await ask('/hello/you', 'alice')).to.deep.equal([200, 'hello, you']);
      expect(await ask('/sum', 'alice', '[1,2,3,4]')).to.deep.equal([200, '[2,4,6,8]']);
      expect((await ask('/hello/you'))[0]).to.equal(401);
      expect((await ask('/v2/models/secret', 'bob'))[0]).to.equal(200);
      expect(await ask('/v2/models/secret', 'alice')).to.deep.equal([
        403,
        `{"error":"model 'secret' is not for you, says plugin 'keys'"}`,
      ]);
      expect((await ask('/v2/health/live'))[0]).to.equal(200);
    });
  });
});
