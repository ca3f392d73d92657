/** Helm without a cluster: what the chart makes of values. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { ROOT, TEST_NODE_BIN } from './cluster.ts';
import { run, works } from './shell.ts';

const CHART = join(ROOT, 'charts/wherry');

/** Path of Helm: the test node's, or the one of this machine; undefined when there is none. */
export async function availableHelm(): Promise<string | undefined> {
  const built = join(TEST_NODE_BIN, 'helm');
  if (existsSync(built)) return built;
  return (await works('helm', 'version')) ? 'helm' : undefined;
}

/** Renders the chart as release `wherry` in `wherry-system`; `values` are as after `--set`. @throws Error when Helm refuses. */
export async function renderChart<T>(helm: string, values: readonly string[] = []): Promise<T[]> {
  const release = ['wherry', CHART, '--namespace', 'wherry-system', '--kube-version', '1.34.0'];
  const sets = values.flatMap((value) => ['--set', value]);
  const text = await run(helm, ['template', ...release, ...sets]);
  return (loadAll(text) as (T | null)[]).filter((object) => object !== null);
}
