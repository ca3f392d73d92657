/**
 * Models of XGBoost, LightGBM and scikit-learn: evaluated as the frameworks do, asked for as KServe's servers are, and
 * refused where that cannot be.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deflateSync } from 'node:zlib';
import { expect } from 'chai';
import type { Engine } from '../src/engine/engine.ts';
import { openTabularModel } from '../src/engine/tabular/tabular-engine.ts';
import { parseUbjson } from '../src/formats/files/ubjson.ts';
import { Forest } from '../src/formats/forest/forest.ts';
import { nextUp } from '../src/formats/forest/forest-memory.ts';
import { formatOf } from '../src/formats/format.ts';
import { openLightgbm } from '../src/formats/lightgbm/lightgbm.ts';
import { openSklearn } from '../src/formats/sklearn/sklearn.ts';
import type { Cell, Table } from '../src/formats/table.ts';
import { openTabularFile } from '../src/formats/tabular-file.ts';
import { WeightStore } from '../src/formats/weight-store.ts';
import { openXgboost } from '../src/formats/xgboost/xgboost.ts';
import { InferenceError, RowError } from '../src/protocol/errors.ts';
import { decodePredict } from '../src/protocol/v1/predict.ts';
import { checkRequest } from '../src/protocol/v2/check.ts';
import { numbers } from '../src/protocol/v2/elements.ts';
import type { Tensor } from '../src/protocol/v2/types.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

const models = fileURLToPath(new URL('models/', import.meta.url));
const pickles = new URL('pickles/', import.meta.url);

interface RandomModel {
  readonly file: string;
  readonly about: string;
  readonly rows: readonly (readonly Cell[])[];
  readonly outputs: Outputs;
  readonly tries: readonly Try[];
}

type Outputs = Readonly<Record<string, { shape: number[]; data: Cell[] }>>;

/** A request in V1's form, and what the framework makes of it. */
interface Try {
  readonly about: string;
  readonly instances: readonly unknown[];
  readonly outputs?: Outputs;
  readonly refused?: string;
}

/** Of the value, and of what is small beside it. */
const TOLERANCE = { xgboost: 0, lightgbm: 0, sklearn: 1e-7 };

function tableOf(rows: RandomModel['rows']): Table {
  const cells = rows.flat();
  const isText = cells.some((cell) => typeof cell === 'string' && !cell.endsWith('Infinity'));
  const data = isText
    ? cells.map((cell) => cell ?? Number.NaN)
    : Float64Array.from(cells, (cell) => (cell === null ? Number.NaN : Number(cell)));
  return { rows: rows.length, width: rows[0]?.length ?? 0, data };
}

function isClose(actual: unknown, expected: Cell, tolerance: number): boolean {
  if (Buffer.isBuffer(actual)) return actual.toString() === expected;
  const [got, wanted] = [Number(actual), expected === null ? Number.NaN : Number(expected)];
  if (Object.is(got, wanted) || got === wanted) return true;
  return Math.abs(got - wanted) <= tolerance * (1e-3 + Math.abs(wanted));
}

/** Checks values against those of the framework. @throws AssertionError that says where they differ. */
function checkOutputs(
  wanted: Outputs,
  where: string,
  answer: (name: string) => { shape: readonly number[]; data: ArrayLike<unknown> },
): void {
  const tolerance = TOLERANCE[where.split('-')[0] as keyof typeof TOLERANCE];
  for (const [name, { shape, data }] of Object.entries(wanted)) {
    const got = answer(name);
    expect(got.shape, `${name} of ${where}`).to.deep.equal(shape);
    const odd = data.findIndex((value, i) => !isClose(got.data[i], value, tolerance));
    const shown = `${name}[${odd}] is ${got.data[odd]}, not ${data[odd]}, of ${where}`;
    expect(odd, shown).to.equal(-1);
  }
}

async function checkModel(dir: string, one: RandomModel): Promise<void> {
  const { file, about, rows, outputs, tries } = one;
  const where = `${file}: ${about}`;
  const path = join(dir, file);
  const model = await openTabularFile(path);
  const table = tableOf(rows);
  checkOutputs(outputs, where, (name) => {
    const output = model.outputs.find((one) => one.name === name);
    if (output === undefined) throw new Error(`${where}: no output ${name}`);
    const { width, data } = output.compute(table);
    return { shape: width === undefined ? [table.rows] : [table.rows, width], data };
  });
  const engine = await openTabularModel({ path, parameters: {}, predictProba: false, threads: 1 });
  for (const attempt of tries) await checkTry(engine, `${where}: ${attempt.about}`, attempt);
  engine.close();
}

