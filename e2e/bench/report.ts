/** The bench's results as ratios: the table of targets, a table for each scenario, and its plot. */
import { cpus, totalmem } from 'node:os';
import { barPlot } from './bar-plot.ts';
import type { Scenario } from './scenarios.ts';

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
  /** Who did not start, and why. */
  readonly failed: readonly string[];
}

export interface ReportInput {
  readonly results: readonly Result[];
  /** Calls of models without a server, by name. */
  readonly bare: Readonly<Record<string, number>>;
  /** Through the router against direct. */
  readonly router?: {
    readonly requestsPerSecond: number;
    readonly p50: number;
    readonly p99: number;
  };
  readonly rounds: number;
  readonly seconds: string;
}

export interface Report {
  readonly text: string;
  /** Name → SVG. */
  readonly plots: ReadonlyMap<string, string>;
}

const OWN = 'Wherry';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function of(result: Result | undefined, name: string, key: keyof Measurement): number {
  return median((result?.measurements.get(name) ?? []).map((one) => one[key]));
}

export function report(input: ReportInput): Report {
  const { results, rounds, seconds } = input;
  const [cpu] = cpus();
  const lines = [
    '# Benchmarks',
    '',
    `Written by \`npm run bench -- --write\`: ${rounds} interleaved rounds of ${seconds} s, medians, on ${cpus().length} cores`,
    `(${cpu?.model.trim()}) and ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}. Clients, servers and whatever else the`,
    'machine does share these cores: read ratios, not numbers. What is compared, and how: `e2e/bench/scenarios.ts`.',
    'Where an aim is missed, [a profile says why](benchmarks-profile.md).',
    '',
    ...targets(input),
    ...results.flatMap(section),
  ];
  const plotted = results.filter(({ measurements }) => measurements.size > 1);
  const plots = new Map(plotted.map((result) => [result.scenario.key, plot(result)]));
  return { text: `${lines.join('\n')}\n`, plots };
}

/** What was aimed at, and what came out; `atMost` where less is better. */
function targets({ results, bare, router }: ReportInput): string[] {
  const by = (key: string) => results.find(({ scenario }) => scenario.key === key);
  const rate = (key: string, over: string, under: string) =>
    of(by(key), over, 'requestsPerSecond') / of(by(key), under, 'requestsPerSecond');
  const b = (name: string) => bare[name] ?? Number.NaN;
  const binary = by('tensor-binary');
  const cpuFloor = of(binary, 'echo', 'cpuUs') + b('image cpu');
  const rows: [string, number, string][] = [
    [
      'iris, 1 row, V2 JSON: requests/s against the echo of the same bytes',
      rate('iris', OWN, 'echo'),
      '≥ 0.60',
    ],
    [
      "the same model of scikit-learn: requests/s against KServe's server",
      rate('iris-peers', OWN, 'KServe'),
      '≥ 12',
    ],
    ['the same against MLServer', rate('iris-peers', OWN, 'MLServer'), '≥ 12'],
    [
      '600 KB tensor, binary REST: CPU a request against the echo and the bare run',
      of(binary, OWN, 'cpuUs') / cpuFloor,
      '≤ 1.15',
    ],
    [
      '10,000 rows in and out as JSON: requests/s against MLServer',
      rate('rows', OWN, 'MLServer'),
      '≥ 3',
    ],
    [
      'slow model, 32 clients: rows/s against the best batch of the bare session',
      of(by('batch'), OWN, 'requestsPerSecond') / b('batch'),
      '≥ 0.95',
    ],
    [
      "XGBoost, 300 trees, 1 row: the model's call, times faster than xgboost's predict",
      b('xgboost 1') / b('trees 1'),
      '≥ 10',
    ],
    [
      '1,000 rows, one thread each (as KServe starts it)',
      b('xgboost 1000') / b('trees 1000'),
      '≥ 1',
    ],
    ['1,000 rows, xgboost on all cores', b('xgboost 1000, all cores') / b('trees 1000'), '≥ 1'],
    ['start to ready, iris, against `node -e 0`', b('ready') / b('node'), '≤ 3'],
    ['through the router against direct: requests/s', router?.requestsPerSecond ?? Number.NaN, ''],
  ];
  const shown = rows.filter(([, value]) => Number.isFinite(value));
  if (shown.length === 0) return [];
  return [
    '| ratio | measured | aimed at |',
    '|---|---|---|',
    ...shown.map(([what, value, aim]) => `| ${what} | ${ratio(value)} | ${aim} |`),
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
  return [
    `## ${scenario.title}`,
    '',
    `${scenario.connections} connections; everything as a multiple of ${OWN}'s.`,
    '',
    '| | requests/s | p50 | p99 | CPU a request | memory | start to ready |',
    '|---|---|---|---|---|---|---|',
    ...[...measurements.keys()].map((name) => {
      const keys = ['requestsPerSecond', 'p50', 'p99', 'cpuUs', 'rssBytes'] as const;
      return `| ${name} | ${keys.map((key) => against(name, key)).join(' | ')} | ${ready(name)} |`;
    }),
    '',
    ...(measurements.size > 1 ? [`![requests a second](benchmarks/${scenario.key}.svg)`, ''] : []),
    ...failed.flatMap((reason) => [`Not started: ${reason}`, '']),
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
