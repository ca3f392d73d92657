/** The management API: TorchServe's calls, for whoever has a token. */
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { manage, managementConfig, TOKEN } from './management-client.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

const x = { inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] }] };

describe('the management API', () => {
  const config = (folder: RepositoryFolder) => ({
    modelRepository: [folder.dir],
    modelControlMode: 'explicit' as const,
    ...managementConfig(`${folder.dir}/.tokens`),
  });

  it('registers, describes, scales and unregisters', async () => {
    using folder = new RepositoryFolder({
      '.tokens': `# of the tests\n${TOKEN}\n`,
      l: { model: 'loop_n' },
      v: { model: 'versions' },
    });
    folder.put('v/config.pbtxt', 'version_policy { all { } }');
    await withServer(config(folder), async (url, server) => {
      const ok = async (text: string) => {
        const { status, json } = await manage(server, text);
        expect(status, JSON.stringify(json)).to.equal(200);
        return json;
      };
      expect(await ok('GET /models')).to.deep.equal({ models: [] });
      expect(await ok('POST /models?url=l&initial_workers=2')).to.deep.equal({
        status: 'Model "l" Version: 1 registered with 2 initial workers',
      });
      const [described] = await ok('GET /models/l');
      expect(described).to.include({
        modelName: 'l',
        modelVersion: '1',
        runtime: 'onnxruntime_onnx',
        minWorkers: 2,
      });
      expect(
        described.workers.every(
          ({ status, pid }: { status: string; pid: number }) => status === 'READY' && pid > 0,
        ),
      ).to.equal(true);
      await ok('PUT /models/l?min_worker=1&synchronous=true');
      expect((await ok('GET /models/l/1'))[0].workers).to.have.length(1);

      // A model in the server's own process moves out when it is to have several workers.
      await ok('POST /models?url=v&model_name=small');
      const workersOf = async (name: string) =>
        (await ok(`GET /models/${name}`))[0].workers.map(({ pid }: { pid: number }) => pid > 0);
      expect(await workersOf('small')).to.deep.equal([false]);
      expect(await manage(server, 'PUT /models/small?min_worker=2')).to.deep.equal({
        status: 202,
        json: { status: 'Processing worker updates...' },
      });
      await ok('PUT /models/small?min_worker=2&synchronous=true');
      expect(await workersOf('small')).to.deep.equal([true, true]);
      expect((await call(`${url}/v2/models/small/infer`, x)).status).to.equal(200);
      for (const number of [1, 2, 3]) await ok(`DELETE /models/small/${number}`);

      await ok('POST /models?url=v&model_name=w');
      expect(
        (await ok('GET /models/w/all')).map(
          ({ modelVersion }: { modelVersion: string }) => modelVersion,
        ),
      ).to.deep.equal(['1', '2', '3']);
      expect(await ok('GET /models?limit=1')).to.deep.equal({
        nextPageToken: '1',
        models: [{ modelName: 'l', modelUrl: 'l' }],
      });
      expect(await ok('GET /models?limit=1&next_page_token=1')).to.deep.equal({
        models: [{ modelName: 'w', modelUrl: 'v' }],
      });
      const version = async () => (await call(`${url}/v2/models/w/infer`, x)).json.model_version;
      expect(await version()).to.equal('3');
      await ok('PUT /models/w/1/set-default');
      expect(await version()).to.equal('1');
      await ok('DELETE /models/w/3');
      expect((await call(`${url}/v2/models/w`)).json.versions).to.deep.equal(['1', '2']);
      const kept =
        "version 1 of model 'w' is its default, and it has others (2): set another default, or unregister those first";
      for (const path of ['w', 'w/1', 'w/1.0']) {
        expect((await manage(server, `DELETE /models/${path}`)).json).to.deep.equal({
          code: 403,
          type: 'PERMISSION_DENIED',
          message: kept,
        });
      }
      await ok('DELETE /models/w/2');
      await ok('DELETE /models/w');
      expect((await call(`${url}/v2/models/w/infer`, x)).status).to.equal(404);
      expect((await ok('GET /debug/profile?seconds=1')).nodes).to.be.an('array');
    });
  });

  it('says what is wrong', async () => {
    using folder = new RepositoryFolder({
      '.tokens': TOKEN,
      l: { model: 'loop_n' },
      elsewhere: { model: 'add_two' },
    });
    const uri = pathToFileURL(`${folder.dir}/elsewhere`).href;
    await withServer(
      { ...config(folder), allowedUri: ['file:///nowhere/'] },
      async (_url, server) => {
        for (const [text, code, message] of [
          ['GET /nothing', 404, 'no such path: GET /nothing'],
          ['GET /models/x', 404, "model 'x' is not found; this server has none"],
          [
            'POST /models',
            400,
            'url: says which model, by a folder of the repository or a storage URI',
          ],
          [
            'POST /models?url=l&initial_workers=many',
            400,
            "initial_workers: expected a whole number, got 'many'",
          ],
          ['POST /models?url=l&model_name=../x', 400, "model_name: '../x' is no name for a model"],
          [
            `POST /models?url=${encodeURIComponent(uri)}&model_name=m`,
            403,
            `url: '${uri}' begins with none of --allowed_uri`,
          ],
          [
            'POST /models?url=file:///nowhere/../etc&model_name=m',
            403,
            "url: 'file:///nowhere/../etc' begins with none of --allowed_uri",
          ],
          ['POST /models?url=m', 404, "url: the repository has no folder 'm'"],
          [
            'POST /models?url=l&startup_timeout=9',
            400,
            'startup_timeout: the start of a worker is not limited in time here',
          ],
          ['POST /models?url=l&batch_size=0', 400, 'batch_size: expected at least 1, got 0'],
          [
            'POST /models?url=l&initial_workers=100000',
            400,
            'initial_workers: expected at most 1024, got 100000',
          ],
          [
            'POST /models?url=l&synchronous=maybe',
            400,
            "synchronous: expected true or false, got 'maybe'",
          ],
          [
            'GET /models?limits=1',
            400,
            'limits: is no parameter of this call, which takes limit, next_page_token',
          ],
          ['PATCH /models/x', 405, 'PATCH is not allowed here, use GET or PUT or DELETE'],
          ['PUT /models/x?min_worker=1', 404, "model 'x' is not found; this server has none"],
          [
            'PUT /models/x/one?min_worker=1',
            404,
            "model 'x' has no version 'one': versions are whole numbers here",
          ],
          [
            'PUT /models/x?min_worker=0',
            400,
            'min_worker: expected at least 1; a model is stopped by unregistering it',
          ],
          ['DELETE /models/x', 404, "model 'x' is not loaded"],
          ['GET /models?limit=1&limit=2', 400, 'limit: is given twice'],
          ['GET /debug/profile?seconds=1000', 400, 'seconds: expected 1 to 300, got 1000'],
        ] as const) {
          const { status, json } = await manage(server, text);
          expect([status, json.message], text).to.deep.equal([code, message]);
        }
        expect((await manage(server, 'GET /models', { token: 'guess' })).status).to.equal(401);
        await manage(server, 'POST /models?url=l');
        expect((await manage(server, 'POST /models?url=l')).json.message).to.equal(
          "version 1 of model 'l' is registered already: give another one a folder of its number, and name it at the end of the url",
        );
      },
    );
  });

  it('adds a version to a model, which serves on with the version that it had', async () => {
    using folder = new RepositoryFolder({
      '.tokens': TOKEN,
      'a/1': { model: 'versions/1' },
      'b/2': { model: 'versions/2' },
      c: { model: 'versions/3' },
      d: 'no model',
    });
    folder.put('bad/4/model.onnx', 'no model');
    await withServer(config(folder), async (url, server) => {
      const version = async () => (await call(`${url}/v2/models/m/infer`, x)).json.model_version;
      const versions = async () => (await call(`${url}/v2/models/m`)).json.versions;
      const register = (from: string) => manage(server, `POST /models?url=${from}&model_name=m`);
      expect((await register('a')).status).to.equal(200);
      expect((await register('b')).json).to.deep.equal({
        status: 'Model "m" Version: 2 registered with 1 initial workers',
      });
      expect([await version(), await versions()]).to.deep.equal(['1', ['1', '2']]);
      // A folder without numbers is version 1, which is there.
      expect((await register('c')).json.message).to.equal(
        "version 1 of model 'm' is registered already: give another one a folder of its number, and name it at the end of the url",
      );
      // What fails to load leaves the others, and nothing of itself.
      expect((await register('bad')).json).to.include({ code: 400 });
      expect([await version(), await versions()]).to.deep.equal(['1', ['1', '2']]);
      const described = async (path: string) =>
        (await manage(server, `GET /models/${path}`)).json.map(
          ({ modelVersion }: { modelVersion: string }) => modelVersion,
        );
      expect(await described('m')).to.deep.equal(['1']);
      expect(await described('m/all')).to.deep.equal(['1', '2']);
      expect(await described('m/2.0')).to.deep.equal(['2']);
      // A load of the whole model keeps both, too.
      expect((await call(`${url}/v2/repository/models/m/load`, {})).status).to.equal(200);
      expect([await version(), await versions()]).to.deep.equal(['1', ['1', '2']]);
      await manage(server, 'PUT /models/m/2.0/set-default');
      expect(await version()).to.equal('2');
      await manage(server, 'DELETE /models/m/1');
      expect(await versions()).to.deep.equal(['2']);
      await manage(server, 'DELETE /models/m/2');
      expect((await manage(server, 'GET /models/m')).status).to.equal(404);
    });
  });

  it('takes the version that a url ends with, of the repository and of storage', async () => {
    using folder = new RepositoryFolder({ '.tokens': TOKEN, v: { model: 'versions' } });
    using other = new RepositoryFolder({ 'm/7': { model: 'versions/3' } });
    const uri = encodeURIComponent(`file://${other.dir}/m/7`);
    const allowed = { ...config(folder), allowedUri: [`file://${other.dir}`] };
    await withServer(allowed, async (url, server) => {
      for (const [request, version] of [
        ['url=v/1', 1],
        ['url=v/2', 2],
        [`url=${uri}&model_name=v`, 7],
      ] as const) {
        expect((await manage(server, `POST /models?${request}`)).json).to.deep.equal({
          status: `Model "v" Version: ${version} registered with 1 initial workers`,
        });
      }
      expect((await call(`${url}/v2/models/v`)).json.versions).to.deep.equal(['1', '2', '7']);
      expect((await call(`${url}/v2/models/v/infer`, x)).json.model_version).to.equal('1');
      expect((await manage(server, 'POST /models?url=v/9')).json.message).to.equal(
        "url: there is no version of a model at 'v/9'",
      );
    });
  });

  it('carries out what a registration says of batches and timeouts, in a query or in JSON', async () => {
    using folder = new RepositoryFolder({
      '.tokens': TOKEN,
      iris: { model: 'sklearn_iris_logreg_onnx' },
    });
    await withServer(config(folder), async (url, server) => {
      const settings = { batch_size: 4, max_batch_delay: 50, response_timeout: 7 };
      const query = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
      for (const [request, body] of [
        [`POST /models?url=iris&${query.join('&')}`, undefined],
        ['POST /models', { url: 'iris', ...settings, synchronous: true, model_name: null }],
        ['POST /models?url=iris', settings],
      ] as const) {
        expect((await manage(server, request, { body })).status).to.equal(200);
        expect((await manage(server, 'GET /models/iris')).json[0]).to.include({
          batchSize: 4,
          maxBatchDelay: 50,
          responseTimeout: 7,
        });
        expect((await call(`${url}/v2/models/iris/config`)).json.max_batch_size).to.equal(4);
        await manage(server, 'DELETE /models/iris');
      }
      for (const [body, message] of [
        [{ url: 'iris', batch_size: [4] }, 'batch_size: expected a text, a number, true or false'],
        [{ url: 'iris', batch_size: 1.5 }, "batch_size: expected a whole number, got '1.5'"],
        [['iris'], 'body: expected an object, got'],
        [
          { url: 'iris', handler: 'h.py' },
          'handler: is for handlers in Python, which are not run here; put code into plugin.mjs',
        ],
      ] as const) {
        const { status, json } = await manage(server, 'POST /models', { body });
        expect([status, json.message.startsWith(message)], json.message).to.deep.equal([400, true]);
      }
      const twice = await manage(server, 'POST /models?url=iris', { body: { url: 'iris' } });
      expect(twice.json.message).to.equal('url: is given twice');
    });
  });

  it('leaves nothing of a registration whose workers do not start', async () => {
    using folder = new RepositoryFolder({ '.tokens': TOKEN });
    folder.put(
      'once/model.mjs',
      `import { existsSync, writeFileSync } from 'node:fs';
       const mark = new URL('started', import.meta.url);
       if (existsSync(mark)) throw new Error('started before');
       writeFileSync(mark, '');
       export const inputs = [{ name: 'x', datatype: 'FP32', shape: [-1] }];
       export const outputs = [{ name: 'y', datatype: 'FP32', shape: [-1] }];
       export const infer = async ({ x }) => ({ y: x });`,
    );
    const allowed = { ...config(folder), allowModelCode: true };
    await withServer(allowed, async (_url, server) => {
      expect((await manage(server, 'POST /models?url=once')).status).to.equal(200);
      await manage(server, 'DELETE /models/once');
      folder.remove('once/started');
      const { status, json } = await manage(server, 'POST /models?url=once&initial_workers=2');
      expect(status).to.equal(400);
      expect(json.message).to.match(/^failed to load 'once': .*: started before$/);
      expect((await manage(server, 'GET /models')).json.models).to.deep.equal([]);
    });
  });

  it('keeps what the configuration says of batches beside what a registration says', async () => {
    using folder = new RepositoryFolder({
      '.tokens': TOKEN,
      iris: { model: 'sklearn_iris_logreg_onnx' },
    });
    folder.put(
      'iris/config.pbtxt',
      'max_batch_size: 8 dynamic_batching { preserve_ordering: true preferred_batch_size: [ 2, 6 ] }',
    );
    await withServer(config(folder), async (url, server) => {
      expect((await manage(server, 'POST /models?url=iris&batch_size=4')).status).to.equal(200);
      const { dynamic_batching: batching } = (await call(`${url}/v2/models/iris/config`)).json;
      expect([batching.preserve_ordering, batching.preferred_batch_size]).to.deep.equal([
        true,
        [2],
      ]);
    });
  });

  it('describes itself', async () => {
    using folder = new RepositoryFolder({ '.tokens': TOKEN });
    await withServer(config(folder), async (_url, server) => {
      const { json } = await manage(server, 'OPTIONS /');
      expect(json.paths['/models'].post.parameters[0].name).to.equal('url');
      expect((await manage(server, 'GET /api-description')).json).to.deep.equal(json);
    });
  });

  it('registers from storage that is allowed', async () => {
    using folder = new RepositoryFolder({ '.tokens': TOKEN });
    using other = new RepositoryFolder({ elsewhere: { model: 'add_two' } });
    const uri = pathToFileURL(`${other.dir}/elsewhere`).href;
    await withServer(
      { ...config(folder), allowedUri: [pathToFileURL(other.dir).href] },
      async (url, server) => {
        for (const [name, from] of [
          ['folder', uri],
          ['file', `${uri}/model.onnx`],
        ]) {
          const { status } = await manage(
            server,
            `POST /models?url=${encodeURIComponent(from as string)}&model_name=${name}`,
          );
          expect(status).to.equal(200);
          expect((await call(`${url}/v2/models/${name}/ready`)).status).to.equal(200);
        }
      },
    );
  });
});