/** Checks that a request is answered, or refused, as by the framework. */
async function checkTry(engine: Engine, where: string, one: Try): Promise<void> {
  const names = Object.keys(one.outputs ?? { [engine.outputs[1]?.name as string]: {} });
  const { platform, inputs, outputs, tabular } = engine;
  const metadata = { name: 'model', platform, inputs, outputs, tabular };
  let tensors: Tensor[] = [];
  try {
    const body = Buffer.from(JSON.stringify({ instances: one.instances }));
    const { request } = decodePredict(body, metadata);
    checkRequest(request, metadata);
    tensors = await engine.run(request.inputs, names, {});
  } catch (error) {
    const isRefusal = error instanceof RowError || error instanceof InferenceError;
    if (one.refused !== undefined && isRefusal) return;
    throw new Error(`${where} is refused: ${error}`, { cause: error });
  }
  expect(one.refused, `${where} is answered`).to.equal(undefined);
  checkOutputs(one.outputs ?? {}, where, (name) => {
    const found = tensors.find((tensor) => tensor.name === name);
    if (found === undefined) throw new Error(`${where}: no output ${name}`);
    const { datatype, shape, data } = found;
    return { shape, data: Array.isArray(data) ? data : numbers({ name, datatype, shape, data }) };
  });
}

for (const variable of ['WHERRY_FRAMEWORKS', 'WHERRY_MIDDLE_FRAMEWORKS', 'WHERRY_OLD_FRAMEWORKS']) {
  const python = process.env[variable];
  (python === undefined ? describe.skip : describe)(`random models, ${variable}`, function () {
    this.timeout(480_000);
    const dir = mkdtempSync(join(tmpdir(), 'wherry-random-'));
    let cases: RandomModel[] = [];

    before(async () => {
      const script = fileURLToPath(new URL('frameworks/random_models.py', import.meta.url));
      await promisify(execFile)(python as string, [script, dir, '--count', '100']);
      const lines = readFileSync(join(dir, 'cases.jsonl'), 'utf8').trim().split('\n');
      cases = lines.map((line) => JSON.parse(line));
    });
    after(() => rmSync(dir, { recursive: true }));

    for (const [format, least] of [
      ['xgboost', 90],
      ['lightgbm', 90],
      ['sklearn', 350],
    ] as const) {
      it(`${format} answers as it does here`, async () => {
        const own = cases.filter(({ file }) => file.startsWith(format));
        expect(own).to.have.length.greaterThanOrEqual(least);
        for (const one of own) await checkModel(dir, one);
      });
    }
  });
}

describe('files of models', () => {
  it('are told apart by name, and by content where names are shared', () => {
    const at = (path: string) => formatOf(join(models, path));
    expect(at('xgb_iris_sklearn_wrapper/model.bst')).to.equal('xgboost');
    expect(at('lgb_iris_bst/model.bst')).to.equal('lightgbm');
    expect(at('lgb_bc_dart/model.txt')).to.equal('lightgbm');
    expect(at('sklearn_iris_rf/model.joblib')).to.equal('sklearn');
  });

  it('of pickle, in every protocol and compressed', () => {
    const { cases } = JSON.parse(readFileSync(new URL('golden.json', pickles), 'utf8'));
    const [{ request, response }] = cases;
    const [{ shape, data }] = request.inputs;
    const table = { rows: shape[0], width: shape[1], data: Float64Array.from(data as number[]) };
    for (const file of readdirSync(pickles).filter((name) => name !== 'golden.json')) {
      const model = openSklearn(readFileSync(new URL(file, pickles)));
      const output = model.outputs.find(({ name }) => name === 'predict_proba');
      const got = output?.compute(table).data as Float64Array;
      response.outputs[0].data.forEach((value: number, i: number) => {
        expect(got[i], `${file} [${i}]`).to.be.closeTo(value, 1e-12);
      });
    }
  });
});

