/** Local mode: the planner and the autoscaler on a cluster in memory, with processes for pods. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { DEFAULT_CONFIG, type OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { type KubeObject, keyOf, type Pod } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import { Autoscaler, TICK_MILLISECONDS } from '../controller/autoscaler.ts';
import { inferenceServiceReconciler } from '../controller/inferenceservice.ts';
import { runWorkers } from '../controller/worker.ts';
import { WorkQueue } from '../controller/workqueue.ts';
import type { Logger } from '../log.ts';
import type { RoutingState } from '../plan/input.ts';
import { routeTable } from '../plan/routes.ts';
import { Admission } from './admission.ts';
import { greeting } from './greeting.ts';
import { LocalKubelet } from './kubelet.ts';
import { Manifests } from './manifests.ts';
import { MemoryCluster } from './memory-cluster.ts';
import { LocalProxy } from './proxy.ts';

const ROOT = new URL('../../../', import.meta.url);

export interface LocalOptions {
  readonly files: readonly string[];
  readonly port: number;
  readonly log: Logger;
  /** Prints to the person at the terminal. */
  readonly print: (text: string) => void;
}

export interface LocalMode {
  readonly port: number;
  /** Ends the proxy and every predictor process. */
  stop(): Promise<void>;
}

/** Starts serving the files. @throws Error when the port is taken or a file holds what cannot be served. */
export async function startLocal({ files, port, log, print }: LocalOptions): Promise<LocalMode> {
  const cluster = new MemoryCluster((about, { reason, message }) =>
    log.info('event', { service: keyOf(about), reason, message }),
  );
  const kubelet = new LocalKubelet(cluster, log);
  const proxy = new LocalProxy(Math.random, Date.now());
  proxy.server.listen(port, 'localhost');
  await once(proxy.server, 'listening');
  const urlPort = (proxy.server.address() as { port: number }).port;
  const config: OperatorConfig = { ...DEFAULT_CONFIG, ingressDomain: 'localhost', urlPort };

  const queue = new WorkQueue();
  const autoscaler = new Autoscaler(cluster);
  const routing = localRouting(cluster);
  const greeted = greeting(print);
  cluster.watch((kind, object) => {
    const service = serviceOf(object);
    if (service !== undefined) queue.add(service);
    if (kind === 'InferenceService') greeted(object as InferenceServiceData);
    if (kind !== 'InferenceService' && kind !== 'Pod') return;
    proxy.update(currentRoutes(cluster, config));
  });
  await cluster.apply(
    load(readFileSync(new URL('charts/wherry/files/runtime.yaml', ROOT), 'utf8')) as KubeObject,
  );

  const surroundings = {
    routerAddresses: () => ['127.0.0.1'],
    routing,
    demand: (key: string) => autoscaler.demand(key),
    now: () => new Date(),
  };
  const reconcile = inferenceServiceReconciler({
    lister: cluster,
    writer: cluster,
    surroundings,
    config,
  });
  const workers = runWorkers({ queue, reconcile, log, count: 4 });
  const tick = setInterval(() => {
    for (const key of autoscaler.tick(Date.now())) queue.add(key);
  }, TICK_MILLISECONDS);
  const report = setInterval(() => autoscaler.record(proxy.report(Date.now()), Date.now()), 1000);

  const admission = new Admission(new URL('config/crd/', ROOT));
  const manifests = new Manifests({ files, admission, cluster, log });

  async function stop(): Promise<void> {
    manifests.stop();
    clearInterval(tick);
    clearInterval(report);
    queue.close();
    await workers;
    await kubelet.stop();
    await proxy.close();
  }

  if ((await manifests.start()) > 0) {
    await stop();
    throw new Error('a file cannot be served; the lines above say what to mend');
  }
  return { port: urlPort, stop };
}

/** The key of the service that an object is or belongs to. */
function serviceOf(object: KubeObject): string | undefined {
  if (object.kind === 'InferenceService') return keyOf(object);
  const name = object.metadata.labels?.[LABELS.inferenceService];
  return name === undefined ? undefined : `${object.metadata.namespace}/${name}`;
}

function currentRoutes(cluster: MemoryCluster, config: OperatorConfig) {
  return routeTable({
    services: cluster.list<InferenceServiceData>('InferenceService'),
    pods: cluster.list<Pod>('Pod'),
    config,
  });
}

/** The proxy follows every change at once, so what the status claims is what it applies. */
function localRouting(cluster: MemoryCluster): (key: string) => RoutingState {
  return (key) => {
    const isvc = cluster.get<InferenceServiceData>('InferenceService', key);
    const traffic = isvc?.status?.components?.predictor?.traffic ?? [];
    return {
      acknowledged: Object.fromEntries(traffic.map((t) => [t.revisionName, t.percent])),
      inUse: traffic.map(({ revisionName }) => revisionName),
    };
  };
}
