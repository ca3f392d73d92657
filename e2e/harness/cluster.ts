/**
 * The cluster that the end-to-end tests run on, and Wherry installed there by its chart. One of:
 *   WHERRY_KUBECONFIG   a cluster asked for by name; WHERRY_VALUES may name a Helm values file, for other images
 *   kind                where Docker and kind are
 *   the test node       e2e/cluster: a real single-node Kubernetes in a network namespace, needs root
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, show, works } from './shell.ts';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE =
  process.env.WHERRY_CACHE ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'wherry');
export const TEST_NODE_BIN =
  process.env.CLUSTER_BIN ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'test-cluster/v1.34.4/bin');
export const NAMESPACE = 'wherry-system';
const NODE_PORT = 30080;

type Provider = 'kubeconfig' | 'kind' | 'test-node';

/** The kind of cluster at hand without building one; undefined when there is none. */
export async function availableCluster(): Promise<Provider | undefined> {
  if (process.env.WHERRY_KUBECONFIG) return 'kubeconfig';
  if ((await works('kind', 'version')) && (await works('docker', 'info'))) return 'kind';
  return existsSync(join(TEST_NODE_BIN, 'helm')) && isRoot() ? 'test-node' : undefined;
}

/** Builds the test node's programs: a quarter of an hour the first time. */
export async function buildTestNode(): Promise<void> {
  await show(join(ROOT, 'e2e/cluster/build'), []);
}

export function isRoot(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0;
}

/** Starts the cluster, brings the images there, installs the chart; sets the variables that `cluster()` reads. */
export async function startCluster(provider: Provider): Promise<void> {
  const kubeconfig = await START[provider]();
  process.env.KUBECONFIG = kubeconfig;
  process.env.WHERRY_PROVIDER = provider;
  process.env.PATH = `${process.env.PATH}:${TEST_NODE_BIN}`;
  await LOAD_IMAGES[provider]();
  const values = process.env.WHERRY_VALUES;
  await run('helm', [
    ...['upgrade', '--install', 'wherry', join(ROOT, 'charts/wherry'), '-n', NAMESPACE],
    ...['--create-namespace', '--wait', '--timeout', '3m', ...(values ? ['-f', values] : [])],
    ...['--set', 'router.service.type=NodePort', '--set', `router.service.nodePort=${NODE_PORT}`],
    ...['--set', 'warmPool.enabled=true'],
  ]);
  const node = JSON.parse(await run('kubectl', ['get', 'nodes', '-o', 'json'])) as {
    items: { status: { addresses: { type: string; address: string }[] } }[];
  };
  const address = node.items[0]?.status.addresses.find(
    ({ type }) => type === 'InternalIP',
  )?.address;
  process.env.WHERRY_ROUTER = `http://${address}:${NODE_PORT}`;
}

export async function stopCluster(provider: Provider): Promise<void> {
  if (provider === 'test-node') await run(join(ROOT, 'e2e/cluster/down'), []);
  else if (provider === 'kind') await run('kind', ['delete', 'cluster', '--name', 'wherry-e2e']);
  else await run('helm', ['uninstall', 'wherry', '-n', NAMESPACE]);
}

/**
 * Runs something on a cluster with Wherry installed, which is stopped afterwards. Where none is at hand the test node is
 * built, as root on Linux. @throws Error when there can be none
 */
export async function onCluster<T>(use: () => Promise<T>): Promise<T> {
  if ((await availableCluster()) === undefined && isRoot()) await buildTestNode();
  const provider = await availableCluster();
  if (provider === undefined) {
    throw new Error('there is no cluster: run e2e/cluster/build as root on Linux, or install kind');
  }
  await startCluster(provider);
  try {
    return await use();
  } finally {
    await stopCluster(provider);
  }
}

const START: Record<Provider, () => Promise<string>> = {
  kubeconfig: async () => process.env.WHERRY_KUBECONFIG ?? '',
  kind: async () => {
    const kubeconfig = join(tmpdir(), 'wherry-e2e.kubeconfig');
    await show('kind', ['create', 'cluster', '--name', 'wherry-e2e', '--kubeconfig', kubeconfig]);
    return kubeconfig;
  },
  'test-node': async () => {
    // What an interrupted run left would be in the way.
    await run(join(ROOT, 'e2e/cluster/down'), []);
    const output = await run(join(ROOT, 'e2e/cluster/up'), []);
    return output.trim().split('\n').at(-1) ?? '';
  },
};

/** Builds the Dockerfiles and brings the images to the cluster, under the names of the chart's defaults. */
const LOAD_IMAGES: Record<Provider, () => Promise<void>> = {
  // A cluster asked for by name pulls its own: those of the defaults, or of WHERRY_VALUES.
  kubeconfig: async () => undefined,
  kind: async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      version: string;
    };
    for (const name of ['operator', 'predictor-runtime']) {
      const tag = `ghcr.io/wherry/${name}:${version}`;
      await show('docker', ['build', '-q', '-f', join(ROOT, name, 'Dockerfile'), '-t', tag, ROOT]);
      await show('kind', ['load', 'docker-image', tag, '--name', 'wherry-e2e']);
    }
  },
  'test-node': async () => {
    const archives = join(CACHE, 'images');
    await show(join(ROOT, 'e2e/images/build'), [archives]);
    const socket = join(process.env.CLUSTER_STATE ?? '/tmp/test-cluster', 'containerd.sock');
    for (const name of ['operator', 'predictor-runtime', 'envoy']) {
      const archive = join(archives, `${name}.tar`);
      await run('ctr', ['-a', socket, '-n', 'k8s.io', 'images', 'import', archive]);
    }
  },
};
