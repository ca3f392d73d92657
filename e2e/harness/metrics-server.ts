/** Kubernetes' metrics-server on the cluster of the tests, for the class of autoscaler that needs one. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildTestNode, ROOT, TEST_NODE_BIN } from './cluster.ts';
import { apply, kubectl } from './kubectl.ts';
import { run } from './shell.ts';

const MANIFEST = readFileSync(join(ROOT, 'e2e/harness/metrics-server.yaml'), 'utf8');
const IMAGE = /image: (\S+)/.exec(MANIFEST)?.[1] ?? '';
const API = 'apiservice/v1beta1.metrics.k8s.io';

/** Starts metrics-server where the cluster has none; resolves when the API server asks it for metrics. */
export async function startMetricsServer(): Promise<void> {
  const isThere = await kubectl('get', API).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    if (process.env.WHERRY_PROVIDER === 'test-node') await loadImage();
    await apply(MANIFEST);
  }
  await kubectl('wait', API, '--for=condition=Available', '--timeout=120s');
}

/** Packs the program that e2e/cluster/build makes, because the test node pulls nothing. */
async function loadImage(): Promise<void> {
  await buildTestNode();
  const root = mkdtempSync(join(tmpdir(), 'wherry-metrics-server-'));
  try {
    copyFileSync(join(TEST_NODE_BIN, 'metrics-server'), join(root, 'metrics-server'));
    const config = JSON.stringify({ Entrypoint: ['/metrics-server'] });
    await run(join(ROOT, 'e2e/cluster/image'), [IMAGE, root, config]);
  } finally {
    rmSync(root, { recursive: true });
  }
}
