/**
 * `npm run bench -- cold-start`: how long a request to a service without pods takes, by the parts that the operator
 * tells, beside the same pod started by hand; and how soon a tenfold step of the load has a pod asked for. Both kinds of
 * starts alternate, because a shared machine is never equally fast twice.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { onCluster, ROOT } from '../harness/cluster.ts';
import { router } from '../harness/kubectl.ts';
import { Load } from '../harness/load.ts';
import { startModelStore } from '../harness/model-store.ts';
import {
  ApiProxy,
  ask,
  idle,
  makeService,
  QUESTION,
  revision,
  toldPhases,
} from './cold-start-cluster.ts';
import { type Measured, type Phases, tables, targets } from './cold-start-report.ts';

const HELP = `npm run bench -- cold-start [--starts N] [--steps N] [--json FILE] [--write]

Measures cold starts on the cluster of the end-to-end tests, which it starts and ends. Ends within eight minutes.
  --starts N    cold starts, and as many pods by hand (20)
  --steps N     steps of a load (5)
  --json FILE   write all that was measured
  --write       write the tables of docs/autoscaling.md`;

/** Services whose requests take turns, so that none is waited for until it has no pod again. */
const SERVICES = ['cold-a', 'cold-b', 'cold-c', 'cold-d'];
const STEPPED = 'stepped';
/** Milliseconds of rest after a start, for what it leaves behind. */
const REST_MS = 1500;
/** Requests a second before a step, and how many times as many come after it. */
const RATE = 20;
const STEP = 10;
/** Milliseconds of the load before a step, which is longer than the panic window, and a most that is waited. */
const BEFORE_MS = 4000;
const MOST_MS = 15_000;

const PAGE = join(ROOT, 'docs/autoscaling.md');
const BEGIN = '<!-- bench cold-start: begin -->\n';
const END = '<!-- bench cold-start: end -->';

/** Runs the bench. @throws Error when a part of it did not run. */
export async function benchColdStart(args: string[]): Promise<void> {
  const { values: flags } = parseArgs({
    args,
    options: {
      starts: { type: 'string', default: '20' },
      steps: { type: 'string', default: '5' },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (flags.help) return console.log(HELP);
  const measured = await onCluster(() => measureAll(Number(flags.starts), Number(flags.steps)));
  console.log(tables(measured));
  const all = { targets: targets(measured), ...measured };
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(all, undefined, 2)}\n`);
  if (flags.write) writePage(tables(measured));
}

async function measureAll(starts: number, steps: number): Promise<Measured> {
  const api = await ApiProxy.start();
  try {
    await startModelStore();
    for (const name of SERVICES) {
      await makeService(name, { predictor: { minReplicas: 0, maxReplicas: 1 } });
    }
    const cold = await measureStarts(api, starts);
    return { ...cold, reactions: await measureSteps(api, steps) };
  } finally {
    api.stop();
  }
}

async function measureStarts(api: ApiProxy, starts: number): Promise<Omit<Measured, 'reactions'>> {
  await api.makeByHand(SERVICES[0] as string);
  const answers: number[] = [];
  const byHand: number[] = [];
  const turns: string[] = [];
  // The first start of each kind finds files that no other has read before: it does not count.
  for (let i = -1; i < starts; i++) {
    const service = SERVICES[(i + 1) % SERVICES.length] as string;
    progress(`cold start ${i + 1} of ${starts}`);
    await idle(service);
    await sleep(REST_MS);
    answers.push(await ask(service));
    turns.push(service);
    await sleep(REST_MS);
    byHand.push(await api.startByHand());
  }
  const phases = inOrder(turns, await toldPhases());
  return { answers: answers.slice(1), phases: phases.slice(1), byHand: byHand.slice(1) };
}

/** Returns the parts of the starts in the order of the turns. @throws Error when one of a start was not told. */
function inOrder(turns: readonly string[], told: ReadonlyMap<string, readonly Phases[]>): Phases[] {
  const taken = new Map<string, number>();
  return turns.map((service) => {
    const all = told.get(revision(service)) ?? [];
    const index = taken.get(service) ?? 0;
    taken.set(service, index + 1);
    const one = all[index];
    const count = turns.filter((other) => other === service).length;
    if (one === undefined || all.length !== count) {
      throw new Error(
        `the operator has told of ${all.length} cold starts of ${service}, not ${count}`,
      );
    }
    return one;
  });
}

async function measureSteps(api: ApiProxy, steps: number): Promise<number[]> {
  await makeService(STEPPED, {
    predictor: { minReplicas: 1, maxReplicas: 4, scaleMetric: 'rps', scaleTarget: 2 * RATE },
  });
  const reactions: number[] = [];
  for (let i = 0; i < steps; i++) {
    progress(`step ${i + 1} of ${steps}`);
    const before = load(RATE);
    await sleep(BEFORE_MS);
    while ((await api.replicas(revision(STEPPED))) > 1) await sleep(500);
    // Reports come every second: the steps begin at different times between two of them.
    await sleep((i * 1000) / steps);
    const after = load(RATE * (STEP - 1));
    reactions.push(await reaction(api));
    await Promise.all([before.stop(), after.stop()]);
  }
  return reactions;
}

function load(rate: number): Load {
  const url = `${router()}/v2/models/${STEPPED}/infer`;
  return new Load({ url, host: `${STEPPED}-default.example.com`, body: QUESTION, rate });
}

/** Seconds until the Deployment asks for more than one pod. */
async function reaction(api: ApiProxy): Promise<number> {
  const startedAt = performance.now();
  while ((await api.replicas(revision(STEPPED))) === 1) {
    if (performance.now() - startedAt > MOST_MS)
      throw new Error('no pod is asked for after a step');
    await sleep(20);
  }
  return (performance.now() - startedAt) / 1000;
}

function writePage(text: string): void {
  const page = readFileSync(PAGE, 'utf8');
  const [head] = page.split(BEGIN);
  const tail = page.slice(page.indexOf(END));
  const [cpu] = cpus();
  const machine = `On one node with ${cpus().length} cores (${cpu?.model.trim()}), all parts of Kubernetes on it:`;
  writeFileSync(PAGE, `${head}${BEGIN}\n${machine}\n\n${text}\n${tail}`);
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}
