/** Measures one scenario: starts its servers, asks each in turn for some rounds, and tells who did not run. */
import { CLIENT_CORE, CPUS, SERVER_CORE } from './cores.ts';
import { type LoadOptions, type LoadResult, load } from './load.ts';
import type { Measurement, Result } from './report.ts';
import { CONNECTIONS, type Contender, type Scenario } from './scenario.ts';
import { type BenchServer, echo, launch } from './servers.ts';

/** How often and how long each contender is asked. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

const WARM_UP_SECONDS = 1;
const ANSWERS_WITHIN_MS = 60_000;
/** A steady rate that was not kept is no measurement at that rate. */
const RATE_KEPT = 0.9;

interface Started {
  readonly server: BenchServer;
  readonly contender: Contender;
  readonly measurements: Measurement[];
}

/** Measures in interleaved rounds; a contender that fails is told of and left out of those that follow. */
export async function measureScenario(scenario: Scenario, effort: Effort): Promise<Result> {
  const failed: string[] = [];
  const started = await startAll(scenario, failed);
  for (let round = 1; round <= effort.rounds; round++) {
    for (const [name, { server, contender, measurements }] of started) {
      try {
        const one = await measure(server, contender, { scenario, seconds: effort.seconds });
        measurements.push(one);
        const shown = `${one.requestsPerSecond.toFixed(0)}/s, ${one.cpuUs.toFixed(0)} us CPU`;
        process.stderr.write(
          `${scenario.key}, round ${round} of ${effort.rounds}: ${name} ${shown}\n`,
        );
      } catch (error) {
        failed.push(`${name}: ${reason(error)}`);
        started.delete(name);
        await server.stop();
      }
    }
  }
  for (const { server } of started.values()) await server.stop();
  return {
    scenario,
    measurements: new Map([...started].map(([name, one]) => [name, one.measurements])),
    readyMs: new Map([...started].map(([name, { server }]) => [name, server.readyMs])),
    failed,
  };
}

async function startAll(scenario: Scenario, failed: string[]): Promise<Map<string, Started>> {
  const started = new Map<string, Started>();
  const core = scenario.allCores ? undefined : coresOf().server;
  let answer: Buffer | undefined;
  for (const contender of scenario.contenders) {
    process.stderr.write(`${scenario.key}: starting ${contender.name}\n`);
    let server: BenchServer | undefined;
    try {
      server = await launch(await contender.launch(), core);
      if (contender.grpc === undefined) {
        const first = await firstAnswer(server, contender);
        answer ??= first;
      }
      await load(server, contender, loadOptions(scenario, WARM_UP_SECONDS));
      started.set(contender.name, { server, contender, measurements: [] });
    } catch (error) {
      await server?.stop();
      failed.push(`${contender.name}: ${reason(error)}`);
    }
  }
  const [first] = started.values();
  if (!scenario.floor || first === undefined || answer === undefined) return started;
  const server = await launch(echo(answer), core);
  await load(server, first.contender, loadOptions(scenario, WARM_UP_SECONDS));
  return started.set('echo', { server, contender: first.contender, measurements: [] });
}

/** Returns the first answer of success: some servers are ready before their workers are. */
async function firstAnswer(server: BenchServer, contender: Contender): Promise<Buffer> {
  const headers = [['Content-Type', 'application/json'], ...headerPairs(contender)];
  const from = performance.now();
  for (;;) {
    const reply = await fetch(`${server.url}${contender.path}`, {
      method: 'POST',
      body: contender.body,
      headers: headers as [string, string][],
    });
    const body = Buffer.from(await reply.arrayBuffer());
    if (reply.ok) return body;
    if (performance.now() - from > ANSWERS_WITHIN_MS)
      throw new Error(`answers ${reply.status}: ${body}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function headerPairs({ headers = [] }: Contender): string[][] {
  return headers.map((line) => line.split(': ', 2));
}

interface MeasureInput {
  readonly scenario: Scenario;
  readonly seconds: number;
}

async function measure(
  server: BenchServer,
  contender: Contender,
  { scenario, seconds }: MeasureInput,
): Promise<Measurement> {
  const options = loadOptions(scenario, seconds);
  if (scenario.share === undefined) return counted(server, () => load(server, contender, options));
  const most = rate(await load(server, contender, { ...options, connections: CONNECTIONS }));
  const steady = await counted(server, () =>
    load(server, contender, { ...options, rate: most * (scenario.share as number) }),
  );
  const kept = steady.requestsPerSecond / (most * scenario.share);
  if (kept < RATE_KEPT) throw new Error(`kept ${kept.toFixed(2)} of the rate that was asked for`);
  return steady;
}

async function counted(server: BenchServer, ask: () => Promise<LoadResult>): Promise<Measurement> {
  const before = server.cpuSeconds();
  const seen = await ask();
  return {
    requestsPerSecond: rate(seen),
    ...{ p50: seen.p50, p99: seen.p99 },
    cpuUs: ((server.cpuSeconds() - before) / seen.requests) * 1e6,
    rssBytes: server.rssBytes(),
  };
}

const rate = ({ requests, seconds }: LoadResult) => requests / seconds;

function loadOptions({ connections, allCores }: Scenario, seconds: number): LoadOptions {
  return { connections, seconds, core: allCores ? undefined : coresOf().client };
}

/** @throws Error where server and client would share a core. */
function coresOf() {
  if (CPUS < 2)
    throw new Error('the bench needs two cores, one for the server and one for the client');
  return { server: SERVER_CORE, client: CLIENT_CORE };
}

/** Returns the last line of what an error says that has anything on it. */
export function reason(error: unknown): string {
  const { message } = error as Error;
  return message.trim().split('\n').at(-1) || 'failed without a word';
}
