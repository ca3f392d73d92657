/** What the image runs: the bundled programs answer as the sources do. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, credentials } from '@grpc/grpc-js';
import { expect } from 'chai';
import { service } from './grpc-client.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, eventually, withPredictor } from './server.ts';

const file = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const PROGRAMS = { sources: file('src/main.ts'), bundle: file('dist/main.js') };

/** Counts the bytes of each text. */
const MODULE = `
export const inputs = [{ name: 'text', datatype: 'BYTES', shape: [-1] }];
export const outputs = [{ name: 'size', datatype: 'INT32', shape: [-1] }];
export const infer = ({ text }) => ({
  size: { datatype: 'INT32', shape: text.shape, data: Int32Array.from(text.data, ({ length }) => length) },
});`;

const numbers = (name: string, shape: number[]) => ({
  inputs: [
    {
      name,
      datatype: 'FP32',
      shape,
      data: Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (i % 79) / 10),
    },
  ],
});
const REQUESTS = {
  digits_cnn: numbers('image', [2, 1, 8, 8]),
  // Long enough for the worker threads.
  sklearn_iris_rf: numbers('input-0', [20_000, 4]),
  words: { inputs: [{ name: 'text', datatype: 'BYTES', shape: [2], data: ['one', 'three'] }] },
};

async function answers(program: string, args: readonly string[]): Promise<unknown[]> {
  const found: unknown[] = [];
  await withPredictor(
    [...args, '--allow_model_code', '--grpc_port=0', '--threads=2'],
    async ({ url, grpcPort }) => {
      const base = await url;
      await eventually(async () => (await fetch(`${base}/v2/health/ready`)).ok);
      for (const [model, request] of Object.entries(REQUESTS)) {
        // The second finds the worker threads started.
        for (let i = 0; i < 2; i++) {
          const { status, json } = await call(`${base}/v2/models/${model}/infer`, request);
          found.push({ model, status, outputs: json.outputs });
        }
      }
      found.push((await call(`${base}/v2`)).json, await metadataOverGrpc(await grpcPort));
    },
    program,
  );
  return found;
}

function metadataOverGrpc(port: number | undefined): Promise<unknown> {
  const method = service.ServerMetadata;
  if (method === undefined) throw new Error('no ServerMetadata');
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      {},
      (error, reply) => {
        client.close();
        if (error === null) resolve(reply);
        else reject(error);
      },
    );
  });
}

describe('the bundle', () => {
  before(() => {
    execFileSync(process.execPath, [file('scripts/bundle.ts')]);
  });

  for (const executor of ['auto', 'process']) {
    it(`answers as its sources, with --executor=${executor}`, async () => {
      using folder = new RepositoryFolder({
        digits_cnn: { model: 'digits_cnn' },
        sklearn_iris_rf: { model: 'sklearn_iris_rf' },
        'words/model.mjs': MODULE,
      });
      const args = [`--model_repository=${folder.dir}`, `--executor=${executor}`];
      const bundled = await answers(PROGRAMS.bundle, args);
      expect(bundled).to.deep.equal(await answers(PROGRAMS.sources, args));
      expect(
        bundled.slice(0, 6).map((answer) => (answer as { status: number }).status),
      ).to.deep.equal([200, 200, 200, 200, 200, 200]);
    });
  }

  it('has the storage-initializer', () => {
    using folder = new RepositoryFolder({});
    const source = `file://${file('models/iris')}`;
    const program = file('dist/storage-initializer.js');
    execFileSync(process.execPath, [program, source, join(folder.dir, 'iris')]);
    expect(readdirSync(join(folder.dir, 'iris'))).to.deep.equal(['model.onnx']);
  });
});
