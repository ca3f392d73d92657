/** Real models answer as the framework that made them: its requests and outputs, over real HTTP. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseLossless } from './lossless-json.ts';
import { withServer } from './server.ts';

interface Tensor {
  name: string;
  datatype: string;
  shape: number[];
  data: unknown[];
}
interface Golden {
  cases: {
    name: string;
    request: { inputs: Tensor[] };
    response: { outputs: Tensor[] };
    atol: number;
    rtol: number;
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
  }
});
