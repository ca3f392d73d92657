/** Real models answer as the framework that made them: its requests and outputs, over real HTTP. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type BinaryOutput, sendBinary } from './binary-client.ts';
import { parseLossless } from './lossless-json.ts';
import { withServer } from './server.ts';

interface Tensor {
  name: string;
  datatype: string;
  shape: number[];
  data: unknown[];
  /** The same as bytes. */
  raw_b64?: string;
}
interface Golden {
  cases: {
    name: string;
    request: { inputs: Tensor[] };
    response: { outputs: Tensor[] };
    atol: number;
    rtol: number;
    exact: boolean;
  }[];
}

const fixtures = new URL('models/', import.meta.url);
const shipped = new URL('../models/', import.meta.url);

/** The framework writes a NaN as null; JSON has no other word for it. */
function close(
  actual: unknown,
  expected: unknown,
  { atol, rtol }: { atol: number; rtol: number },
): boolean {
  if (typeof expected !== 'number' || typeof actual !== 'number') {
    return JSON.stringify(actual) === JSON.stringify(expected);
  }
  return Math.abs(actual - expected) <= atol + rtol * Math.abs(expected);
}

describe('golden models', () => {
  for (const name of readdirSync(fixtures)) {
    const golden = new URL(`${name}/golden.json`, fixtures);
    if (!existsSync(golden)) continue;
    const dir = [new URL(`${name}/`, fixtures), new URL(`${name}/`, shipped)].find((url) =>
      existsSync(new URL('model.onnx', url)),
    );
    it(name, async () => {
      const { cases } = parseLossless(readFileSync(golden, 'utf8')) as Golden;
      await withServer({ modelName: name, modelDir: fileURLToPath(dir as URL) }, async (url) => {
        for (const { name: title, request, response, ...tolerance } of cases) {
          const reply = await fetch(`${url}/v2/models/${name}/infer`, {
            method: 'POST',
            body: JSON.stringify(request),
          });
          const text = await reply.text();
          expect(reply.status, `${title}: ${text}`).to.equal(200);
          const { outputs } = parseLossless(text) as { outputs: Tensor[] };
          for (const expected of response.outputs) {
            const actual = outputs.find((output) => output.name === expected.name);
            expect(actual?.datatype, title).to.equal(expected.datatype);
            expect(actual?.shape, title).to.deep.equal(expected.shape);
            const flat = expected.data.flat(9);
            expect(actual?.data, title).to.have.length(flat.length);
            flat.forEach((value, i) => {
              const got = actual?.data[i];
              expect(
                close(got, value, tolerance),
                `${title} ${expected.name}[${i}]: ${JSON.stringify(got)}`,
              ).to.equal(true);
            });
          }
        }
      });
    });
    it(`${name}, as bytes`, async () => {
      const { cases } = parseLossless(readFileSync(golden, 'utf8')) as Golden;
      await withServer({ modelName: name, modelDir: fileURLToPath(dir as URL) }, async (url) => {
        for (const { name: title, request, response, exact } of cases) {
          const raw = request.inputs.map(({ raw_b64 }) => raw_b64);
          if (raw.includes(undefined)) continue;
          const buffers = raw.map((text) => Buffer.from(text as string, 'base64'));
          const inputs = request.inputs.map(({ data: _data, raw_b64: _raw, ...input }, i) => ({
            ...input,
            parameters: { binary_data_size: buffers[i]?.length },
          }));
          const reply = await sendBinary(`${url}/v2/models/${name}/infer`, {
            json: { inputs, parameters: { binary_data_output: true } },
            buffers,
          });
          expect(reply.status, `${title}: ${reply.json}`).to.equal(200);
          const { outputs } = JSON.parse(reply.json) as { outputs: BinaryOutput[] };
          let offset = 0;
          for (const { name: output, shape, parameters } of outputs) {
            const end = offset + parameters.binary_data_size;
            const bytes = reply.binary.subarray(offset, end);
            offset = end;
            const expected = response.outputs.find((o) => o.name === output);
            expect(shape, title).to.deep.equal(expected?.shape);
            const same = exact && expected?.raw_b64 !== undefined;
            if (same)
              expect(bytes.toString('base64'), `${title} ${output}`).to.equal(expected.raw_b64);
          }
          expect(offset).to.equal(reply.binary.length);
        }
      });
    });
  }
});
