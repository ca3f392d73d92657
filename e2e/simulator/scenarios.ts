/** Loads that the two modes of the autoscaler are compared under. */
import { componentAutoscaling } from '../../operator/src/plan/autoscale/settings.ts';
import { bursts, periodic, poisson, seeded } from './arrivals.ts';
import { type Outcome, type Simulated, simulate } from './simulation.ts';

/** Classes of the autoscaler, by the mode that they choose. */
export const CLASSES = {
  kpa: 'kpa.autoscaling.knative.dev',
  demand: 'demand.autoscaling.wherry.dev',
} as const;

export type Mode = keyof typeof CLASSES;

/** Some services and their loads. */
export interface Scenario {
  readonly name: string;
  readonly seconds: number;
  /** Arrivals at each of the services, in seconds. */
  readonly services: readonly (readonly number[])[];
  /** Mean seconds of a request. */
  readonly serviceSeconds: number;
  readonly minPods: number;
}

const HOUR = 3600;

/** Returns all scenarios, which are the same for the same seed. */
export function scenarios(seed: number): Scenario[] {
  const random = seeded(seed);
  const busy = { serviceSeconds: 0.4, minPods: 1 };
  const load = (name: string, seconds: number, arrivals: number[]): Scenario => ({
    ...busy,
    name,
    seconds,
    services: [arrivals],
  });
  const diurnal = (t: number) => 21 - 19 * Math.cos((2 * Math.PI * t) / (2 * HOUR));
  const spike = (t: number) => (t >= 1200 && t < 1380 ? 60 : 5);
  const onOff = (t: number) => (t % 600 < 300 ? 20 : 0);
  return [
    load(
      'steady',
      HOUR,
      poisson(() => 20, 20, HOUR, random),
    ),
    load('diurnal', 4 * HOUR, poisson(diurnal, 40, 4 * HOUR, random)),
    load('bursty', 2 * HOUR, poisson(bursts(4, 40, 2 * HOUR, random), 40, 2 * HOUR, random)),
    load('spike', HOUR, poisson(spike, 60, HOUR, random)),
    {
      ...load('on and off', 2 * HOUR, poisson(onOff, 20, 2 * HOUR, random)),
      minPods: 0,
    },
    {
      ...busy,
      name: 'rarely used',
      seconds: 24 * HOUR,
      minPods: 0,
      services: [
        ...[1, 2, 3, 5, 8, 15, 30, 60, 120, 240].map((minutes) =>
          poisson(() => 1 / (60 * minutes), 1 / (60 * minutes), 24 * HOUR, random),
        ),
        ...[20, 45, 70, 90, 150, 300, 600, 3600].map((pause) => periodic(pause, 24 * HOUR, random)),
      ],
    },
  ];
}

/** Start-up times of pods, in seconds. */
export const STARTS = [1, 10, 30, 120] as const;

/** Result of one scenario with one start-up time in one mode, over all its services. */
export interface Result {
  readonly podSeconds: number;
  readonly p50: number;
  readonly p99: number;
  /** Mean seconds of a request. */
  readonly mean: number;
  readonly requests: number;
  /** Outcome of each service. */
  readonly outcomes: readonly Outcome[];
}

/** One run of a scenario. */
export interface RunOptions {
  readonly scenario: Scenario;
  readonly startSeconds: number;
  readonly mode: Mode;
  readonly seed: number;
}

/** Runs a scenario with one start-up time in one mode. */
export function run({ scenario, startSeconds, mode, seed }: RunOptions): Result {
  const annotations = { 'autoscaling.knative.dev/class': CLASSES[mode] };
  const outcomes = scenario.services.map((arrivals, i) => {
    const concurrency = 4;
    const options: Simulated = {
      autoscaling: componentAutoscaling(
        { name: 'x', annotations },
        { containerConcurrency: concurrency },
      ),
      arrivals,
      seconds: scenario.seconds,
      serviceSeconds: scenario.serviceSeconds,
      startSeconds,
      concurrency,
      minPods: scenario.minPods,
      maxPods: 30,
      random: seeded(seed + i),
    };
    return simulate(options);
  });
  const latencies = outcomes.flatMap(({ latencies }) => latencies).sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.ceil(q * latencies.length) - 1] ?? 0;
  return {
    podSeconds: outcomes.reduce((sum, { podSeconds }) => sum + podSeconds, 0),
    p50: quantile(0.5),
    p99: quantile(0.99),
    mean: latencies.reduce((sum, seconds) => sum + seconds, 0) / latencies.length,
    requests: latencies.length,
    outcomes,
  };
}
