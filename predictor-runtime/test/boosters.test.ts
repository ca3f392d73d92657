/**
 * Models of XGBoost and LightGBM with what their Python packages put beside the trees: categories by name, early stops,
 * and the wrappers for scikit-learn, in files and in pickles. frameworks/boosters.py makes golden/ with real releases.
 */
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { openLightgbm } from '../src/formats/lightgbm/lightgbm.ts';
import { openSklearn } from '../src/formats/sklearn/sklearn.ts';
import type { Cell, Table } from '../src/formats/table.ts';
import { openTabularFile } from '../src/formats/tabular-file.ts';
import type { TabularModel } from '../src/formats/tabular-model.ts';
import { openXgboost } from '../src/formats/xgboost/xgboost.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

const folder = new URL('golden/', import.meta.url);

interface Golden {
  readonly file: string;
  /** Names of the columns, where the rows come by name. */
  readonly columns?: readonly string[];
  readonly rows: readonly (readonly (Cell | boolean)[])[];
  readonly outputs: Readonly<Record<string, { datatype: string; shape: number[]; data: Cell[] }>>;
}

function open(file: string): Promise<TabularModel> {
  return openTabularFile(fileURLToPath(new URL(file, folder)));
}

/** Makes the table that a request of such rows is. */
function tableOf(rows: Golden['rows'], model: TabularModel, isByName: boolean): Table {
  const cells = rows.flat().map((cell) => (typeof cell === 'boolean' ? Number(cell) : cell));
  const data = cells.some((cell) => typeof cell === 'string')
    ? cells
    : Float64Array.from(cells, (cell) => (cell === null ? Number.NaN : Number(cell)));
  const table = { rows: rows.length, width: rows[0]?.length ?? 0, data };
  return (isByName && model.categories?.encode(table)) || table;
}

async function check({ file, columns, rows, outputs }: Golden): Promise<void> {
  const model = await open(file);
  if (columns !== undefined) {
    expect(model.columns, file).to.deep.equal(columns.map((name) => name.replaceAll(' ', '_')));
  }
  const table = tableOf(rows, model, columns !== undefined);
  for (const [name, { datatype, shape, data }] of Object.entries(outputs)) {
    const where = `${name} of ${file}${columns === undefined ? '' : ' by name'}`;
    const output = model.outputs.find((one) => one.name === name);
    const { width, data: got = [] } = output?.compute(table) ?? {};
    expect(
      [output?.datatype, [rows.length, ...(width === undefined ? [] : [width])]],
      where,
    ).to.deep.equal([datatype, shape]);
    data.forEach((wanted, i) => {
      if (typeof wanted === 'string') expect(String(got[i]), where).to.equal(wanted);
      else
        expect(Number(got[i]), `${where} [${i}]`).to.be.closeTo(
          Number(wanted),
          2e-7 * Math.max(1, Math.abs(Number(wanted))),
        );
    });
  }
}

describe('boosters as their Python packages answer', () => {
  for (const release of readdirSync(folder).filter((file) => /^\w+-[\d.]+\.json$/.test(file))) {
    const goldens: Golden[] = JSON.parse(readFileSync(new URL(release, folder), 'utf8'));
    for (const golden of goldens)
      it(`${golden.file}${golden.columns === undefined ? '' : ', by name'}`, () => check(golden));
  }
});

/** Answers of the golden models, by file and by whether the rows come by name. */
function goldenOf(release: string, file: string, isByName: boolean): Golden {
  const goldens: Golden[] = JSON.parse(readFileSync(new URL(`${release}.json`, folder), 'utf8'));
  return goldens.find(
    (one) => one.file === `${release}-${file}` && (one.columns !== undefined) === isByName,
  ) as Golden;
}

/** Serves models of the golden folder, each under a name. */
async function withModels(
  files: Readonly<Record<string, string>>,
  run: (url: string) => Promise<void>,
  { env = {}, settings = {} }: { env?: Record<string, string>; settings?: object } = {},
): Promise<void> {
  using repository = new RepositoryFolder({});
  for (const [name, file] of Object.entries(files)) {
    repository.put(`${name}/model-settings.json`, JSON.stringify({ name, ...settings }));
    const extension = file.slice(file.lastIndexOf('.'));
    copyFileSync(new URL(file, folder), join(repository.dir, name, `model${extension}`));
  }
  await withServer({ modelRepository: [repository.dir] }, run, env);
}

