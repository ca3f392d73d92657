/** Rows of a table that a model refuses, and columns by name, as scikit-learn takes data frames; values are its own. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { InlineExecutor } from '../src/engine/inline-executor.ts';
import { ProcessExecutor } from '../src/engine/process-executor.ts';
import { openTabularModel } from '../src/engine/tabular/tabular-engine.ts';
import { TabularThreads } from '../src/engine/tabular/tabular-threads.ts';
import { openSklearn } from '../src/formats/sklearn/sklearn.ts';
import { beside, cellError, pickColumns } from '../src/formats/table.ts';
import { openForThreads } from '../src/formats/tabular-file.ts';
import { RowError } from '../src/protocol/errors.ts';
import { provideLocale } from './locale.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

const file = (path: string) => fileURLToPath(new URL(`models/${path}`, import.meta.url));

/** A person of `sklearn_data_frame`, which does not read the note. */
const person = { note: 'x', age: 41, member: true, city: 'Oslo', plan: 'pro' };

type Post = (path: string, body: object) => ReturnType<typeof call>;

async function withModels(run: (post: Post) => Promise<void>, options: object = {}): Promise<void> {
  using folder = new RepositoryFolder({
    people: { model: 'sklearn_data_frame' },
    forest: { model: 'sklearn_iris_rf' },
    line: { model: 'sklearn_iris_logreg' },
    strings: { model: 'strings' },
  });
  await withServer({ modelRepository: [folder.dir], ...options }, (url) =>
    run((path, body) => call(`${url}${path}`, body)),
  );
}

function omit(name: string): object {
  return Object.fromEntries(Object.entries(person).filter(([own]) => own !== name));
}

