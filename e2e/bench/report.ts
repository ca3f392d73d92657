/** The bench's results as ratios: the table of targets, a table for each scenario, and its plot. */
import { cpus, totalmem } from 'node:os';
import { barPlot } from './bar-plot.ts';
import type { Figures } from './figures.ts';
import type { Scenario } from './scenario.ts';
import { aim, isMet, measured, TARGETS } from './targets.ts';

export interface Measurement {
  readonly requestsPerSecond: number;
  /** In ms. */
  readonly p50: number;
  readonly p99: number;
  /** Of the server, for a request. */
  readonly cpuUs: number;
  readonly rssBytes: number;
}

export interface Result {
  readonly scenario: Scenario;
  /** By contender, a measurement for each round. */
  readonly measurements: ReadonlyMap<string, readonly Measurement[]>;
  readonly readyMs: ReadonlyMap<string, number>;
  /** Who did not run, and why. */
  readonly failed: readonly string[];
}

export interface ReportInput {
  readonly results: readonly Result[];
  readonly figures: Figures;
  /** Scenarios that were to run. */
  readonly keys: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
}

export interface Report {
  readonly text: string;
  /** Name → SVG. */
  readonly plots: ReadonlyMap<string, string>;
}

const OWN = 'Wherry';

/** Returns the middle value; the upper of two. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function of(result: Result, name: string, key: keyof Measurement): number {
  return median((result.measurements.get(name) ?? []).map((one) => one[key]));
}

/** Writes the page, and a plot for each scenario with somebody to compare with. */
export function report(input: ReportInput): Report {
  const { results, rounds, seconds } = input;
  const [cpu] = cpus();
  const lines = [
    '# Benchmarks',
    '',
    `Written by \`npm run bench -- --write\`: ${rounds} interleaved rounds of ${seconds} s, medians, on ${cpus().length} cores`,
    `(${cpu?.model.trim()}) and ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}. wrk asks over HTTP`,
    'and ghz over gRPC; the server under load has one core and the client another, but for the slow model, which has all.',
    'Read ratios, not numbers. What is compared, and how: `e2e/bench/scenarios.ts`.',
    'Where an aim is missed, [a profile says why](benchmarks-profile.md).',
    '',
    ...targets(input),
    ...results.flatMap(section),
  ];
  const plotted = results.filter(({ measurements }) => measurements.size > 1);
  const plots = new Map(plotted.map((result) => [result.scenario.key, plot(result)]));
  return { text: `${lines.join('\n')}\n`, plots };
}

/** What was aimed at, and what came out, for the targets whose scenarios ran. */
function targets({ results, figures, keys }: ReportInput): string[] {
  const from = measured(results, figures);
  const shown = TARGETS.filter(({ scenarios }) => scenarios.every((key) => keys.includes(key)));
  if (shown.length === 0) return [];
  return [
    '| ratio | measured | aimed at | |',
    '|---|---|---|---|',
    ...shown.map((target) => {
      const value = target.value(from);
      const told = Number.isFinite(value) ? ratio(value) : 'did not run';
      const missed = isMet(target, value) ? '' : 'missed';
      return `| ${target.what} | ${told} | ${aim(target)} | ${missed} |`;
    }),
    '',
  ];
}

/** Writes a ratio with as many digits as mean something. */
export function ratio(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toFixed(2);
}

/** Each contender against ours. */
function section(result: Result): string[] {
  const { scenario, measurements, readyMs, failed } = result;
  const against = (name: string, key: keyof Measurement) =>
    ratio(of(result, name, key) / of(result, OWN, key));
  const ready = (name: string) =>
    ratio((readyMs.get(name) ?? Number.NaN) / (readyMs.get(OWN) ?? Number.NaN));
  const isGrpc = scenario.contenders.some(({ grpc }) => grpc !== undefined);
  const clients = isGrpc ? 'streams of one connection' : 'connections';
  return [
    `## ${scenario.title}`,
    '',
    `${scenario.connections} ${clients}; everything as a multiple of ${OWN}'s.`,
    '',
    '| | requests/s | p50 | p99 | CPU a request | memory | start to ready |',
    '|---|---|---|---|---|---|---|',
    ...[...measurements.keys()].map((name) => {
      const keys = ['requestsPerSecond', 'p50', 'p99', 'cpuUs', 'rssBytes'] as const;
      return `| ${name} | ${keys.map((key) => against(name, key)).join(' | ')} | ${ready(name)} |`;
    }),
    '',
    ...(measurements.size > 1 ? [`![requests a second](benchmarks/${scenario.key}.svg)`, ''] : []),
    ...failed.flatMap((reason) => [`Did not run: ${reason}`, '']),
  ];
}

/** Requests a second as bars, the longest being the most. */
function plot(result: Result): string {
  const own = of(result, OWN, 'requestsPerSecond');
  const bars = [...result.measurements.keys()].map((name) => {
    const value = of(result, name, 'requestsPerSecond');
    return { name, value, label: ratio(value / own), isEmphasized: name === OWN };
  });
  return barPlot(`Requests a second: ${result.scenario.title}`, bars);
}
