/** What an operator that leads runs, on a real API server and behind a proxy that can disturb it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import { type FaultProxy, startFaultProxy } from '../../../e2e/harness/fault-proxy.ts';
import { DEFAULT_CONFIG, type OperatorConfig } from '../../src/api/config.ts';
import type { KubeObject, PodTemplateSpec } from '../../src/api/kube.ts';
import { inferenceServiceController } from '../../src/controller/inferenceservice.ts';
import type { Surroundings } from '../../src/controller/observe.ts';
import { Reconciliation } from '../../src/controller/reconciliation.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { KubeCluster } from '../../src/kube/cluster.ts';
import { type LogEntry, recordedLog } from './recorded-log.ts';

/** Long enough for a reconcile that should not come to have come. */
export const QUIET_MS = 1000;

/** Stands for the certificates that the pods of warm pools are given. */
const AUTHORITY = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';

export interface RunningOperator {
  readonly cluster: KubeCluster;
  readonly reconciliation: Reconciliation;
  readonly entries: LogEntry[];
  /** Every write and single read, as `verb kind code`. */
  readonly requests: string[];
  stop(): Promise<void>;
}

/** Installs the runtime that the services of these tests use. */
export async function installRuntime(client: KubeClient): Promise<void> {
  await client.apply({
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'ClusterServingRuntime',
    metadata: { name: 'onnx-server' },
    spec: {
      supportedModelFormats: [{ name: 'onnx', autoSelect: true }],
      protocolVersions: ['v2'],
      containers: [{ name: 'kserve-container', image: 'onnx-server:1' }],
    },
  } as KubeObject);
}

/** Makes a namespace with the account that pods run as, and returns its name. */
export async function namespaceWithAccount(server: ApiServer, prefix: string): Promise<string> {
  const namespace = await server.namespace(prefix);
  const metadata = { name: 'default', namespace };
  const client = new KubeClient(server.kubeConfig());
  await client.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  return namespace;
}

/** What an operator is to know beyond the cluster; nothing by default. */
export interface OperatorSurroundings {
  readonly config?: Partial<OperatorConfig>;
  /** What the routers say of each service. */
  readonly routingOf?: (cluster: KubeCluster) => Surroundings['routing'];
  readonly onActivity?: (keys: readonly string[]) => void;
}

/** Starts the reconcilers with their caches filled; the caller closes the proxy. */
export async function startOperator(
  server: ApiServer,
  proxy: FaultProxy,
  { config, routingOf = () => () => ({}), onActivity }: OperatorSurroundings = {},
): Promise<RunningOperator> {
  const { log, entries } = recordedLog();
  const requests: string[] = [];
  const stopped = new AbortController();
  let reconciliation: Reconciliation | undefined;
  const cluster = new KubeCluster({
    client: new KubeClient(server.kubeConfig(proxy.url), {
      observe: (verb, kind, code) => {
        if (verb !== 'list' && verb !== 'watch') requests.push(`${verb} ${kind} ${code}`);
      },
    }),
    log,
    onChange: (change) => reconciliation?.onChange(change),
    onServed: (kind) => reconciliation?.onServed(kind),
    absentPollMs: QUIET_MS,
  });
  await cluster.start(stopped.signal);
  reconciliation = new Reconciliation({
    lister: cluster,
    writer: cluster,
    controller: (desired) =>
      inferenceServiceController({
        lister: cluster,
        writer: cluster,
        surroundings: {
          routerAddresses: () => ['10.0.0.9'],
          routerCount: () => 1,
          routing: routingOf(cluster),
          desired,
          hostOwner: () => undefined,
          now: () => new Date(),
        },
        config: { ...DEFAULT_CONFIG, ...config },
      }),
    warmPools: { config: DEFAULT_CONFIG, authorities: () => AUTHORITY },
    workers: 2,
    log,
    onActivity,
  });
  const running = reconciliation;
  return {
    cluster,
    reconciliation,
    entries,
    requests,
    async stop() {
      await running.stop();
      stopped.abort();
    },
  };
}

/** Makes a ready pod of a revision, `REVISION-x`, as its Deployment's controllers and a kubelet would. */
export async function runPod(
  server: ApiServer,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Promise<void> {
  const client = new KubeClient(server.kubeConfig());
  const { spec } = await client.get<{ spec: { template: PodTemplateSpec } }>({
    ...{ kind: 'Deployment', namespace, name },
  });
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const { metadata, spec: pod } = spec.template;
  await server.request('POST', pods, { metadata: { ...metadata, name: `${name}-x` }, spec: pod });
  const conditions = [{ type: 'Ready', status: 'True' }];
  const status = { phase: 'Running', podIP: '10.9.9.9', conditions };
  await server.request('PATCH', `${pods}/${name}-x/status`, { status });
}

/** Starts a proxy in front of a server, to start an operator behind. */
export function proxyOf(server: ApiServer): Promise<FaultProxy> {
  return startFaultProxy(server.url, server.certificate);
}

/** Waits until nothing is written any more. */
export async function settled({ requests }: RunningOperator): Promise<void> {
  for (let before = -1; before !== requests.length; ) {
    before = requests.length;
    await sleep(QUIET_MS);
  }
}
