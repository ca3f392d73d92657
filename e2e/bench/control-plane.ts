/**
 * `npm run bench -- control-plane`: what the operator costs with many services, on a real API server and with a
 * real Envoy. The services of one run only grow in number, so that the ratios are of one process on one machine.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ROOT } from '../harness/cluster.ts';
import { atRate } from './cluster-objects.ts';
import { BenchCluster } from './control-plane-cluster.ts';
import { BenchOperator } from './control-plane-operator.ts';
import { type CostOfAll, figuresOf, plot, type Samples, tables } from './control-plane-report.ts';
import { BenchRouter } from './control-plane-router.ts';

const HELP = `npm run bench -- control-plane [--services LIST] [--json FILE] [--write] [--profiles DIR]

Measures the operator with 50, 500 and 5,000 services of one pod each: its CPU, what it sends, and how long it
takes. Needs the programs of e2e/cluster/build; Linux only. Ends within ten minutes.
  --services LIST   other numbers of services, ascending, separated by commas
  --json FILE       write the medians, by number of services
  --write           write docs/control-plane.md's tables and plot
  --profiles DIR    have Node write CPU profiles of the operator`;

const EVENTS_PER_SECOND = 20;
/** Each round has its own idle time, because a shared machine changes. */
const ROUNDS = 5;
const EVENTS_PER_ROUND = 60;
const IDLE_SECONDS = 2;
const MOVES = 30;
const REPEATS = 3;

const MARKER = '<!-- Written by the bench from here on. -->';

interface Bench {
  readonly cluster: BenchCluster;
  readonly operator: BenchOperator;
  readonly router: BenchRouter;
  readonly count: number;
}

/** Runs the bench. @throws Error when a part of it did not run. */
export async function benchControlPlane(args: string[]): Promise<void> {
  const { values: flags } = parseArgs({
    args,
    options: {
      services: { type: 'string', default: '50,500,5000' },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      profiles: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (flags.help) return console.log(HELP);
  const results = await measureAll(flags.services.split(',').map(Number), flags.profiles);
  const figures = figuresOf(results);
  console.log(tables(results));
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(figures, undefined, 2)}\n`);
  if (flags.write) writeDocs(tables(results), plot(figures));
}

async function measureAll(
  counts: readonly number[],
  profiles: string | undefined,
): Promise<Map<number, Samples>> {
  await BenchOperator.build();
  const router = await BenchRouter.create();
  const cluster = await BenchCluster.start();
  const operator = new BenchOperator({ kubeConfig: cluster.kubeConfig, profiles });
  const results = new Map<number, Samples>();
  try {
    await operator.start();
    await router.start(await cluster.routerTls());
    for (const count of counts) {
      const isLast = count === counts.at(-1);
      progress(`${count} services: making them`);
      await cluster.grow(count);
      const bench = { cluster, operator, router, count };
      const samples = await measure(bench);
      // It takes services away, so that it comes last.
      const costs = isLast ? await costsOfAll(bench) : {};
      results.set(count, { ...samples, ...costs });
    }
  } finally {
    await router.remove();
    await operator.remove();
    await cluster.stop();
  }
  return results;
}

async function measure(bench: Bench): Promise<Samples> {
  const { operator, router, cluster, count } = bench;
  const events = await measureEvents(bench);
  progress(`${count} services: the time to the router`);
  const msToRouter = await measureTime(bench);
  await operator.quiet();
  const grown = operator.rssMb();
  progress(`${count} services: a router that reconnects`);
  const before = await router.silent();
  await operator.stop();
  await operator.start();
  await operator.quiet();
  const reconnectBytes = (await router.silent()) - before;
  progress(`${count} services: a new router`);
  await router.stop();
  await router.start(await cluster.routerTls());
  await operator.quiet();
  const fullBytes = await router.silent();
  return {
    ...events,
    msToRouter,
    rssMb: [Math.max(grown, operator.rssMb())],
    reconnectBytes: [reconnectBytes],
    fullBytes: [fullBytes],
  };
}

/** CPU and bytes of pod events at a steady rate, less what the same time costs without any. */
async function measureEvents({ cluster, operator, router, count }: Bench) {
  const cpuMsPerEvent: number[] = [];
  const bytesPerEvent: number[] = [];
  const loopDelayP99Ms: number[] = [];
  const used = async () => ({ cpuMs: operator.cpuMs(), bytes: await router.receivedBytes() });
  await operator.quiet();
  for (let round = 0; round < ROUNDS; round++) {
    progress(`${count} services: pod events, round ${round + 1} of ${ROUNDS}`);
    const first = await used();
    await sleep(IDLE_SECONDS * 1000);
    const second = await used();
    await operator.loopDelayP99Ms();
    const startedAt = performance.now();
    const third = await used();
    await atRate({ count: EVENTS_PER_ROUND, perSecond: EVENTS_PER_SECOND }, (i) =>
      cluster.movePod((round * EVENTS_PER_ROUND + i) % count),
    );
    loopDelayP99Ms.push(await operator.loopDelayP99Ms());
    // The last events are still on their way.
    await sleep(500);
    const fourth = await used();
    const idleShare = (performance.now() - startedAt) / (IDLE_SECONDS * 1000);
    const net = (of: 'cpuMs' | 'bytes') =>
      (fourth[of] - third[of] - idleShare * (second[of] - first[of])) / EVENTS_PER_ROUND;
    cpuMsPerEvent.push(net('cpuMs'));
    bytesPerEvent.push(net('bytes'));
  }
  return { cpuMsPerEvent, bytesPerEvent, loopDelayP99Ms };
}

/** Milliseconds from the API server's answer to a pod's change until the router sends to its new address. */
async function measureTime({ cluster, router, count }: Bench): Promise<number[]> {
  const times: number[] = [];
  for (let move = 0; move < MOVES; move++) {
    const index = (move * 7) % count;
    const address = await cluster.movePod(index);
    const startedAt = performance.now();
    await router.answersFrom(address, cluster.host(index));
    times.push(performance.now() - startedAt);
    await sleep(50);
  }
  return times;
}

/** CPU milliseconds of what may concern every service, until the operator rests. */
async function costsOfAll({
  cluster,
  operator,
  count,
}: Bench): Promise<Record<CostOfAll, number[]>> {
  const cost = async (act: () => Promise<void>) => {
    await operator.quiet();
    const before = operator.cpuMs();
    await act();
    await operator.quiet();
    return operator.cpuMs() - before;
  };
  const costs: Record<CostOfAll, number[]> = { deleteCpuMs: [], runtimeEditCpuMs: [] };
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    progress(`${count} services: deletion and edit, ${repeat + 1} of ${REPEATS}`);
    costs.deleteCpuMs.push(await cost(() => cluster.deleteService(count - 1 - repeat)));
    // Every other edition is the one that the revisions have pinned: each edit changes every status.
    costs.runtimeEditCpuMs.push(await cost(() => cluster.editRuntime((repeat + 1) % 2)));
  }
  return costs;
}

/** Replaces what follows the marker in the page, and the plot. */
function writeDocs(text: string, svg: string): void {
  const page = join(ROOT, 'docs/control-plane.md');
  writeFileSync(join(ROOT, 'docs/benchmarks/control-plane.svg'), svg);
  const [cpu] = cpus();
  const machine = `On ${cpus().length} cores (${cpu?.model.trim()}), Node ${process.version}:`;
  const [prose] = readFileSync(page, 'utf8').split(MARKER);
  const image = '![What a pod event costs](benchmarks/control-plane.svg)';
  writeFileSync(page, `${prose}${MARKER}\n\n${machine}\n\n${text}\n\n${image}\n`);
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}
