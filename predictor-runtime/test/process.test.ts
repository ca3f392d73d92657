/** The predictor as the process that a pod runs. */
import { once } from 'node:events';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { eventually, withPredictor } from './server.ts';

const model = (name: string) => fileURLToPath(new URL(`models/${name}`, import.meta.url));

describe('predictor process', () => {
  for (const [name, dir, reason] of [
    [
      'a missing folder',
      '/no/such/folder',
      /^model folder \/no\/such\/folder cannot be read: ENOENT/,
    ],
    [
      'a folder without a model',
      model('sequence_input/..'),
      /^no model file \(\.onnx .*\) in .*: it holds abuse_alloc_by_input,/,
    ],
    [
      'a corrupt model',
      model('bad_corrupt'),
      /^ONNX Runtime cannot load .*bad_corrupt\/model.onnx: /,
    ],
    ['a truncated model', model('bad_truncated'), /^ONNX Runtime cannot load /],
    ['an empty model', model('bad_empty'), /model\.onnx is an empty file$/],
    ['an unknown operator', model('bad_unknown_op'), /^ONNX Runtime cannot load /],
    [
      'a model with sequences',
      model('sequence_input'),
      /input 'seq' is no tensor, and the V2 protocol carries nothing else/,
    ],
  ] as const) {
    it(`ends with the reason for ${name}`, async () => {
      await withPredictor(
        ['--model_name=m', `--model_dir=${dir}`],
        async ({ exit, terminationMessage }) => {
          expect(await exit).to.equal(1);
          expect(terminationMessage()).to.match(reason);
        },
      );
    });
  }

  it('answers help and refuses unknown flags', async () => {
    await withPredictor(['--help'], async ({ exit }) => {
      expect(await exit).to.equal(0);
    });
    await withPredictor(['--model_name=m', '--nope'], async ({ exit }) => {
      expect(await exit).to.equal(1);
    });
  });

  it('serves a model that ships with it', async () => {
    await withPredictor(['--model_name=iris', '--storage_uri=builtin://iris'], async ({ url }) => {
      const base = await url;
      await eventually(async () => (await fetch(`${base}/v2/health/ready`)).ok);
      const reply = await fetch(`${base}/v2/models/iris/infer`, {
        method: 'POST',
        body: JSON.stringify({
          inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.8, 2.8, 4.8, 1.4] }],
        }),
      });
      const { outputs } = (await reply.json()) as { outputs: { data: number[] }[] };
      expect(outputs[0]?.data).to.deep.equal([1]);
    });
  });

  it('tells with its readiness what its start took', async () => {
    await withPredictor(['--model_name=iris', '--storage_uri=builtin://iris'], async ({ url }) => {
      const path = `${await url}/v2/health/ready`;
      const ready = await eventually(async () => {
        const reply = await fetch(path);
        return reply.ok && reply;
      });
      const told = ready.headers.get('server-timing') ?? '';
      const times = [...told.matchAll(/(\w+);dur=([\d.]+)/g)].map(([, name, ms]) => [
        name,
        Number(ms),
      ]);
      expect(times.map(([name]) => name)).to.deep.equal(['process', 'download', 'load', 'uptime']);
      const { uptime, ...parts } = Object.fromEntries(times) as Record<string, number>;
      expect(parts.download, 'nothing is fetched').to.equal(0);
      const sum = Object.values(parts).reduce((a, b) => a + b, 0);
      expect(sum)
        .to.be.above(0)
        .and.at.most((uptime ?? 0) + 1);
    });
  });

  it('finishes the requests under way on SIGTERM, and is not ready meanwhile', async () => {
    const args = ['--model_name=add', `--model_dir=${model('add_two')}`];
    await withPredictor(args, async ({ url, child, exit }) => {
      const base = await url;
      const tensor = (name: string) => ({
        name,
        datatype: 'INT32',
        shape: [1, 4],
        data: [1, 2, 3, 4],
      });
      const body = JSON.stringify({ inputs: [tensor('a'), tensor('b')] });
      await eventually(async () => (await fetch(`${base}/v2/health/ready`)).ok);
      const req = request(`${base}/v2/models/add/infer`, {
        method: 'POST',
        headers: { 'content-length': String(body.length), expect: '100-continue' },
      });
      req.write(body.slice(0, 10));
      await once(req, 'continue');
      let output = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        output += chunk;
      });
      child.kill('SIGTERM');
      await eventually(async () => output.includes('"draining"'));
      req.end(body.slice(10));
      const [response] = await once(req, 'response');
      expect(response.statusCode).to.equal(200);
      expect(response.headers.connection).to.equal('close');
      response.resume();
      expect(await exit).to.equal(0);
    });
  });
});
