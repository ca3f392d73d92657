/**
 * `npm run simulate`: replays the scenarios through both modes of the autoscaler, and writes the table and the plots
 * of docs/autoscaling.md. `npm run simulate -- --arrivals FILE` replays recorded arrivals instead, and prints the
 * table alone.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { recorded } from './arrivals.ts';
import { linePlot } from './line-plot.ts';
import { type Result, run, type Scenario, STARTS, scenarios } from './scenarios.ts';

const SEED = 1;
const PAGE = new URL('../../docs/autoscaling.md', import.meta.url);
const PLOTS = new URL('../../docs/autoscaling/', import.meta.url);
const BEGIN = '<!-- npm run simulate: begin -->\n';
const END = '<!-- npm run simulate: end -->';
/** Start-up time of the pods that are drawn. */
const DRAWN_START = 30;

interface Compared {
  readonly scenario: Scenario;
  readonly startSeconds: number;
  readonly kpa: Result;
  readonly demand: Result;
}

const { values: flags } = parseArgs({
  options: {
    arrivals: { type: 'string' },
    'service-seconds': { type: 'string', default: '1' },
  },
});

if (flags.arrivals === undefined) writePage(compared(scenarios(SEED)));
else console.log(table(compared([replayed(flags.arrivals, Number(flags['service-seconds']))])));

function replayed(file: string, serviceSeconds: number): Scenario {
  const arrivals = recorded(file);
  const seconds = Math.ceil(arrivals.at(-1) ?? 0) + 1;
  return { name: file, seconds, services: [arrivals], serviceSeconds, minPods: 0 };
}

function compared(all: readonly Scenario[]): Compared[] {
  return all.flatMap((scenario) =>
    STARTS.map((startSeconds) => {
      const options = { scenario, startSeconds, seed: SEED };
      const kpa = run({ ...options, mode: 'kpa' });
      return { scenario, startSeconds, kpa, demand: run({ ...options, mode: 'demand' }) };
    }),
  );
}

function table(rows: readonly Compared[]): string {
  const seconds = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(1));
  const lines = rows.map(({ scenario, startSeconds, kpa, demand }) => {
    const ratio = (demand.podSeconds / kpa.podSeconds).toFixed(2);
    const hours = [kpa, demand].map(({ podSeconds }) => (podSeconds / 3600).toFixed(1));
    const p99 = [kpa, demand].map((result) => `${seconds(result.p99)} s`);
    return `| ${[scenario.name, `${startSeconds} s`, ...hours, ratio, ...p99].join(' | ')} |`;
  });
  return [
    '| load | start of a pod | pod hours, KPA | by demand | ratio | p99, KPA | by demand |',
    '|---|---|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}

function writePage(rows: readonly Compared[]): void {
  mkdirSync(PLOTS, { recursive: true });
  const drawn = rows.filter(
    ({ scenario, startSeconds }) => startSeconds === DRAWN_START && scenario.services.length === 1,
  );
  const links = drawn.map(({ scenario, kpa, demand }) => {
    const file = `${scenario.name.replaceAll(' ', '-')}.svg`;
    const svg = linePlot(`${scenario.name}: pods that start in ${DRAWN_START} s`, [
      { name: 'KPA', color: '#a9b4c2', points: kpa.outcomes[0]?.pods ?? [] },
      { name: 'by demand', color: '#2a6f97', points: demand.outcomes[0]?.pods ?? [] },
    ]);
    writeFileSync(new URL(file, PLOTS), svg);
    return `![Pods over time, ${scenario.name}](autoscaling/${file})\n`;
  });
  const page = readFileSync(PAGE, 'utf8');
  const [head] = page.split(BEGIN);
  const tail = page.slice(page.indexOf(END));
  writeFileSync(PAGE, `${head}${BEGIN}\n${table(rows)}\n${links.join('\n')}\n${tail}`);
}
