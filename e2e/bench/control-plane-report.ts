/** The results of the control-plane bench: medians, the targets, a table and a plot. Pure. */
import { barPlot } from './bar-plot.ts';
import { median, ratio } from './report.ts';

/** What is measured with a number of services, by name: the values of all rounds. */
export type Samples = Readonly<Record<Figure, readonly number[]>> &
  Readonly<Partial<Record<CostOfAll, readonly number[]>>>;

/** Every figure has a row in the table. */
const FIGURES = {
  cpuMsPerEvent: "operator's CPU for one pod event, ms",
  bytesPerEvent: 'bytes sent to a router for it',
  msToRouter: "from the API server's answer to the router's use of it, ms",
  loopDelayP99Ms: "event loops' delay at 20 pod events a second, p99, ms",
  rssMb: "operator's resident memory, MB",
  reconnectBytes: 'bytes sent to a router that reconnects',
  fullBytes: 'bytes sent to a new router',
} as const;

/** What may cost something for every service there is, and is measured with the most of them. */
const COSTS_OF_ALL = {
  deleteCpuMs: "operator's CPU for the deletion of one service, ms",
  runtimeEditCpuMs: "operator's CPU for an edit of the runtime of all services, ms",
} as const;

export type Figure = keyof typeof FIGURES;
export type CostOfAll = keyof typeof COSTS_OF_ALL;

/** The medians, as `--json` writes them. */
export type Figures = Readonly<Record<Figure, number> & Partial<Record<CostOfAll, number>>>;

interface Target {
  readonly what: string;
  readonly value: number;
  readonly atMost: number;
}

/** The medians of all figures by number of services. */
export function figuresOf(results: ReadonlyMap<number, Samples>): Record<number, Figures> {
  return Object.fromEntries(
    [...results].map(([count, samples]) => [
      count,
      Object.fromEntries(
        Object.entries(samples).map(([name, values]) => [name, round(median(values))]),
      ) as unknown as Figures,
    ]),
  );
}

/** The targets with the largest number of services, against the smallest where they are ratios. */
export function targets(figures: Readonly<Record<number, Figures>>): Target[] {
  const [smallest, largest] = extremes(figures);
  const over = (name: Figure) => largest[name] / smallest[name];
  const { deleteCpuMs = Number.NaN, runtimeEditCpuMs = Number.NaN } = largest;
  return [
    { what: 'CPU for a pod event, ratio', value: over('cpuMsPerEvent'), atMost: 2 },
    { what: 'bytes for a pod event, ratio', value: over('bytesPerEvent'), atMost: 1.2 },
    { what: 'time to the router, ratio', value: over('msToRouter'), atMost: 2 },
    { what: "event loops' delay, p99, ms", value: largest.loopDelayP99Ms, atMost: 20 },
    { what: 'resident memory, MB', value: largest.rssMb, atMost: 400 },
    {
      what: 'bytes for a router that reconnects, share of all',
      value: largest.reconnectBytes / largest.fullBytes,
      atMost: 0.01,
    },
    {
      what: 'CPU of one deletion and one edit of the runtime, ms',
      value: deleteCpuMs + runtimeEditCpuMs,
      atMost: 2000,
    },
  ];
}

/** The targets and the figures as Markdown. */
export function tables(results: ReadonlyMap<number, Samples>): string {
  const figures = figuresOf(results);
  const counts = [...results.keys()];
  const heads = counts.map((count) => `${count.toLocaleString('en')} services`);
  const rows = Object.entries({ ...FIGURES, ...COSTS_OF_ALL }).map(([name, what]) => {
    const cells = counts.map((count) => cell(results.get(count)?.[name as Figure]));
    return `| ${what} | ${cells.join(' | ')} |`;
  });
  return [
    '| target | measured | at most | |',
    '|---|---|---|---|',
    ...targets(figures).map(({ what, value, atMost }) => {
      return `| ${what} | ${short(value)} | ${atMost} | ${value <= atMost ? 'holds' : 'missed'} |`;
    }),
    '',
    `| median (least) | ${heads.join(' | ')} |`,
    `|---${'|---'.repeat(counts.length)}|`,
    ...rows,
  ].join('\n');
}

/** How what an event costs grows with the number of services, as multiples of the smallest number's. */
export function plot(figures: Readonly<Record<number, Figures>>): string {
  const [smallest] = extremes(figures);
  const costs = { CPU: 'cpuMsPerEvent', bytes: 'bytesPerEvent', time: 'msToRouter' } as const;
  const bars = Object.entries(costs).flatMap(([name, figure]) =>
    Object.entries(figures).map(([count, values]) => {
      const value = values[figure] / smallest[figure];
      const shown = Number(count).toLocaleString('en');
      const isEmphasized = values !== smallest;
      return { name: `${name}, ${shown}`, value, label: ratio(value), isEmphasized };
    }),
  );
  return barPlot('What a pod event costs, against 50 services', bars);
}

function extremes(figures: Readonly<Record<number, Figures>>): [Figures, Figures] {
  const all = Object.entries(figures).sort(([a], [b]) => Number(a) - Number(b));
  const [smallest, largest] = [all[0]?.[1], all.at(-1)?.[1]];
  if (smallest === undefined || largest === undefined) throw new Error('nothing was measured');
  return [smallest, largest];
}

function cell(values: readonly number[] | undefined): string {
  if (values === undefined || values.length === 0) return '';
  return values.length === 1
    ? short(values[0] as number)
    : `${short(median(values))} (${short(Math.min(...values))})`;
}

function short(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(value < 0.1 ? 2 : 3)));
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