describe('categories by name, over the protocols', () => {
  const lightgbm = 'lightgbm-4.7.0';
  const xgboost = 'xgboost-3.4.1';

  it('V1: objects are looked up, and lists are codes', async () => {
    const named = goldenOf(lightgbm, 'single.txt', true);
    const coded = goldenOf(lightgbm, 'single.txt', false);
    await withModels({ ten: `${lightgbm}-single.txt` }, async (url) => {
      const post = async (instances: unknown[]) =>
        (await call(`${url}/v1/models/ten:predict`, { instances })).json.predictions;
      const objects = named.rows.map(([ten]) => ({ ten }));
      expect(await post(objects)).to.deep.equal(named.outputs.predict?.data);
      expect(await post([...coded.rows])).to.deep.equal(coded.outputs.predict?.data);
      // Neither is a category.
      const [unknown, missing] = await post([{ ten: 11 }, { ten: null }]);
      expect(unknown).to.equal(missing);
    });
  });

  it('a space in a name may be sent as it was, or as LightGBM writes it', async () => {
    const { rows, columns = [], outputs } = goldenOf(lightgbm, 'frame.txt', true);
    const wanted = outputs.predict?.data;
    await withModels({ frame: `${lightgbm}-frame.txt` }, async (url) => {
      for (const names of [columns, columns.map((name) => name.replace(' ', '_'))]) {
        const instances = rows.map((row) =>
          Object.fromEntries(row.map((cell, i) => [names[i], cell])),
        );
        const v1 = await call(`${url}/v1/models/frame:predict`, { instances });
        expect(v1.json).to.deep.equal({ predictions: wanted });
        const inputs = names.map((name, i) => {
          const data = rows.map((row) => row[i]);
          const kinds = new Set(data.map((cell) => typeof cell));
          const datatype = kinds.has('string') ? 'BYTES' : kinds.has('boolean') ? 'BOOL' : 'FP64';
          return { name, datatype, shape: [rows.length, 1], data };
        });
        const v2 = await call(`${url}/v2/models/frame/infer`, { inputs });
        expect(v2.json.outputs[0].data).to.deep.equal(wanted);
      }
      const twice = ['age years', 'age_years'].map((name) => ({
        name,
        datatype: 'FP64',
        shape: [1],
        data: [1],
      }));
      const { json } = await call(`${url}/v2/models/frame/infer`, { inputs: twice });
      expect(json.error).to.equal("inputs[1].name: 'age_years' is given twice");
    });
  });

  it('a value that the framework does not take is told with its row and column', async () => {
    await withModels(
      { xgboost: `${xgboost}-categories.ubj`, lightgbm: `${lightgbm}-frame.txt` },
      async (url) => {
        const cases = [
          [
            'xgboost',
            { city: 'Atlantis', x: 0, ten: 10, one: 'a' },
            'row 1, column 0 (\'city\'): expected a category that the model was trained with, or null, got "Atlantis"',
          ],
          [
            'xgboost',
            { city: 'A'.repeat(100_000), x: 0, ten: 10, one: 'a' },
            `row 1, column 0 ('city'): expected a category that the model was trained with, or null, got "${'A'.repeat(39)}…`,
          ],
          [
            'xgboost',
            { city: 'Oslo', x: 0, ten: 11, one: 'a' },
            "row 1, column 2 ('ten'): expected a category that the model was trained with, or null, got 11",
          ],
        ] as const;
        for (const [model, row, message] of cases) {
          const instances = [{ city: 'Oslo', x: 0, ten: 10, one: 'a' }, row];
          const { status, json } = await call(`${url}/v1/models/${model}:predict`, { instances });
          expect([status, json.error]).to.deep.equal([400, `model '${model}': ${message}`]);
        }
        const input = (name: string, datatype: string, value: unknown) => ({
          name,
          datatype,
          shape: [1],
          data: [value],
        });
        const others = [input('x', 'FP64', 0), input('one', 'BYTES', 'a')];
        for (const [city, ten, message] of [
          [
            input('city', 'INT32', 3),
            input('ten', 'INT32', 10),
            "model 'xgboost': row 0, column 0 ('city'): expected text, got 3",
          ],
          [
            input('city', 'BYTES', 'Oslo'),
            input('ten', 'BYTES', '10'),
            "inputs[1].datatype: input 'ten' must be numbers, got BYTES",
          ],
        ]) {
          const { status, json } = await call(`${url}/v2/models/xgboost/infer`, {
            inputs: [city, ten, ...others],
          });
          expect([status, json.error]).to.deep.equal([400, message]);
        }
        const text = {
          name: 'x',
          datatype: 'BYTES',
          shape: [1, 7],
          data: ['0', '0', 'Oslo', '0', '0', '0', '0'],
        };
        const { status, json } = await call(`${url}/v2/models/lightgbm/infer`, { inputs: [text] });
        expect([status, json.error]).to.deep.equal([
          400,
          "inputs[0].datatype: input 'x' must be numbers, got BYTES",
        ]);
      },
    );
  });

  it('lists that cannot be told apart, or that the file cut, are not guessed at', () => {
    const one: Table = { rows: 1, width: 7, data: [0, 10, 'Oslo', 'M', 1, 'a', 0.5] };
    const text = readFileSync(new URL(`${lightgbm}-frame.txt`, folder), 'utf8');
    // Without what training saw, column 0 may be the ordered one, as well as column 3.
    const open = openLightgbm(text.replace(/^feature_infos=.*$/m, 'feature_infos='));
    expect(() => open.categories?.encode(one)).to.throw(
      'the file does not tell which columns have categories: send one tensor, with codes',
    );
    const file = JSON.parse(readFileSync(new URL(`${xgboost}-categories.json`, folder), 'utf8'));
    file.version = [3, 1, 2];
    const cut = openXgboost(Buffer.from(JSON.stringify(file)));
    expect(() =>
      cut.categories?.encode({ rows: 1, width: 4, data: ['Oslo', 0, 10, 'a'] }),
    ).to.throw(
      'XGBoost 3.1 cut its names, of which some are not ASCII: send one tensor, with codes',
    );
    const huge = text.replace('[[10, 20', '[[9007199254740993, 20');
    expect(() => openLightgbm(huge).categories?.encode(one)).to.throw(
      'some of its categories are above 2^53: send one tensor, with codes',
    );
    expect(() => openLightgbm(text.replace('[[10, 20', '[[[10], 20'))).to.throw(
      'pandas_categorical holds [10], which is no category',
    );
    expect(() =>
      openLightgbm(text.replace('pandas_categorical:[[', 'pandas_categorical:[['.slice(0, -2))),
    ).to.throw(/^pandas_categorical is '10, 20, .*', no lists of categories$/);
  });
});

