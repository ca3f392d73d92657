/**
 * The same requests over every transport: real models answer as the framework that made them, and vectors/infer.json
 * says what each request gets, its errors included.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { isModelFile } from '../src/formats/format.ts';
import type { ErrorCode } from '../src/protocol/errors.ts';
import { withGrpc } from './grpc-client.ts';
import { provideLocale } from './locale.ts';
import { parseLossless } from './lossless-json.ts';
import { type InferCase, type JsonTensor, plain, TRANSPORTS } from './transports.ts';

interface Golden {
  cases: {
    name: string;
    request: { inputs: JsonTensor[] };
    response: { outputs: JsonTensor[] };
    atol: number;
    rtol: number;
  }[];
}

interface Vector extends InferCase {
  readonly name: string;
  readonly response?: readonly JsonTensor[];
  readonly error?: string;
  readonly code?: ErrorCode;
}

const fixtures = new URL('models/', import.meta.url);
const shipped = new URL('../models/', import.meta.url);

/** Integers of 64 bits are strings here, and exact. */
function close(
  actual: unknown,
  expected: unknown,
  { atol, rtol }: { atol: number; rtol: number },
): boolean {
  if (typeof expected !== 'number' || typeof actual !== 'number')
    return String(actual) === String(expected);
  return Math.abs(actual - expected) <= atol + rtol * Math.abs(expected);
}

/** Cases that are about an output of models of rows and columns which has to be asked for. */
const ON_REQUEST: Readonly<Record<string, string>> = {
  margin: 'margin',
  raw: 'raw_score',
  predict_proba: 'predict_proba',
};

function askedBy(title: string): string[] | undefined {
  const name = ON_REQUEST[title];
  return name === undefined ? undefined : [name];
}

describe('golden models', () => {
  before(provideLocale);
  for (const name of readdirSync(fixtures)) {
    const golden = new URL(`${name}/golden.json`, fixtures);
    if (!existsSync(golden)) continue;
    const dir = [new URL(`${name}/`, fixtures), new URL(`${name}/`, shipped)].find((url) =>
      (existsSync(url) ? readdirSync(url) : []).some((file) =>
        isModelFile(fileURLToPath(new URL(file, url)), file),
      ),
    );
    // Those with several versions are of versions.test.ts.
    if (dir === undefined) continue;
    const { cases } = parseLossless(readFileSync(golden, 'utf8')) as Golden;
    const types = cases.flatMap(({ request }) => request.inputs.map((input) => input.datatype));
    const able = TRANSPORTS.filter((transport) => types.every(transport.carries));
    it(`${name} over ${able.map((transport) => transport.name).join('; ')}`, async () => {
      await withGrpc({ modelName: name, modelDir: fileURLToPath(dir) }, async (call, { url }) => {
        for (const transport of able) {
          for (const { name: title, request, response, ...tolerance } of cases) {
            const result = await transport.infer(
              { url, call },
              { model: name, inputs: request.inputs, outputs: askedBy(title) },
            );
            const where = `${transport.name}, ${title}`;
            if ('error' in result) throw new Error(`${where}: ${result.error}`);
            for (const expected of response.outputs) {
              const [wanted = expected.name] = askedBy(title) ?? [];
              const actual = result.outputs.find((output) => output.name === wanted);
              expect(actual?.datatype, where).to.equal(expected.datatype);
              expect(actual?.shape, where).to.deep.equal(expected.shape);
              const values = plain(expected);
              expect(actual?.data, where).to.have.length(values.length);
              values.forEach((value, i) => {
                const got = actual?.data[i];
                expect(
                  close(got, value, tolerance),
                  `${where} ${expected.name}[${i}]: ${got}`,
                ).to.equal(true);
              });
            }
          }
        }
      });
    });
  }
});

describe('one vector, every transport', () => {
  const vectors = JSON.parse(
    readFileSync(new URL('vectors/infer.json', import.meta.url), 'utf8'),
  ) as Vector[];
  for (const vector of vectors) {
    it(vector.name, async () => {
      const model = existsSync(new URL(`${vector.model}/`, fixtures)) ? vector.model : 'add_two';
      const modelDir = fileURLToPath(new URL(`${model}/`, fixtures));
      await withGrpc({ modelName: model, modelDir }, async (call, { url }) => {
        for (const transport of TRANSPORTS) {
          if (!vector.inputs.every((input) => transport.carries(input.datatype))) continue;
          const result = await transport.infer({ url, call }, vector);
          if (vector.code === undefined) {
            expect(result, transport.name).to.deep.equal({ outputs: vector.response });
          } else {
            const status = transport.statusOf(vector.code);
            expect(result, transport.name).to.deep.equal({ error: vector.error, status });
          }
        }
      });
    });
  }
});
