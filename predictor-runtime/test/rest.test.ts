/** The V2 protocol over HTTP as vectors: a request, and the answer or the error it gets. */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type BinaryOutput, sendBinary } from './binary-client.ts';
import { parseLossless } from './lossless-json.ts';
import { call, withServer } from './server.ts';

interface Vector {
  name: string;
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  text?: string;
  status: number;
  json?: unknown;
  /** Exact text of the error. */
  error?: string;
}

const vectors = (version: string) =>
  JSON.parse(readFileSync(new URL(`vectors/${version}.json`, import.meta.url), 'utf8')) as Vector[];
const addTwo = fileURLToPath(new URL('models/add_two', import.meta.url));
const dtypes = fileURLToPath(new URL('models/dtypes_identity', import.meta.url));

async function send(url: string, { method, path, headers, body, text }: Vector) {
  const payload = text ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(url + path, {
    method: method ?? (payload === undefined ? 'GET' : 'POST'),
    headers,
    body: payload,
  });
  return { status: response.status, text: await response.text() };
}

function follow(vector: Vector): void {
  it(vector.name, async () => {
    const model = { modelName: 'add', modelDir: addTwo, maxBodyBytes: 4096 };
    await withServer(model, async (url) => {
      const { status, text } = await send(url, vector);
      const answer = JSON.parse(text) as { error?: string };
      expect(status, text).to.equal(vector.status);
      if (vector.error !== undefined) expect(answer).to.deep.equal({ error: vector.error });
      else expect(answer).to.deep.equal(vector.json);
      const after = await send(url, { name: '', path: '/v2/health/ready', status: 200 });
      expect(after.status, 'still ready').to.equal(200);
    });
  });
}

describe('V1 over REST', () => {
  for (const vector of vectors('v1')) follow(vector);

  it('takes bare rows for a model with one input, and names its outputs in each', async () => {
    const iris = fileURLToPath(new URL('../models/iris', import.meta.url));
    await withServer({ modelName: 'iris', modelDir: iris }, async (url) => {
      const body = '{"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}';
      const reply = await fetch(`${url}/v1/models/iris:predict`, { method: 'POST', body });
      const { predictions } = (await reply.json()) as {
        predictions: { label: number; probabilities: number[] }[];
      };
      expect(predictions.map(({ label }) => label)).to.deep.equal([1, 1]);
      expect(predictions[0]?.probabilities[1]).to.be.closeTo(0.80127, 1e-4);
    });
  });

  it('survives nesting without end', async () => {
    await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
      const body = `{"inputs":{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`;
      const reply = await fetch(`${url}/v1/models/add:predict`, { method: 'POST', body });
      expect(reply.status).to.equal(400);
    });
  });
});