describe("KServe's answers and MLServer's", () => {
  const file = 'xgboost-3.4.1-binary.json';
  const { rows, outputs } = goldenOf('xgboost-3.4.1', 'binary.json', false);
  const input = { name: 'x', datatype: 'FP64', shape: [rows.length, 4], data: rows.flat() };

  it('output-0 is the Booster, and predict and predict_proba are the wrapper', async () => {
    const settings = { env: { PREDICT_PROBA: 'true' } };
    await withModels(
      { binary: file },
      async (url) => {
        const first = await call(`${url}/v2/models/binary/infer`, { inputs: [input] });
        expect(first.json.outputs.map(({ name }: { name: string }) => name)).to.deep.equal([
          'output-0',
        ]);
        const asked = ['output-0', 'predict', 'predict_proba', 'margin'].map((name) => ({ name }));
        const { json } = await call(`${url}/v2/models/binary/infer`, {
          inputs: [input],
          outputs: asked,
        });
        for (const { name, datatype, shape, data } of json.outputs) {
          expect([datatype, shape], name).to.deep.equal([
            outputs[name]?.datatype,
            outputs[name]?.shape,
          ]);
          expect(data.map(Math.fround), name).to.deep.equal(
            outputs[name]?.data.map((value) => Math.fround(Number(value))),
          );
        }
      },
      settings,
    );
  });

  it('a model may answer as MLServer by its configuration', async () => {
    const settings = { settings: { parameters: { extra: { output: 'predict' } } } };
    await withModels(
      { binary: file },
      async (url) => {
        const { json } = await call(`${url}/v1/models/binary:predict`, { instances: rows });
        expect(json).to.deep.equal({ predictions: outputs.predict?.data });
      },
      settings,
    );
  });

  it('infinity is refused where a DMatrix refuses it, and read where the wrapper reads it', async () => {
    await withModels({ binary: file }, async (url) => {
      const infinite = { ...input, shape: [1, 4], data: [0, 1e300, 0, 0] };
      const { status, json } = await call(`${url}/v2/models/binary/infer`, { inputs: [infinite] });
      expect([status, json.error]).to.deep.equal([
        400,
        "model 'binary': row 0, column 1: XGBoost takes no number beyond single precision, got 1e+300",
      ]);
      const asked = { inputs: [infinite], outputs: [{ name: 'predict' }] };
      expect((await call(`${url}/v2/models/binary/infer`, asked)).status).to.equal(200);
    });
  });
});

describe('pickled boosters', () => {
  const pickle = (text: string) => Buffer.from(text, 'latin1');

  it('tell what they know of their columns', async () => {
    const { features, columns } = await open('lightgbm-4.7.0-frame.pkl');
    expect([features, columns?.[0]]).to.deep.equal([7, 'age_years']);
    const { features: count, columns: names, outputs } = await open('xgboost-3.4.1-binary.pkl');
    expect([count, names]).to.deep.equal([4, undefined]);
    expect(outputs.map(({ name }) => name)).to.deep.equal(['predict', 'predict_proba']);
  });

  it('are refused within another estimator, if they look up categories', () => {
    const bytes = readFileSync(new URL('lightgbm-4.7.0-within.pkl', folder));
    expect(() => openSklearn(bytes)).to.throw(
      'Pipeline with a booster of categories by name within is not evaluated here; export the model to ONNX',
    );
  });

  it('are refused when they hold no model that can be read', () => {
    for (const [text, message] of [
      [
        'cxgboost.sklearn\nXGBClassifier\n)\x81}b.',
        'XGBClassifier has no _Booster: it was not fitted',
      ],
      [
        'cxgboost.core\nBooster\n)\x81}b.',
        'it holds a xgboost.core.Booster, which takes no rows: save it with save_model("model.ubj")',
      ],
      [
        "cxgboost.sklearn\nXGBRegressor\n)\x81}S'_Booster'\ncxgboost.core\nBooster\n)\x81}S'handle'\nNsbsb.",
        'the Booster of XGBRegressor holds no model',
      ],
    ] as const) {
      expect(() => openSklearn(pickle(text))).to.throw(message);
    }
  });
});
