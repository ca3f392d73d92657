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
        status: 'Model "l" registered',
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
      await ok('PUT /models/l?min_worker=1');
      expect((await ok('GET /models/l/1'))[0].workers).to.have.length(1);

      // A model in the server's own process moves out when it is to have several workers.
      await ok('POST /models?url=v&model_name=small');
      const workersOf = async (name: string) =>
        (await ok(`GET /models/${name}/3`))[0].workers.map(({ pid }: { pid: number }) => pid > 0);
      expect(await workersOf('small')).to.deep.equal([false]);
      await ok('PUT /models/small?min_worker=2');
      expect(await workersOf('small')).to.deep.equal([true, true]);
      expect((await call(`${url}/v2/models/small/infer`, x)).status).to.equal(200);
      await ok('DELETE /models/small');

      await ok('POST /models?url=v&model_name=w');
      expect(
        (await ok('GET /models/w/all')).map(
          ({ modelVersion }: { modelVersion: string }) => modelVersion,
        ),
      ).to.deep.equal(['1', '2', '3']);
      expect(await ok('GET /models?limit=1')).to.deep.equal({
        nextPageToken: '1',
        models: [{ modelName: 'l' }],
      });
      expect(await ok('GET /models?limit=1&next_page_token=1')).to.deep.equal({
        models: [{ modelName: 'w' }],
      });
      const version = async () => (await call(`${url}/v2/models/w/infer`, x)).json.model_version;
      expect(await version()).to.equal('3');
      await ok('PUT /models/w/1/set-default');
      expect(await version()).to.equal('1');
      await ok('DELETE /models/w/3');
      expect((await call(`${url}/v2/models/w`)).json.versions).to.deep.equal(['1', '2']);
      expect((await manage(server, 'DELETE /models/w/1')).json).to.deep.equal({
        code: 409,
        type: 'CONFLICT',
        message: "version 1 of model 'w' is the default one: set another first",
      });
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
            `url: '${uri}' is no folder of the repository, and begins with none of --allowed_uri`,
          ],
          ['PUT /models/x?min_worker=1', 404, "model 'x' is not found; this server has none"],
          ['PUT /models/x/one?min_worker=1', 400, "version: expected a number, got 'one'"],
          [
            'PUT /models/x?min_worker=0',
            400,
            'min_worker: expected at least 1, and max_worker no less',
          ],
          ['DELETE /models/x', 404, "model 'x' is not loaded"],
          ['GET /models?limit=1&limit=2', 400, 'limit: is given twice'],
          ['GET /debug/profile?seconds=1000', 400, 'seconds: expected 1 to 300, got 1000'],
        ] as const) {
          const { status, json } = await manage(server, text);
          expect([status, json.message], text).to.deep.equal([code, message]);
        }
        expect((await manage(server, 'GET /models', 'guess')).status).to.equal(401);
        await manage(server, 'POST /models?url=l');
        expect((await manage(server, 'POST /models?url=l')).json.message).to.equal(
          "model 'l' is registered already",
        );
      },
    );
  });

  it('registers from storage that is allowed', async () => {
    using folder = new RepositoryFolder({ '.tokens': TOKEN });
    using other = new RepositoryFolder({ elsewhere: { model: 'add_two' } });
    const uri = pathToFileURL(`${other.dir}/elsewhere`).href;
    await withServer(
      { ...config(folder), allowedUri: [pathToFileURL(other.dir).href] },
      async (url, server) => {
        const { status } = await manage(
          server,
          `POST /models?url=${encodeURIComponent(uri)}&model_name=m`,
        );
        expect(status).to.equal(200);
        expect((await call(`${url}/v2/models/m/ready`)).status).to.equal(200);
      },
    );
  });
});