describe('V2 over REST', () => {
  for (const vector of vectors('v2')) follow(vector);

  it('keeps 64-bit integers exact beyond 2^53', async () => {
    await withServer({ modelName: 'd', modelDir: dtypes }, async (url) => {
      const golden = parseLossless(
        readFileSync(new URL('models/dtypes_identity/golden.json', import.meta.url), 'utf8'),
      ) as { cases: { request: { inputs: { name: string; datatype: string }[] } }[] };
      const inputs = golden.cases[0]?.request.inputs ?? [];
      const body = JSON.stringify({
        inputs: inputs.map((input) =>
          input.datatype === 'INT64' ? { ...input, data: '#', raw_b64: undefined } : input,
        ),
      }).replace('"#"', '[9007199254740993, -9223372036854775808, 0, 9223372036854775807]');
      const reply = await fetch(`${url}/v2/models/d/infer`, { method: 'POST', body });
      const text = await reply.text();
      expect(reply.status, text).to.equal(200);
      expect(text).to.contain('[9007199254740993,-9223372036854775808,0,9223372036854775807]');
    });
  });

  it('answers 413 to a body that is too large, whether or not its length was announced', async () => {
    await withServer({ modelName: 'add', modelDir: addTwo, maxBodyBytes: 1000 }, async (url) => {
      for (const headers of [{ 'content-length': '200000' }, { 'transfer-encoding': 'chunked' }]) {
        const status = await new Promise<number | undefined>((resolve, reject) => {
          const req = request(`${url}/v2/models/add/infer`, { method: 'POST', headers }, (res) => {
            res.resume();
            resolve(res.statusCode);
          });
          req.on('error', reject);
          for (let i = 0; i < 20; i++) req.write(' '.repeat(10_000));
          req.end();
        });
        expect(status).to.equal(413);
      }
    });
  });

  it('survives a client that leaves in the middle of its body', async () => {
    await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
      await new Promise<void>((resolve) => {
        const req = request(`${url}/v2/models/add/infer`, {
          method: 'POST',
          headers: { 'content-length': '100' },
        });
        req.on('error', () => resolve());
        req.write('{"inp');
        setTimeout(() => req.destroy(), 50);
      });
      expect((await fetch(`${url}/v2/health/live`)).status).to.equal(200);
    });
  });

  it('carries BYTES as text and as base64, in and out', async () => {
    await withServer({ modelName: 'd', modelDir: dtypes }, async (url) => {
      const golden = parseLossless(
        readFileSync(new URL('models/dtypes_identity/golden.json', import.meta.url), 'utf8'),
      ) as {
        cases: { request: { inputs: { name: string; datatype: string; shape: number[] }[] } }[];
      };
      const all = golden.cases[0]?.request.inputs ?? [];
      const bytes = all.find(({ datatype }) => datatype === 'BYTES');
      if (bytes === undefined) throw new Error('no input of BYTES');
      const count = bytes.shape.reduce((product, dim) => product * dim, 1);
      const output = bytes.name.replace(/^in/, 'out');
      const ask = async (data: string[], parameters?: object, wish?: object) => {
        const inputs = all.map((input) =>
          input === bytes ? { ...bytes, data, parameters, raw_b64: undefined } : input,
        );
        const metadata = (await (await fetch(`${url}/v2/models/d`)).json()) as {
          outputs: { name: string; datatype: string }[];
        };
        const name = metadata.outputs.find(({ datatype }) => datatype === 'BYTES')?.name ?? output;
        const reply = await fetch(`${url}/v2/models/d/infer`, {
          method: 'POST',
          body: JSON.stringify({ inputs, outputs: [{ name, parameters: wish }] }),
        });
        const json = (await reply.json()) as {
          error?: string;
          outputs?: { data: string[]; parameters?: object }[];
        };
        return json.outputs?.[0] ?? json.error;
      };
      const repeat = (text: string) => new Array<string>(count).fill(text);
      const base64 = { content_type: 'base64' };
      const asText = await ask(repeat('türkiye'));
      expect(asText).to.not.have.property('parameters');
      expect(asText).to.have.deep.property('data', repeat('türkiye'));
      expect(await ask(repeat('dGV4dA=='), base64)).to.have.deep.property('data', repeat('text'));
      expect(await ask(repeat('text'), undefined, base64)).to.deep.include({
        parameters: base64,
        data: repeat('dGV4dA=='),
      });
      // What is no text comes as base64 without being asked for.
      expect(await ask(repeat('/wD+'), base64)).to.deep.include({
        parameters: base64,
        data: repeat('/wD+'),
      });
      expect(await ask(repeat('no base64!'), base64)).to.contain('"no base64!" is not base64');
    });
  });

  it('takes the bytes of a tensor as the whole body', async () => {
    await withServer(
      {
        modelName: 'half',
        modelDir: fileURLToPath(new URL('models/tf_half_plus_two_onnx', import.meta.url)),
      },
      async (url) => {
        const send = (body: Buffer, path = '/v2/models/half/infer') =>
          sendBinary(url + path, { json: '', buffers: [body] });
        const reply = await send(Buffer.from(Float32Array.of(2, 4).buffer));
        const [output] = (JSON.parse(reply.json) as { outputs: BinaryOutput[] }).outputs;
        expect(output?.shape).to.deep.equal([2]);
        expect([reply.binary.readFloatLE(0), reply.binary.readFloatLE(4)]).to.deep.equal([3, 4]);
        const wrong = await send(Buffer.from([1, 2, 3]));
        expect([wrong.status, JSON.parse(wrong.json).error]).to.deep.equal([
          400,
          "input 'x': shape [0] of FP32 has 0 bytes, got 3",
        ]);
      },
    );
    await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
      const reply = await sendBinary(`${url}/v2/models/add/infer`, {
        json: '',
        buffers: [Buffer.alloc(16)],
      });
      expect(JSON.parse(reply.json).error).to.equal(
        "a raw binary request needs a model with one input, 'add' has 2",
      );
    });
  });

  it("tells and sets what is logged, in Triton's words", async () => {
    await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
      const set = async (settings: object) => {
        const reply = await fetch(`${url}/v2/logging`, {
          method: 'POST',
          body: JSON.stringify(settings),
        });
        return reply.json();
      };
      expect(await set({ log_verbose_level: 1 })).to.include({
        log_verbose_level: 1,
        log_info: true,
      });
      expect(await set({ log_verbose_level: 0, log_info: false })).to.include({
        log_info: false,
        log_warning: true,
      });
      for (const log_format of ['ISO8601', 'default']) {
        expect(await set({ log_format })).to.include({ log_format });
        expect((await call(`${url}/v2/logging`)).json).to.include({ log_format });
      }
      for (const [settings, error] of [
        [
          { log_file: '/tmp/x' },
          'log_file: log file location can not be updated through network protocol',
        ],
        [
          { log_error: false },
          'log_error: false can not be set; errors are always written, formats are default and ISO8601',
        ],
        [
          { verbose: 1 },
          'verbose: 1 can not be set; errors are always written, formats are default and ISO8601',
        ],
      ] as const) {
        expect(await set(settings)).to.deep.equal({ error });
      }
    });
  });

  it('serves Prometheus metrics', async () => {
    await withServer({ modelName: 'add', modelDir: addTwo }, async (url) => {
      await fetch(`${url}/v2/models/add/infer`, { method: 'POST', body: '{}' });
      await fetch(`${url}/v2/models/invented/infer`, { method: 'POST', body: '{}' });
      const text = await (await fetch(`${url}/metrics`)).text();
      expect(text).to.contain('wherry_inference_requests_total{model="add",code="400"} 1');
      expect(text).to.contain('request_predict_seconds_count{model_name="add"} 1');
      expect(text).not.to.contain('invented');
    });
  });
});
