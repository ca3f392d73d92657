/**
 * `npm run bench`: our server beside the floors and its peers, on one machine in one run, told as ratios. Rounds are
 * interleaved and medians compared, because a shared machine is never equally fast twice.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../harness/cluster.ts';
import { pythonWith } from '../harness/python.ts';
import { run } from '../harness/shell.ts';
import { benchControlPlane } from './control-plane.ts';
import type { LoopResult } from './loop-result.ts';
import { XGBOOST } from './peers.ts';
import { type Measurement, median, type Result, report } from './report.ts';
import { measureRouter } from './router.ts';
import {
  type Contender,
  CPUS,
  IMAGE_MODEL,
  type Scenario,
  SLOW_MODEL,
  scenarios,
  xgboostModel,
} from './scenarios.ts';
import { type BenchServer, bundleWherry, echo, launch, wherry } from './servers.ts';

const HELP = `npm run bench -- [--seconds N] [--rounds N] [--only KEY] [--write]
npm run bench -- control-plane --help

Peers are installed from PyPI into the cache, once. Linux only: CPU times come from /proc.
  --only KEY   scenarios whose key begins with KEY
  --write      write docs/benchmarks.md and its plots`;

const [command, ...rest] = process.argv.slice(2);
if (command === 'control-plane') {
  await benchControlPlane(rest);
  process.exit(0);
}
const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(HELP);
  process.exit(0);
}
const rounds = Number(flags.rounds);
const node = (script: string, ...args: readonly string[]) =>
  [join(ROOT, 'e2e/bench', script), ...args] as const;

async function ask(
  server: BenchServer,
  contender: Contender,
  connections: number,
): Promise<LoopResult> {
  const { path, headers = [], grpc, body } = contender;
  const count = String(connections);
  const args =
    grpc === undefined
      ? node('closed-loop.ts', `${server.url}${path}`, count, flags.seconds, ...headers)
      : node('grpc-loop.ts', grpcAddress(server.url), count, flags.seconds, ...grpc);
  return JSON.parse(await run(process.execPath, [...args], { input: body }));
}

function grpcAddress(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${Number(port) + 1}`;
}

async function measure(
  server: BenchServer,
  contender: Contender,
  connections: number,
): Promise<Measurement> {
  const before = server.cpuSeconds();
  const { requests, seconds, p50, p99 } = await ask(server, contender, connections);
  // The second of warming up takes as much CPU a request as the others.
  const cpu = ((server.cpuSeconds() - before) * seconds) / (seconds + 1);
  return {
    requestsPerSecond: requests / seconds,
    ...{ p50, p99 },
    cpuUs: (cpu / requests) * 1e6,
    rssBytes: server.rssBytes(),
  };
}

async function measureScenario(scenario: Scenario): Promise<Result> {
  const servers = new Map<string, { server: BenchServer; contender: Contender }>();
  const failed: string[] = [];
  for (const contender of scenario.contenders) {
    process.stderr.write(`${scenario.key}: starting ${contender.name}\n`);
    try {
      servers.set(contender.name, { server: await launch(contender.launch), contender });
    } catch (error) {
      failed.push(`${contender.name}: ${(error as Error).message.split('\n').at(-1)}`);
    }
  }
  const [first] = servers.values();
  if (scenario.floor && first !== undefined) {
    const floor = await launch(echo(await answerOf(first.server, first.contender)));
    servers.set('echo', { server: floor, contender: { ...first.contender, name: 'echo' } });
  }
  const measurements = new Map(
    [...servers.keys()].map((name): [string, Measurement[]] => [name, []]),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const [name, { server, contender }] of servers) {
      // A peer that dies is told of, and the others are measured.
      const one = await measure(server, contender, scenario.connections).catch((error: Error) => {
        failed.push(`${name}: ${error.message.split('\n').at(-1)}`);
        servers.delete(name);
        measurements.delete(name);
        return server.stop();
      });
      if (!one) continue;
      measurements.get(name)?.push(one);
      const shown = `${one.requestsPerSecond.toFixed(0)}/s, ${one.cpuUs.toFixed(0)} us CPU`;
      process.stderr.write(`${scenario.key}, round ${round} of ${rounds}: ${name} ${shown}\n`);
    }
  }
  for (const { server } of servers.values()) await server.stop();
  const readyMs = new Map([...servers].map(([name, { server }]) => [name, server.readyMs]));
  return { scenario, measurements, readyMs, failed };
}

async function answerOf({ url }: BenchServer, { path, body, headers = [] }: Contender) {
  const pairs = headers.map((line) => line.split(': ', 2) as [string, string]);
  const reply = await fetch(`${url}${path}`, { method: 'POST', body, headers: pairs });
  return Buffer.from(await reply.arrayBuffer());
}

/** Models by themselves; and how long a process takes to do nothing, and to be ready. */
async function measureBare() {
  const bare = async (...args: string[]) =>
    JSON.parse(await run(process.execPath, [...node('bare.ts', ...args)]));
  const model = await xgboostModel();
  const python = await pythonWith(XGBOOST);
  const script = join(ROOT, 'e2e/bench/peers/xgboost_model.py');
  const xgboost = async (rows: number, threads: number) => {
    const args = [script, 'predict', model, String(rows), String(threads), flags.seconds];
    return JSON.parse(await run(python, args));
  };
  const calls: Record<string, number[]> = {};
  const keep = (name: string, value: number) => {
    calls[name] = [...(calls[name] ?? []), value];
  };
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`bare models, round ${round} of ${rounds}\n`);
    for (const rows of [1, 1000]) {
      keep(`xgboost ${rows}`, (await xgboost(rows, 1)).us);
      keep(`trees ${rows}`, (await bare('predict', model, String(rows), '30', flags.seconds)).us);
    }
    keep('xgboost 1000, all cores', (await xgboost(1000, CPUS)).us);
    const shape = '4,3,224,224';
    keep('image cpu', (await bare('run', IMAGE_MODEL, 'img', 'UINT8', shape, flags.seconds)).cpuUs);
    const batch = await bare('batch', SLOW_MODEL, 'x', 'FP32', '256', String(CPUS), '1');
    keep('batch', batch.rowsPerSecond);
    const start = performance.now();
    await run(process.execPath, ['-e', '0']);
    keep('node', performance.now() - start);
    const server = await launch(wherry('--model_name=iris', '--storage_uri=builtin://iris'));
    keep('ready', server.readyMs);
    await server.stop();
  }
  return Object.fromEntries(Object.entries(calls).map(([name, values]) => [name, median(values)]));
}

bundleWherry();
const results: Result[] = [];
for (const scenario of await scenarios()) {
  if (scenario.key.startsWith(flags.only)) results.push(await measureScenario(scenario));
}
const isWhole = flags.only === '';
const bare = isWhole ? await measureBare() : {};
const router = isWhole ? await measureRouter({ seconds: flags.seconds, rounds }) : undefined;
const { text, plots } = report({ results, bare, router, rounds, seconds: flags.seconds });
console.log(text);
if (flags.write) {
  const dir = join(ROOT, 'docs/benchmarks');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(ROOT, 'docs/benchmarks.md'), text);
  for (const [name, svg] of plots) writeFileSync(join(dir, `${name}.svg`), svg);
}
process.exit(0);
