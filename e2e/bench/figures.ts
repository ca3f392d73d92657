/** Scenarios that are figures by name: models with no server around them, and how long a process takes to be ready. */
import { join } from 'node:path';
import { ROOT } from '../harness/cluster.ts';
import { pythonWith } from '../harness/python.ts';
import { run } from '../harness/shell.ts';
import { CPUS } from './cores.ts';
import type { Effort } from './measure.ts';
import { IMAGE_MODEL, SLOW_MODEL, xgboostModel } from './own-models.ts';
import { XGBOOST } from './peers.ts';
import { median } from './report.ts';
import { measureRouter } from './router.ts';
import { launch, wherry } from './servers.ts';

/** Figures of one run, by name. */
export type Figures = Readonly<Record<string, number>>;

/** A scenario that gives medians of its own rounds. */
export interface FigureScenario {
  readonly key: string;
  measure(effort: Effort): Promise<Figures>;
}

/** Takes each figure's median over the rounds. */
async function medians({ rounds }: Effort, round: () => Promise<Figures>): Promise<Figures> {
  const all: Figures[] = [];
  for (let i = 0; i < rounds; i++) all.push(await round());
  const names = Object.keys(all[0] ?? {});
  const of = (name: string) => median(all.map((one) => one[name] ?? Number.NaN));
  return Object.fromEntries(names.map((name) => [name, of(name)]));
}

async function bare(...args: readonly string[]) {
  const script = join(ROOT, 'e2e/bench/bare.ts');
  return JSON.parse(await run(process.execPath, [script, ...args]));
}

async function xgboostRound(seconds: string): Promise<Figures> {
  const model = await xgboostModel();
  const python = await pythonWith(XGBOOST);
  const script = join(ROOT, 'e2e/bench/peers/xgboost_model.py');
  const xgboost = async (rows: number, threads: number): Promise<number> => {
    const args = [script, 'predict', model, String(rows), String(threads), seconds];
    return JSON.parse(await run(python, args)).us;
  };
  const trees = async (rows: number, threads: number): Promise<number> =>
    (await bare('predict', model, String(rows), '30', seconds, String(threads))).us;
  return {
    'xgboost 1': await xgboost(1, 1),
    'trees 1': await trees(1, 1),
    'xgboost 1000': await xgboost(1000, 1),
    'trees 1000, all cores': await trees(1000, CPUS),
    'xgboost 1000, all cores': await xgboost(1000, CPUS),
  };
}

async function startRound(): Promise<Figures> {
  const start = performance.now();
  await run(process.execPath, ['-e', '0']);
  const node = performance.now() - start;
  const server = await launch(wherry('--model_name=iris', '--storage_uri=builtin://iris'));
  await server.stop();
  return { node, ready: server.readyMs };
}

export const FIGURES: readonly FigureScenario[] = [
  {
    key: 'xgboost-call',
    measure: (effort) => medians(effort, () => xgboostRound(String(effort.seconds))),
  },
  {
    key: 'image-call',
    measure: (effort) =>
      medians(effort, async () => {
        const args = ['img', 'UINT8', '4,3,224,224', String(effort.seconds)];
        return { 'image cpu': (await bare('run', IMAGE_MODEL, ...args)).cpuUs };
      }),
  },
  {
    key: 'slow-call',
    measure: (effort) =>
      medians(effort, async () => {
        const args = ['x', 'FP32', '256', String(CPUS), '1'];
        return { batch: (await bare('batch', SLOW_MODEL, ...args)).rowsPerSecond };
      }),
  },
  { key: 'start', measure: (effort) => medians(effort, startRound) },
  { key: 'router', measure: measureRouter },
];
