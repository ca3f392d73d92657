/** V1 beyond predict: status, metadata, classify, regress and explain, as TensorFlow Serving and KServe answer them. */
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

const halfPlusTwo = fileURLToPath(new URL('models/tf_half_plus_two_onnx', import.meta.url));
const iris = fileURLToPath(new URL('../models/iris', import.meta.url));

describe('V1', () => {
  it('tells the status and the metadata of a model', async () => {
    await withServer({ modelName: 'half', modelDir: halfPlusTwo }, async (url) => {
      expect(await call(`${url}/v1/models/half`)).to.deep.equal({
        status: 200,
        json: {
          name: 'half',
          ready: true,
          model_version_status: [
            { version: '1', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } },
          ],
        },
      });
      const { json } = await call(`${url}/v1/models/half/versions/1/metadata`);
      expect(json.model_spec).to.deep.equal({ name: 'half', signature_name: '', version: '1' });
      const { serving_default } = json.metadata.signature_def.signature_def;
      expect(serving_default.inputs.x).to.deep.equal({
        dtype: 'DT_FLOAT',
        tensor_shape: { dim: [{ size: '-1', name: '' }], unknown_rank: false },
        name: 'x',
      });
      for (const [path, status, error] of [
        ['nope', 404, "model 'nope' is not found; this server has half"],
        ['half/versions/9', 404, "model 'half' has no version 9; it has 1"],
        ['half/labels/stable', 404, "model 'half' has no label 'stable'; it has none"],
      ] as const) {
        expect(await call(`${url}/v1/models/${path}`)).to.deep.equal({ status, json: { error } });
      }
    });
  });

  it('classifies and regresses examples', async () => {
    await withServer({ modelName: 'half', modelDir: halfPlusTwo }, async (url) => {
      const half = (verb: string, body: object) => call(`${url}/v1/models/half:${verb}`, body);
      expect(await half('regress', { examples: [{ x: 1 }, { x: 4 }] })).to.deep.equal({
        status: 200,
        json: { results: [2.5, 4] },
      });
      expect(
        (await half('regress', { context: { x: 2 }, examples: [{}, { x: 6 }] })).json.results,
      ).to.deep.equal([3, 5]);
      expect((await half('classify', { examples: [{ x: 1 }] })).json.results).to.deep.equal([
        [['0', 2.5]],
      ]);
      for (const [body, error] of [
        [{ examples: [] }, 'instances: expected at least one'],
        [{ examples: [{ y: 1 }] }, "instances[0]: the model has no input 'y', expected 'x'"],
        [{ examples: {} }, 'examples: expected an array, got {}'],
        [
          { examples: [{ x: 1 }], signature_name: 'other' },
          "signature_name: 'other' is not known, the model has 'serving_default'",
        ],
      ] as const) {
        const { status, json } = await half('regress', body);
        expect([status, json.error]).to.deep.equal([400, error]);
      }
    });
    using folder = new RepositoryFolder({ 'iris/labels.txt': 'setosa\nversicolor\nvirginica\n' });
    folder.put(
      'iris/config.pbtxt',
      'output { name: "probabilities" label_filename: "labels.txt" }',
    );
    const { cpSync } = await import('node:fs');
    cpSync(iris, `${folder.dir}/iris`, { recursive: true });
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const { json } = await call(`${url}/v1/models/iris:classify`, {
        examples: [{ X: [6.8, 2.8, 4.8, 1.4] }],
      });
      expect(json.results[0].map(([label]: [string]) => label)).to.deep.equal([
        'setosa',
        'versicolor',
        'virginica',
      ]);
      expect(json.results[0][1][1]).to.be.closeTo(0.80127, 1e-4);
      const regress = await call(`${url}/v1/models/iris:regress`, {
        examples: [{ X: [6.8, 2.8, 4.8, 1.4] }],
      });
      expect([regress.status, regress.json.error]).to.deep.equal([
        400,
        "output 'probabilities' has 3 values for each example, not one: use :predict",
      ]);
    });
  });

  it('says when a model has no explainer', async () => {
    await withServer({ modelName: 'half', modelDir: halfPlusTwo }, async (url) => {
      expect(await call(`${url}/v1/models/half:explain`, { instances: [1] })).to.deep.equal({
        status: 501,
        json: { error: "model 'half' has no explainer" },
      });
      expect((await call(`${url}/v1/models/half:conjure`, {})).status).to.equal(404);
    });
  });
});
