/**
 * `npm run bench`: our server beside the floors and its peers, on one machine in one run, told as ratios. Rounds are
 * interleaved and medians compared, because a shared machine is never equally fast twice.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../harness/cluster.ts';
import { benchColdStart } from './cold-start.ts';
import { benchControlPlane } from './control-plane.ts';
import { FIGURES, type Figures } from './figures.ts';
import { type Effort, measureScenario, reason } from './measure.ts';
import { benchRarelyUsed } from './rarely-used.ts';
import { type Result, report } from './report.ts';
import { SCENARIOS } from './scenarios.ts';
import { bundleWherry } from './servers.ts';
import { measured, TARGETS } from './targets.ts';

const KEYS = [...SCENARIOS, ...FIGURES].map(({ key }) => key);
const HELP = `npm run bench -- [--seconds N] [--rounds N] [--only SCENARIO]... [--json FILE] [--write]
npm run bench -- control-plane --help
npm run bench -- cold-start --help
npm run bench -- rarely-used --help

Peers come from PyPI, wrk from Debian 12 and ghz from Go's modules into the cache, once. Linux with two cores or more.
Ends with 1 when anything did not run, and says what.
  --seconds N      how long each is asked in a round (3)
  --rounds N       how often (3)
  --only SCENARIO  this scenario; again for more
  --json FILE      write all that was measured
  --write          write docs/benchmarks.md and its plots; for a whole run in which nothing failed

Scenarios: ${KEYS.join(', ')}`;

const [command, ...rest] = process.argv.slice(2);
const BENCHES: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  'control-plane': benchControlPlane,
  'cold-start': benchColdStart,
  'rarely-used': benchRarelyUsed,
};
const bench = BENCHES[command ?? ''];
if (bench !== undefined) {
  await bench(rest);
  process.exit(0);
}
const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(HELP);
  process.exit(0);
}
const effort: Effort = { rounds: Number(flags.rounds), seconds: Number(flags.seconds) };
const unknown = flags.only.filter((key) => !KEYS.includes(key));
if (unknown.length > 0) refuse(`no scenario is called ${unknown.join(', ')}: ${KEYS.join(', ')}`);
if (![effort.rounds, effort.seconds].every((count) => Number.isInteger(count) && count > 0))
  refuse('--rounds and --seconds take whole numbers above 0');
if (flags.write && flags.only.length > 0) refuse('--write takes a whole run, without --only');

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}

const isAsked = ({ key }: { readonly key: string }) =>
  flags.only.length === 0 || flags.only.includes(key);
const keys = KEYS.filter((key) => isAsked({ key }));
bundleWherry();
const results: Result[] = [];
const failed: string[] = [];
for (const scenario of SCENARIOS.filter(isAsked)) {
  const result = await measureScenario(scenario, effort);
  results.push(result);
  failed.push(...result.failed.map((why) => `${scenario.key}: ${why}`));
}
let figures: Figures = {};
for (const { key, measure } of FIGURES.filter(isAsked)) {
  process.stderr.write(`${key}\n`);
  try {
    figures = { ...figures, ...(await measure(effort)) };
  } catch (error) {
    failed.push(`${key}: ${reason(error)}`);
  }
}

const { text, plots } = report({ results, figures, keys, ...effort });
console.log(text);
if (flags.json !== undefined) writeFileSync(flags.json, `${asJson()}\n`);
if (failed.length > 0) {
  console.error(`did not run:\n${failed.map((one) => `  ${one}`).join('\n')}`);
  process.exit(1);
}
if (flags.write) {
  const dir = join(ROOT, 'docs/benchmarks');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(ROOT, 'docs/benchmarks.md'), text);
  for (const [name, svg] of plots) writeFileSync(join(dir, `${name}.svg`), svg);
}
process.exit(0);

function asJson(): string {
  const from = measured(results, figures);
  const scenarios = results.map(({ scenario, measurements, readyMs }) => ({
    key: scenario.key,
    rounds: Object.fromEntries(measurements),
    readyMs: Object.fromEntries(readyMs),
  }));
  const targets = TARGETS.filter((target) => target.scenarios.every((key) => keys.includes(key)));
  const ratios = targets.map(({ what, atLeast, atMost, value }) => ({
    ...{ what, atLeast, atMost },
    measured: value(from),
  }));
  return JSON.stringify({ ...effort, ratios, scenarios, figures, failed }, undefined, 2);
}