describe('rows that a model refuses', () => {
  it('are told with row, column and name, over V1 and V2', async () => {
    const flower = [5, 3.5, 1.4, 0.2];
    await withModels(async (post) => {
      for (const [model, instances, message] of [
        [
          'line',
          [flower, [5, null, 1.4, 0.2]],
          'row 1, column 1: LogisticRegression takes no missing value (null, NaN): send a number',
        ],
        [
          'line',
          [['-Infinity', 3, 1, 0]],
          'row 0, column 0: LogisticRegression takes no infinity: send a finite number',
        ],
        [
          'forest',
          [flower, flower, [5, 3, 1, 1e300]],
          'row 2, column 3: RandomForestClassifier takes no number beyond single precision, got 1e+300',
        ],
        [
          'people',
          [{ ...person, age: null }],
          "row 0, column 1 ('age'): LogisticRegression takes no missing value (null, NaN): send a number",
        ],
        [
          'people',
          [{ ...person, age: 'Infinity' }],
          "row 0, column 1 ('age'): StandardScaler takes no infinity: send a finite number",
        ],
        [
          'people',
          [person, { ...person, city: 'Rome' }],
          `row 1, column 3 ('city'): OneHotEncoder does not know the category "Rome": send one that it was fitted with`,
        ],
        [
          'people',
          [{ ...person, city: null }],
          "row 0, column 3 ('city'): OneHotEncoder does not know the category null: send one that it was fitted with",
        ],
      ] as const) {
        const { status, json } = await post(`/v1/models/${model}:predict`, { instances });
        expect([status, json.error]).to.deep.equal([400, `model '${model}': ${message}`]);
      }
      const input = { name: 'x', datatype: 'FP64', shape: [1, 4], data: [5, null, 1, 0] };
      const { status, json } = await post('/v2/models/line/infer', { inputs: [input] });
      expect([status, json.error]).to.deep.equal([
        400,
        "model 'line': row 0, column 1: LogisticRegression takes no missing value (null, NaN): send a number",
      ]);
    });
  }).timeout(20_000);

  it('have the number that they have in the request, where it runs in parts', async () => {
    const instances = Array.from({ length: 90 }, (_, i) => [5, 3.5, i === 77 ? null : 1.4, 0.2]);
    const message =
      "model 'line': row 77, column 2: LogisticRegression takes no missing value (null, NaN): send a number";
    for (const options of [{}, { maxBatchSize: 8, maxBatchDelayMs: 50 }]) {
      await withModels(async (post) => {
        const { status, json } = await post('/v1/models/line:predict', { instances });
        expect([status, json.error]).to.deep.equal([400, message]);
      }, options);
    }
  }).timeout(20_000);

  it('harm no other request of their batch', async () => {
    await withModels(
      async (post) => {
        const rows = [
          [5, 3.5, 1.4, 0.2],
          [5, null, 1.4, 0.2],
          [6.7, 3, 5.2, 2.3],
        ];
        const answers = await Promise.all(
          rows.map((row) => post('/v1/models/line:predict', { instances: [row] })),
        );
        expect(answers.map(({ status }) => status)).to.deep.equal([200, 400, 200]);
        expect(answers[1]?.json.error).to.contain('row 0, column 1');
      },
      { maxBatchSize: 8, maxBatchDelayMs: 50 },
    );
  }).timeout(20_000);

  it('have the column of the request, beside columns that are made of others', () => {
    const origin = { names: ['a', 'b', 'c', 'd', 'x'], columns: [4] };
    const one = { rows: 1, width: 1, data: Float64Array.of(1), origin };
    const made = { rows: 1, width: 2, data: Float64Array.of(1, 2) };
    const both = beside(1, [made, one]);
    expect(cellError(both, 2, 'odd').message).to.equal("row 0, column 4 ('x'): odd");
    expect(cellError(pickColumns(both, [2, 0]), 0, 'odd').problem).to.equal("column 4 ('x'): odd");
    expect(cellError(both, 1, 'odd').problem).to.equal(
      'column 1 of what the estimator is given: odd',
    );
  });

  it('are told where they are beyond the ends of an isotonic regression', () => {
    const { outputs } = openSklearn(
      readFileSync(new URL('golden/sklearn-1.1.3-isotonic.pkl', import.meta.url)),
    );
    const compute = (...values: number[]) =>
      outputs[0]?.compute({ rows: values.length, width: 1, data: Float64Array.from(values) }).data;
    expect(compute(1, 2.5, 3)).to.deep.equal(Float64Array.of(1, 7, 9));
    expect(() => compute(2, 4)).to.throw(
      RowError,
      'row 1, column 0 of what the estimator is given: IsotonicRegression takes values from 1 to 3, got 4: ',
    );
  });

  it('are told by other threads and other processes as by this one', async () => {
    const path = file('sklearn_iris_logreg/model.joblib');
    const data = new Float64Array(400).fill(1);
    data[4 * 60 + 1] = Number.NaN;
    const tensor = { name: 'x', datatype: 'FP64' as const, shape: [100, 4], data };
    const options = {
      path,
      dir: file('sklearn_iris_logreg'),
      parameters: {},
      predictProba: false,
      threads: 1,
      arenaBytes: 0,
      executionProviders: [],
      memoryBytes: 0,
    };
    const refusalOf = (run: Promise<unknown>) => run.then(String, (error: Error) => error);
    for (const executor of [
      await InlineExecutor.start(options),
      await ProcessExecutor.start(options, 1),
    ]) {
      const refusal = await refusalOf(executor.execute([tensor], ['predict']));
      expect(refusal).to.be.instanceOf(RowError).with.property('row', 60);
      await executor.close();
    }
    const { shared } = await openForThreads(path, 1);
    const threads = new TabularThreads(shared, 1);
    while (threads.ready < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const refusal = await refusalOf(threads.evaluate({ rows: 100, width: 4, data }, ['predict']));
    expect(refusal).to.be.instanceOf(RowError).with.property('row', 60);
    threads.close();
  }).timeout(20_000);
});

describe('columns by name', () => {
  before(provideLocale);

  const predict = '/v1/models/people:predict';

  it('come in any order; those that are not read may be left out, be anything, or be more', async () => {
    await withModels(async (post) => {
      for (const instances of [
        [person],
        [Object.fromEntries(Object.entries(person).reverse())],
        [omit('note')],
        [{ ...person, note: 5 }],
        [{ ...person, note: null }],
        [{ ...person, note: { any: ['thing'] }, more: [1, 2] }],
      ]) {
        const { json } = await post(predict, { instances });
        expect(json, JSON.stringify(instances)).to.deep.equal({ predictions: ['yes'] });
      }
      const columns = (names: readonly string[]) =>
        names.map((name) => {
          const value = person[name as keyof typeof person] ?? 7;
          const type = typeof value === 'string' ? 'BYTES' : 'FP32';
          return { name, datatype: type, shape: [1], data: [Number(value) || value] };
        });
      for (const names of [
        ['age', 'member', 'city', 'plan'],
        ['more', 'plan', 'note', 'city', 'member', 'age'],
      ]) {
        const asked = { inputs: columns(names), outputs: [{ name: 'predict_proba' }] };
        const { json } = await post('/v2/models/people/infer', asked);
        expect(json.outputs[0].data[1]).to.be.closeTo(0.5565231196875551, 1e-12);
      }
    });
  }).timeout(20_000);

  it('must be there where they are read, once, and of their kind', async () => {
    await withModels(async (post) => {
      for (const [instances, message] of [
        [[omit('city')], "inputs: model 'people' also needs 'city'"],
        [[person, omit('plan')], "instances[1]: has no 'plan', as instances[0] has"],
        [[omit('plan'), person], "instances[0]: has no 'plan', as instances[1] has"],
        [[{ ...person, age: 'old' }], 'instances[].age[0]: "old" is not a FP64 value'],
        [[{ ...person, city: 5 }], 'instances[].city[0]: 5 is not a BYTES value'],
      ] as const) {
        const { status, json } = await post(predict, { instances });
        expect([status, json.error]).to.deep.equal([400, message]);
      }
      const inputs = Object.entries(person).map(([name, value]) => {
        const type = typeof value === 'string' && name !== 'city' ? 'BYTES' : 'FP32';
        return { name, datatype: type, shape: [1], data: [type === 'BYTES' ? value : 1] };
      });
      const { status, json } = await post('/v2/models/people/infer', { inputs });
      expect([status, json.error]).to.deep.equal([
        400,
        "model 'people': row 0, column 3 ('city'): OneHotEncoder expects text, got 1",
      ]);
    });
  }).timeout(20_000);

  it('hold flags among numbers in V1, as 1 and 0', async () => {
    await withModels(async (post) => {
      const instances = [
        { ...person, member: false },
        { ...person, member: 0 },
        { ...person, age: true },
        { ...person, age: 1 },
      ];
      const { json } = await post(predict, { instances });
      expect(json).to.deep.equal({ predictions: ['no', 'no', 'no', 'no'] });
      const flags = await post('/v1/models/line:predict', { instances: [[5, true, false, 0.2]] });
      const numbers = await post('/v1/models/line:predict', { instances: [[5, 1, 0, 0.2]] });
      expect([flags.status, flags.json]).to.deep.equal([200, numbers.json]);
    });
  }).timeout(20_000);

  it('hold null for a missing text; other models refuse it', async () => {
    await withModels(async (post) => {
      const { json } = await post(predict, { instances: [{ ...person, plan: null }] });
      expect(json).to.deep.equal({ predictions: ['yes'] });
      const inputs = Object.entries({ ...person, plan: null }).map(([name, value]) => {
        const type = typeof value === 'string' || value === null ? 'BYTES' : 'FP32';
        return { name, datatype: type, shape: [1], data: [value === true ? 1 : value] };
      });
      const asked = { inputs, outputs: [{ name: 'predict_proba' }] };
      const answer = await post('/v2/models/people/infer', asked);
      expect(answer.json.outputs[0].data[1]).to.be.closeTo(0.6829628681932499, 1e-12);
      const text = { name: 'text', datatype: 'BYTES', shape: [2], data: ['Peru', null] };
      for (const [path, body, message] of [
        ['/v2/models/strings/infer', { inputs: [text] }, 'inputs[0].data[1]: null'],
        ['/v1/models/strings:predict', { instances: ['Peru', null] }, 'instances[1]: null'],
      ] as const) {
        const { status, json } = await post(path, body);
        expect([status, json.error]).to.deep.equal([400, `${message} is not a BYTES value`]);
      }
    });
  }).timeout(20_000);

  it('take no memory by their number alone, and are refused when they are too many', async () => {
    using folder = new RepositoryFolder({});
    const text = readFileSync(
      new URL('golden/xgboost-3.4.1-regressor.json', import.meta.url),
      'utf8',
    );
    const open = (features: number) => {
      const many = text.replaceAll(/"num_feature":"\d+"/g, `"num_feature":"${features}"`);
      folder.put('many/model.json', many);
      const path = `${folder.dir}/many/model.json`;
      return openTabularModel({ path, parameters: {}, predictProba: false, threads: 1 });
    };
    const before = process.memoryUsage().heapUsed;
    expect((await open(3_000_000)).inputs[0]?.shape).to.deep.equal([-1, 3_000_000]);
    expect(process.memoryUsage().heapUsed - before).to.be.lessThan(64 * 2 ** 20);
    const failure = await open(2_000_000_000).catch((error: Error) => error.message);
    expect(failure).to.match(/^its \d+ nodes and 2000000000 features take more than 4 GiB$/);
  });

  it('that the model was fitted with are told with their datatypes', async () => {
    const options = { parameters: {}, predictProba: false, threads: 1 };
    const path = file('sklearn_data_frame/model.joblib');
    const { inputs } = await openTabularModel({ ...options, path });
    const about = inputs.map(({ name, datatype, optional = false }) => [name, datatype, optional]);
    expect(about).to.deep.equal([
      ['note', 'FP64', true],
      ['age', 'FP64', false],
      ['member', 'FP64', false],
      ['city', 'BYTES', false],
      ['plan', 'BYTES', false],
    ]);
  });
});