describe('files that are refused', () => {
  const pickle = (text: string) => Buffer.from(text, 'latin1');
  const ridge = readFileSync(join(models, 'sklearn_diabetes_ridge/model.joblib'));
  const tree = readFileSync(join(models, 'lgb_bc_binary/model.txt'), 'utf8');
  const xgboost = JSON.parse(readFileSync(join(models, 'xgb_iris_softprob/model.json'), 'utf8'));
  const changed = (change: (learner: typeof xgboost.learner) => void) => {
    const copy = structuredClone(xgboost);
    change(copy.learner);
    return Buffer.from(JSON.stringify(copy));
  };
  const firstTree = (learner: typeof xgboost.learner) => learner.gradient_booster.model.trees[0];

  const wayOut =
    'export the model to ONNX, or serve it with the runtime kserve-sklearnserver, which runs the file, if you trust it';
  const cases: [string, () => unknown, string | RegExp][] = [
    [
      'a pickle that would run a command',
      () => openSklearn(pickle("cos\nsystem\n(S'echo'\ntR.")),
      `it names os.system, which is not read here; ${wayOut}`,
    ],
    [
      'a pickle that would evaluate text',
      () => openSklearn(pickle("\x80\x04c__builtin__\neval\n(S'1'\ntR.")),
      `it names __builtin__.eval, which is not read here; ${wayOut}`,
    ],
    [
      'a class of the user',
      () => openSklearn(pickle('c__main__\nModel\n)\x81.')),
      `it names __main__.Model, which is not read here; ${wayOut}`,
    ],
    [
      'a class of scikit-learn that is not evaluated here',
      () => openSklearn(pickle('csklearn.manifold\nTSNE\n)\x81}b.')),
      `it holds a sklearn.manifold.TSNE, which is not evaluated here; ${wayOut}`,
    ],
    [
      'an estimator that was not fitted',
      () => openSklearn(pickle('csklearn.linear_model\nRidge\n)\x81}b.')),
      'Ridge has no coef_: it was not fitted, or by a version of scikit-learn that is not read here',
    ],
    [
      'a pickle of something else',
      () => openSklearn(pickle('\x80\x04K\x05.')),
      'it holds 5, no estimator',
    ],
    [
      'a pickle that is cut off',
      () => openSklearn(ridge.subarray(0, 300)),
      /^the file ends at 300, within what began at \d+$/,
    ],
    ['no pickle', () => openSklearn(pickle('<html>')), 'unknown opcode "<" at 0: it is no pickle'],
    [
      'a compressed file that is cut off',
      () => openSklearn(Buffer.from('BZh91AY')),
      /^it is compressed with bzip2, and cut off or broken: /,
    ],
    [
      'a compressed bomb, by what is in it',
      () => openSklearn(deflateSync(Buffer.alloc(1 << 20))),
      'unknown opcode "\\u0000" at 0: it is no pickle',
    ],
    [
      "XGBoost's old binary format, cut off",
      () => openXgboost(Buffer.from('binf....')),
      'the file ends at 8, within what began at 4',
    ],
    [
      'no UBJSON',
      () => openXgboost(Buffer.from('<html>')),
      /^it is neither JSON nor UBJSON: unknown marker '<'/,
    ],
    [
      'JSON of something else',
      () => openXgboost(Buffer.from('{"a":1}')),
      "it is no model of XGBoost: it has no 'learner'",
    ],
    [
      'an objective that is unknown',
      () =>
        openXgboost(
          changed((learner) => {
            learner.objective.name = 'reg:mine';
          }),
        ),
      /^its objective 'reg:mine' is unknown here \(known: reg:squarederror .*\); export .* kserve-xgbserver$/,
    ],
    [
      'a tree that goes in circles',
      () =>
        openXgboost(
          changed((learner) => {
            firstTree(learner).left_children[0] = 0;
          }),
        ),
      'tree 0: node 0 shares a child with another',
    ],
    [
      'a tree with a child that is not there',
      () =>
        openXgboost(
          changed((learner) => {
            firstTree(learner).right_children[0] = 999;
          }),
        ),
      'tree 0: there is no node 999',
    ],
    [
      'a tree that splits what is not there',
      () =>
        openXgboost(
          changed((learner) => {
            firstTree(learner).split_indices[0] = 4;
          }),
        ),
      'tree 0: it splits feature 4 of 4',
    ],
    ['no model of LightGBM', () => openLightgbm('hello'), "it does not begin with 'tree'"],
    [
      'a model of LightGBM that is cut off',
      () => openLightgbm(tree.slice(0, 2000)),
      "it has no 'end of trees': the file is cut off",
    ],
    [
      'an objective of LightGBM that is unknown',
      () => openLightgbm(tree.replace('objective=binary', 'objective=mine')),
      /^its objective 'mine' is unknown here \(known: regression .*\); export .* kserve-lgbserver$/,
    ],
    [
      'a tree with a value too few',
      () => openLightgbm(tree.replace(/^leaf_value=\S+ /m, 'leaf_value=')),
      /^tree 0: leaf_value has \d+ values for \d+$/,
    ],
  ];
  for (const [title, open, message] of cases) {
    it(title, () => {
      const pattern = typeof message === 'string' ? undefined : message;
      if (pattern === undefined) expect(open).to.throw(Error).with.property('message', message);
      else expect(open).to.throw(pattern);
    });
  }

  it('whatever its bytes are, a file is read or refused', () => {
    const files = [
      ['xgb_iris_sklearn_wrapper/model.bst', openXgboost],
      ['xgb_categorical/model.json', openXgboost],
      ['lgb_categorical/model.txt', (bytes: Buffer) => openLightgbm(bytes.toString('latin1'))],
      ['sklearn_iris_rf/model.joblib', openSklearn],
      ['sklearn_mixed_pipeline/model.joblib', openSklearn],
    ] as const;
    let state = 1;
    const random = (below: number) => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    let refused = 0;
    for (const [file, open] of files) {
      const original = readFileSync(join(models, file));
      for (let i = 0; i < 300; i++) {
        const bytes = Buffer.from(original);
        for (let change = 0; change <= random(4); change++)
          bytes[random(bytes.length)] = random(256);
        try {
          open(i % 5 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
        } catch (error) {
          expect(error, file).to.be.instanceOf(Error);
          refused++;
        }
      }
    }
    expect(refused).to.be.within(300, 1499);
  }).timeout(20_000);

  it('UBJSON that nests without end, or promises more than it has', () => {
    expect(() => parseUbjson(Buffer.from('['.repeat(1000)))).to.throw(/nested deeper than 64/);
    const huge = Buffer.concat([Buffer.from('[$d#L'), Buffer.alloc(8, 0x7f)]);
    expect(() => parseUbjson(huge)).to.throw(/length was expected/);
    expect(() => parseUbjson(Buffer.from('[$d#l\x7f\x00\x00\x00'))).to.throw(/the file ends at/);
    expect(() => parseUbjson(Buffer.from('[$Z#l\x7f\x00\x00\x00'))).to.throw(/the file ends at/);
  });
});

describe('trees', () => {
  /** Deep, thin and with every kind of value on its thresholds. */
  it('give a block of rows the leaves that the rows have one by one', () => {
    const thresholds = [-1.5, -0, 0.25, 3, 1e300];
    const nodes = thresholds.flatMap((threshold, i) => [
      { feature: i % 3, threshold, left: 2 * i + 1, right: 2 * i + 2 },
      { leaf: i },
    ]);
    const chain = [...nodes.slice(0, 1), ...nodes.slice(1)];
    const forest = new Forest(() => [[...chain, { leaf: 99 }], [{ leaf: 7 }]], {
      features: 3,
      store: WeightStore.unshared(),
    });
    const values = [
      -2,
      -1.5,
      -0,
      0,
      0.25,
      2,
      3,
      1e300,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ];
    const rows = 150;
    const data = Float64Array.from(
      { length: rows * 3 },
      (_, i) => values[(i * 7 + (i >> 3)) % values.length] as number,
    );
    const leavesOf = (matrix: { rows: number; width: number; data: Float64Array }) => {
      const found: number[][] = [];
      forest.descend(matrix, (_tree, { start, end, leaves }) => {
        for (let row = start; row < end; row++) {
          found[row] = [...(found[row] ?? []), leaves[row - start] as number];
        }
      });
      return found;
    };
    const together = leavesOf({ rows, width: 3, data });
    const alone = Array.from({ length: rows }, (_, row) =>
      leavesOf({ rows: 1, width: 3, data: data.subarray(row * 3, row * 3 + 3) }).at(0),
    );
    expect(together).to.deep.equal(alone);
    expect(new Set(together.map(([leaf]) => leaf)).size).to.be.greaterThan(3);
    expect(together.every(([, leaf]) => leaf === 7)).to.equal(true);
  });

  it('of very wide rows take a block that fits', () => {
    const features = 300_000;
    const split = { feature: features - 1, threshold: 1, left: 1, right: 2 };
    const forest = new Forest(() => [[split, { leaf: 0 }, { leaf: 1 }]], {
      features,
      store: WeightStore.unshared(),
    });
    const rows = 9;
    const data = new Float64Array(rows * features);
    for (let row = 0; row < rows; row++) data[(row + 1) * features - 1] = row % 3;
    const found: number[] = [];
    forest.descend({ rows, width: features, data }, (_tree, { start, end, leaves }) => {
      found.push(...leaves.subarray(0, end - start));
    });
    expect(found).to.deep.equal([0, 1, 1, 0, 1, 1, 0, 1, 1]);
  });

  it('turn <= into <, for every double', () => {
    for (const value of [0, -0, 1, -1, 0.1, 1e-320, -1e-320, Number.MAX_VALUE, -5e-324]) {
      const next = nextUp(value);
      expect(value < next).to.equal(true);
      expect((value + next) / 2 === value || (value + next) / 2 === next).to.equal(true);
    }
  });
});

describe("KServe's rules for rows and columns", () => {
  const infer = (name: string, body: object) => [`/v2/models/${name}/infer`, body] as const;
  const input = (data: unknown[], shape: number[], rest = {}) => ({
    inputs: [{ name: 'anything', datatype: 'FP64', shape, data, ...rest }],
  });
  const flower = [5.1, 3.5, 1.4, 0.2];

  async function withModels(
    run: (post: (path: string, body: object) => ReturnType<typeof call>) => Promise<void>,
  ) {
    using folder = new RepositoryFolder({
      forest: { model: 'sklearn_iris_rf' },
      mixed: { model: 'sklearn_mixed_pipeline' },
      booster: { model: 'xgb_iris_sklearn_wrapper' },
    });
    await withServer({ modelRepository: [folder.dir] }, (url) =>
      run((path, body) => call(`${url}${path}`, body)),
    );
  }

  it('the input has any name and any numbers', async () => {
    await withModels(async (post) => {
      for (const datatype of ['FP64', 'FP32', 'INT32', 'INT64', 'UINT8', 'FP16']) {
        const { status, json } = await post(
          ...infer('forest', input([5, 3, 1, 0], [1, 4], { datatype })),
        );
        expect([status, json.outputs], datatype).to.deep.equal([
          200,
          [{ name: 'output-0', datatype: 'INT64', shape: [1], data: [0] }],
        ]);
      }
    });
  });

  it('columns come by name, in any order, as [n] or [n, 1]', async () => {
    await withModels(async (post) => {
      const columns = (shape: number[]) => ({
        inputs: ['pw', 'pl', 'sw', 'sl'].map((name, i) => ({
          name,
          datatype: 'FP32',
          shape,
          data: [flower[3 - i]],
        })),
      });
      const whole = await post(...infer('booster', input(flower, [1, 4])));
      for (const shape of [[1], [1, 1]]) {
        const { json } = await post(...infer('booster', columns(shape)));
        expect(json.outputs).to.deep.equal(whole.json.outputs);
      }
    });
  });

  it('probabilities and margins come when they are asked for', async () => {
    await withModels(async (post) => {
      const asked = { ...input(flower, [1, 4]), outputs: [{ name: 'predict_proba' }] };
      const { json } = await post(...infer('forest', asked));
      expect(json.outputs).to.deep.equal([
        { name: 'predict_proba', datatype: 'FP64', shape: [1, 3], data: [1, 0, 0] },
      ]);
      const margins = {
        ...input(flower, [1, 4]),
        outputs: [{ name: 'margin' }, { name: 'predict' }],
      };
      const answer = await post(...infer('booster', margins));
      expect(answer.json.outputs.map(({ name }: { name: string }) => name)).to.deep.equal([
        'margin',
        'predict',
      ]);
    });
  });

  it('V1: rows as lists, and as objects by column', async () => {
    await withModels(async (post) => {
      const rows = await post('/v1/models/forest:predict', {
        instances: [flower, [6.7, 3, 5.2, 2.3]],
      });
      expect(rows.json).to.deep.equal({ predictions: [0, 2] });
      const people = [
        { age: 37.8, income: 57_139.96, city: 'New York', plan: 'free' },
        { age: null, income: 15_000, city: 'Unknown-City', plan: 'pro' },
      ];
      const named = await post('/v1/models/mixed:predict', { instances: people });
      expect(named.json).to.deep.equal({ predictions: ['approve', 'reject'] });
    });
  });

  it('what does not fit is told where', async () => {
    const text = { name: 'x', datatype: 'BYTES', shape: [1, 4], data: ['a', 'b', 'c', 'd'] };
    const column = (name: string, shape = [1]) => ({ name, datatype: 'FP32', shape, data: [1] });
    await withModels(async (post) => {
      for (const [model, inputs, message] of [
        ['forest', [], 'inputs: expected at least one'],
        ['forest', [text], "inputs[0].datatype: input 'x' must be numbers, got BYTES"],
        [
          'forest',
          [{ ...column('x', [1, 1]) }],
          "inputs[0].shape: model 'forest' has rows of 4 features, [-1, 4]; 'x' has shape [1,1]",
        ],
        [
          'forest',
          [column('a'), column('b')],
          "inputs: model 'forest' takes one, of shape [-1, 4], got 2",
        ],
        [
          'booster',
          [column('sl'), column('b')],
          "inputs[1].name: model 'booster' has no column 'b', expected 'sl', 'sw', 'pl', 'pw'",
        ],
        ['booster', [column('sl'), column('sl')], "inputs[1].name: 'sl' is given twice"],
        ['booster', [column('sl'), column('sw')], "inputs: model 'booster' also needs 'pl', 'pw'"],
        [
          'booster',
          [column('sl'), { ...column('sw', [2]), data: [1, 2] }],
          'inputs[1].shape: a column has shape [1] or [1, 1] here, got [2]',
        ],
      ] as const) {
        const { status, json } = await post(...infer(model, { inputs }));
        expect([status, json.error], message).to.deep.equal([400, message]);
      }
    });
  });

  it("probabilities are the answer with KServe's PREDICT_PROBA, where there are any", async () => {
    using folder = new RepositoryFolder({
      forest: { model: 'sklearn_iris_rf' },
      booster: { model: 'xgb_iris_sklearn_wrapper' },
    });
    const answers = async (url: string, name: string) =>
      (await call(`${url}/v1/models/${name}:predict`, { instances: [flower] })).json.predictions;
    await withServer(
      { modelRepository: [folder.dir] },
      async (url) => {
        expect(await answers(url, 'forest')).to.deep.equal([[1, 0, 0]]);
        expect((await answers(url, 'booster'))[0]).to.have.length(3);
      },
      { PREDICT_PROBA: 'true' },
    );
  });

  it('a plugin goes around such a model as around others', async () => {
    using folder = new RepositoryFolder({ forest: { model: 'sklearn_iris_rf' } });
    const code =
      'export const preprocess = ({ cm }) => ({ x: { ...cm, data: cm.data.map((v) => v * 10) } });';
    writeFileSync(join(folder.dir, 'forest/plugin.mjs'), code);
    await withServer({ modelRepository: [folder.dir], allowModelCode: true }, async (url) => {
      const centimetres = {
        name: 'cm',
        datatype: 'FP64',
        shape: [1, 4],
        data: [0.51, 0.35, 0.14, 0.02],
      };
      for (const [output, data] of [
        ['output-0', [0]],
        ['predict_proba', [1, 0, 0]],
      ] as const) {
        const asked = { inputs: [centimetres], outputs: [{ name: output }] };
        const { json } = await call(`${url}/v2/models/forest/infer`, asked);
        expect(json.outputs[0].data).to.deep.equal(data);
      }
    });
  });

  it('a model may answer with probabilities by its configuration', async () => {
    using folder = new RepositoryFolder({ forest: { model: 'sklearn_iris_rf' } });
    const settings = { name: 'forest', parameters: { extra: { output: 'predict_proba' } } };
    writeFileSync(join(folder.dir, 'forest/model-settings.json'), JSON.stringify(settings));
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const { json } = await call(`${url}/v1/models/forest:predict`, { instances: [flower] });
      expect(json).to.deep.equal({ predictions: [[1, 0, 0]] });
    });
  });
});
