/**
 * What it costs to follow many pods of a real API server: the longest turn of the event loop, and the heap.
 * `node --expose-gc e2e/bench/informer.ts [PODS]`
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { KubeObject } from '../../operator/src/api/kube.ts';
import { KubeClient } from '../../operator/src/kube/client.ts';
import { Informer, type InformerOptions } from '../../operator/src/kube/informer.ts';
import { trimPod } from '../../operator/src/kube/trim.ts';
import { createLogger } from '../../operator/src/log.ts';
import { type ApiServer, startApiServer } from '../harness/api-server.ts';
import { runningPodStatus, writeMany } from './cluster-objects.ts';

const COUNT = Number(process.argv[2] ?? 5000);
const ROUNDS = 5;
const collect = globalThis.gc ?? (() => undefined);

const server = await startApiServer();
try {
  const namespace = await server.namespace('bench');
  const bytes = await makePods(server, namespace);
  console.log(`${COUNT} pods of ${(bytes / 1024).toFixed(1)} KiB, as the API server tells them`);
  const client = new KubeClient(server.kubeConfig());
  for (const [what, trim] of [
    ['whole', undefined],
    ['trimmed', trimPod],
  ] as const) {
    for (let round = 1; round <= ROUNDS; round++) {
      const { turnMs, listMs, heapMb } = await follow({ client, trim });
      const figures = `list ${listMs.toFixed(0)} ms, longest turn ${turnMs.toFixed(1)} ms`;
      console.log(`${what}, round ${round}: ${figures}, heap ${heapMb.toFixed(1)} MB`);
    }
  }
} finally {
  await server.stop();
}
process.exit();

/** Makes pods as Wherry's Deployments do, with the status that a kubelet gives; returns the bytes of one. */
async function makePods({ request }: ApiServer, namespace: string): Promise<number> {
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const ask = request.bind(server);
  await writeMany(COUNT, async (i) => {
    const name = `service-${i}-predictor-00001-5d8c7b9f6d-x7k2p`;
    const podIP = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
    await ask('POST', path, pod(name, i));
    await ask('PATCH', `${path}/${name}/status`, { status: runningPodStatus(podIP, i) });
  });
  const { items } = JSON.parse(await ask('GET', `${path}?limit=1`)) as { items: object[] };
  return Buffer.byteLength(JSON.stringify(items[0]));
}

async function follow(options: Pick<InformerOptions, 'client' | 'trim'>) {
  const stopped = new AbortController();
  const informer = new Informer({
    ...options,
    kind: 'Pod',
    log: createLogger('error', 'text'),
    onChange: () => undefined,
  });
  await settle();
  const before = process.memoryUsage().heapUsed;
  const startedAt = performance.now();
  void informer.run(stopped.signal);
  const turnMs = await longestTurn(informer.synced);
  const listMs = performance.now() - startedAt;
  await settle();
  const heapMb = (process.memoryUsage().heapUsed - before) / 1e6;
  if (informer.list().length !== COUNT) throw new Error('pods are missing');
  stopped.abort();
  await settle();
  return { listMs, turnMs, heapMb };
}

/**
 * The most CPU milliseconds of the main thread in one turn of the event loop until `end`: how long a timer may
 * have to wait for us, whatever else the machine does.
 */
async function longestTurn(end: Promise<void>): Promise<number> {
  let hasEnded = false;
  void end.then(() => {
    hasEnded = true;
  });
  let longest = 0;
  let last = process.threadCpuUsage();
  while (!hasEnded) {
    await turn();
    const now = process.threadCpuUsage();
    longest = Math.max(longest, now.user + now.system - last.user - last.system);
    last = now;
  }
  return longest / 1000;
}

async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collect();
    await sleep(50);
  }
}

function pod(name: string, i: number): KubeObject {
  const service = `service-${i}`;
  const revision = `${service}-predictor-00001`;
  const env = (variables: Record<string, string>) =>
    Object.entries(variables).map(([key, value]) => ({ name: key, value }));
  const probe = (path: string, periodSeconds: number) => ({
    httpGet: { path, port: 8080, scheme: 'HTTP' },
    periodSeconds,
    timeoutSeconds: 1,
    failureThreshold: 3,
    successThreshold: 1,
  });
  const spec = {
    containers: [
      {
        name: 'kserve-container',
        image: 'ghcr.io/wherry/predictor-runtime:0.1.0',
        args: [`--model_name=${service}`, '--model_dir=/mnt/models', '--http_port=8080'],
        env: env({ STORAGE_URI: `s3://models/${service}/1`, AWS_REGION: 'eu-central-1' }),
        ports: [
          { name: 'http1', containerPort: 8080, protocol: 'TCP' },
          { name: 'grpc', containerPort: 9000, protocol: 'TCP' },
        ],
        resources: { limits: { cpu: '1', memory: '2Gi' }, requests: { cpu: '1', memory: '2Gi' } },
        startupProbe: probe('/v2/health/live', 5),
        livenessProbe: probe('/v2/health/live', 10),
        readinessProbe: probe('/v2/health/ready', 2),
        volumeMounts: [{ name: 'models', mountPath: '/mnt/models' }],
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
    volumes: [{ name: 'models', emptyDir: {} }],
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  };
  const labels = {
    app: `isvc.${revision}`,
    component: 'predictor',
    'app.kubernetes.io/managed-by': 'wherry',
    'pod-template-hash': '5d8c7b9f6d',
    'serving.kserve.io/inferenceservice': service,
    'serving.kserve.io/revision': revision,
  };
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${revision}-5d8c7b9f6d` };
  const ownerReferences = [{ ...owner, uid: `uid-${i}`, controller: true }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels, ownerReferences },
    spec,
  } as KubeObject;
}
