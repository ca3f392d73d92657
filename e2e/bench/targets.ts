/** What the bench aims at, as a table: a ratio, the scenarios that it takes, and what came out. */
import type { Figures } from './figures.ts';
import { type Measurement, median, type Result } from './report.ts';

/** Results of a run, as targets read them. */
export interface Measured {
  /** Median over the rounds of a scenario's contender; NaN where it did not run. */
  of(scenario: string, contender: string, key: keyof Measurement): number;
  /** A figure; NaN where it was not measured. */
  figure(name: string): number;
}

/** One ratio. */
export interface Target {
  readonly what: string;
  /** Keys of the scenarios without which there is no ratio. */
  readonly scenarios: readonly string[];
  readonly value: (measured: Measured) => number;
  /** One of the two; neither for what is only told. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Returns how results are read. */
export function measured(results: readonly Result[], figures: Figures): Measured {
  return {
    of(scenario, contender, key) {
      const result = results.find((one) => one.scenario.key === scenario);
      return median((result?.measurements.get(contender) ?? []).map((one) => one[key]));
    },
    figure: (name) => figures[name] ?? Number.NaN,
  };
}

/** True when the ratio is what was aimed at. */
export function isMet({ atLeast, atMost }: Target, value: number): boolean {
  return (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost);
}

/** Returns the aim as text. */
export function aim({ atLeast, atMost }: Target): string {
  if (atLeast !== undefined) return `≥ ${atLeast}`;
  return atMost === undefined ? '' : `≤ ${atMost}`;
}

/** Our requests a second as a multiple of another's. */
const rate = (scenario: string, other: string) => ({
  scenarios: [scenario],
  value: ({ of }: Measured) =>
    of(scenario, 'Wherry', 'requestsPerSecond') / of(scenario, other, 'requestsPerSecond'),
});

/** One figure as a multiple of another of the same scenario. */
const figures = (scenario: string, over: string, under: string) => ({
  scenarios: [scenario],
  value: ({ figure }: Measured) => figure(over) / figure(under),
});

export const TARGETS: readonly Target[] = [
  {
    what: 'iris, 1 row, V2 JSON: requests/s against the echo of the same bytes',
    ...rate('iris', 'echo'),
    atLeast: 0.7,
  },
  {
    what: 'the same against Triton: Python backend, ONNX Runtime, dynamic batching',
    ...rate('iris', 'Triton'),
    atLeast: 3,
  },
  {
    what: 'the same against TorchServe: ONNX Runtime, batches of 16',
    ...rate('iris', 'TorchServe'),
    atLeast: 10,
  },
  {
    what: 'iris, 1 row, V2 JSON, at 70 % of the highest rate: p99 against p50',
    scenarios: ['iris-steady'],
    value: ({ of }) => of('iris-steady', 'Wherry', 'p99') / of('iris-steady', 'Wherry', 'p50'),
    atMost: 4,
  },
  {
    what: 'iris, 1 row, gRPC, 16 streams: requests/s against Triton',
    ...rate('iris-grpc', 'Triton'),
    atLeast: 1,
  },
  {
    what: "iris of scikit-learn: requests/s against KServe's server",
    ...rate('iris-peers', 'KServe'),
    atLeast: 12,
  },
  { what: 'the same against MLServer', ...rate('iris-peers', 'MLServer'), atLeast: 12 },
  {
    what: '10,000 rows in and out as JSON: requests/s against MLServer',
    ...rate('rows', 'MLServer'),
    atLeast: 3,
  },
  { what: 'the same against Triton', ...rate('rows', 'Triton'), atLeast: 1.5 },
  {
    what: '600 KB tensor, binary REST: CPU a request against the echo and the bare run',
    scenarios: ['tensor-binary', 'image-call'],
    value: ({ of, figure }) =>
      of('tensor-binary', 'Wherry', 'cpuUs') /
      (of('tensor-binary', 'echo', 'cpuUs') + figure('image cpu')),
    atMost: 1.15,
  },
  {
    what: '600 KB tensor, gRPC: CPU a request against Triton',
    scenarios: ['tensor-grpc'],
    value: ({ of }) => of('tensor-grpc', 'Wherry', 'cpuUs') / of('tensor-grpc', 'Triton', 'cpuUs'),
    atMost: 1.5,
  },
  {
    what: 'slow model, 32 clients: rows/s against the best batch of the bare session',
    scenarios: ['batch', 'slow-call'],
    value: ({ of, figure }) => of('batch', 'Wherry', 'requestsPerSecond') / figure('batch'),
    atLeast: 0.95,
  },
  {
    what: "XGBoost, 300 trees, 1 row: the model's call, times faster than xgboost's predict",
    ...figures('xgboost-call', 'xgboost 1', 'trees 1'),
    atLeast: 10,
  },
  {
    what: '1,000 rows, ours on all cores, xgboost on one (as KServe starts it)',
    ...figures('xgboost-call', 'xgboost 1000', 'trees 1000, all cores'),
    atLeast: 1,
  },
  {
    what: '1,000 rows, both on all cores',
    ...figures('xgboost-call', 'xgboost 1000, all cores', 'trees 1000, all cores'),
    atLeast: 1,
  },
  {
    what: 'start to ready, iris, against `node -e 0`',
    ...figures('start', 'ready', 'node'),
    atMost: 4,
  },
  {
    what: 'through the router against direct: requests/s',
    ...figures('router', 'through the router', 'direct'),
  },
];
