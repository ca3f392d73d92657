/** Long runs of models that are read here go to worker threads, on the same weights, and answer as before. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { openTabularModel } from '../src/engine/tabular/tabular-engine.ts';
import { TabularThreads } from '../src/engine/tabular/tabular-threads.ts';
import type { ForestMemory } from '../src/formats/forest/forest-memory.ts';
import { openForThreads, openShared } from '../src/formats/tabular-file.ts';
import type { TabularValues } from '../src/formats/tabular-model.ts';

const file = (path: string) => fileURLToPath(new URL(`models/${path}`, import.meta.url));
const MODELS = [
  'xgb_bc_dart/model.json',
  'xgb_iris_softprob/model.json',
  'lgb_iris_multiclass/model.txt',
  'lgb_diabetes_linear_tree/model.txt',
  'lgb_categorical/model.txt',
  'sklearn_iris_rf/model.joblib',
  'sklearn_iris_knn/model.joblib',
  'sklearn_diabetes_gbr/model.joblib',
].map(file);
const THREADS = 2;
const ROWS = 3000;

function tableFor(width: number) {
  const data = Float64Array.from({ length: ROWS * width }, (_, i) =>
    i % 97 === 0 ? Number.NaN : Math.round(Math.sin(i) * 600) / 100,
  );
  return { rows: ROWS, width, data };
}

async function started(threads: TabularThreads, count: number): Promise<void> {
  while (threads.ready < count) await sleep(5);
}

/** What is not NaN in its place. */
const numbersOf = ({ data }: TabularValues) => Array.from(data as Float64Array, String);

describe('threads of tabular models', () => {
  it('evaluate as the thread that read the file', async () => {
    for (const path of MODELS) {
      const { model, shared } = await openForThreads(path, THREADS);
      const threads = new TabularThreads(shared, THREADS);
      await started(threads, THREADS);
      const table = tableFor(model.features);
      // Neighbours and gradient boosting refuse what is missing, on any thread.
      if (path.includes('knn') || path.includes('gbr'))
        table.data.forEach((value, i) => {
          if (Number.isNaN(value)) table.data[i] = 0;
        });
      const names = model.outputs.map(({ name }) => name);
      const runs = Array.from({ length: 3 * THREADS }, () => threads.evaluate(table, names));
      const expected = model.outputs.map((output) => numbersOf(output.compute(table)));
      for (const { values } of await Promise.all(runs)) {
        expect(values.map(numbersOf), path).to.deep.equal(expected);
      }
      threads.close();
    }
  }).timeout(60_000);

  it('see what becomes of the weights, as they have none of their own', async () => {
    for (const name of ['xgb_iris_softprob/model.json', 'sklearn_iris_rf/model.joblib']) {
      const { model, shared } = await openForThreads(file(name), THREADS);
      const other = await openShared(shared, 1);
      const data = Float64Array.from({ length: 32 }, (_, i) => (i * 7) % 8);
      const table = { rows: 8, width: 4, data };
      const answer = ({ outputs }: typeof model) =>
        outputs.map((one) => numbersOf(one.compute(table)));
      const before = answer(model);
      for (const part of shared.weights) {
        if (part instanceof Float64Array) part.fill(0);
        else new Float64Array((part as ForestMemory).memory.buffer).fill(0);
      }
      expect(answer(model), name).not.to.deep.equal(before);
      expect(answer(other), name).to.deep.equal(answer(model));
    }
  });

  it('are not used for a file that is another one by now', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'wherry-threads-'));
    const path = join(dir, basename(MODELS[0] as string));
    copyFileSync(MODELS[0] as string, path);
    const { shared } = await openForThreads(path, THREADS);
    rmSync(path);
    writeFileSync(path, '{}');
    const reason = await openShared(shared, 1).catch((error: Error) => error.message);
    expect(reason).to.equal(`${path} has changed since it was loaded`);
    rmSync(dir, { recursive: true });
  });

  it('answer long runs, and pass on their errors', async () => {
    const [path] = MODELS as [string];
    const options = { path, parameters: {}, predictProba: false };
    const single = await openTabularModel({ ...options, threads: 1 });
    const several = await openTabularModel({ ...options, threads: THREADS });
    const { rows, width, data } = tableFor(30);
    const tensor = { name: 'x', datatype: 'FP64' as const, shape: [rows, width], data };
    const expected = await single.run([tensor], ['predict', 'margin'], {});
    for (const end = Date.now() + 2000; Date.now() < end; ) {
      expect(await several.run([tensor], ['predict', 'margin'], {})).to.deep.equal(expected);
    }
    const aborted = AbortSignal.abort(new Error('nobody waits'));
    const reason = await several
      .run([tensor], ['predict'], { signal: aborted })
      .catch((error: Error) => error.message);
    expect(reason).to.equal('nobody waits');
    single.close();
    several.close();
  }).timeout(20_000);
});
