/** The operator on a cluster: informers → reconcilers, the routers' control plane, the autoscaler. */
import { KubeConfig } from '@kubernetes/client-node';
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { type EndpointSlice, type KubeObject, keyOf, type Pod } from '../api/kube.ts';
import { FIELD_MANAGER, LABELS } from '../api/names.ts';
import type { Route } from '../api/route-table.ts';
import { KubeClient } from '../kube/client.ts';
import { KubeCluster } from '../kube/cluster.ts';
import { Informer, ownerKey } from '../kube/informer.ts';
import { LeaderElection } from '../kube/leader.ts';
import type { Logger } from '../log.ts';
import type { RoutingState } from '../plan/input.ts';
import { routeTable } from '../plan/routes.ts';
import { ControlPlane } from '../router/ads.ts';
import { EnvoyProtos } from '../router/protos.ts';
import { Autoscaler, TICK_MILLISECONDS } from './autoscaler.ts';
import type { Kind } from './cluster.ts';
import { Debounce } from './debounce.ts';
import { inferenceServiceReconciler } from './inferenceservice.ts';
import type { OperatorMetrics } from './metrics.ts';
import { runWorkers } from './worker.ts';
import { WorkQueue } from './workqueue.ts';

/** Milliseconds in which changes of routes are gathered into one. */
const ROUTES_DEBOUNCE = 20;
const WORKERS = 8;

export interface OperatorOptions {
  readonly config: OperatorConfig;
  /** Name of this process and the address at which routers reach it. */
  readonly identity: string;
  readonly address: string;
  /** host:port of the routers' control plane, and the Service that leads there. */
  readonly xds: { readonly listen: string; readonly service: string; readonly port: number };
  readonly metrics: OperatorMetrics;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Runs until `signal` aborts (resolves) or the lease is lost (throws). */
export async function runOperator(options: OperatorOptions): Promise<void> {
  const { config, identity, metrics, log, signal } = options;
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  const client = new KubeClient(kubeConfig, (verb, kind, code) =>
    metrics.request(verb, kind, code),
  );
  const queue = new WorkQueue();
  const routes = new Debounce(ROUTES_DEBOUNCE, () => publishRoutes());
  let isPublishing = false;

  const cluster = new KubeCluster({
    client,
    log,
    onChange: (kind, object) => {
      enqueue(kind, object);
      if (kind === 'InferenceService' || kind === 'Pod') routes.trigger();
    },
  });
  const routerSlices = new Informer({
    client,
    kind: 'EndpointSlice',
    namespace: config.router.namespace,
    labelSelector: `${LABELS.serviceName}=${config.router.name}`,
    log,
    onChange: () => enqueueAll(),
  });
  const autoscaler = new Autoscaler(cluster);
  const controlPlane = new ControlPlane({
    protos: new EnvoyProtos(),
    onAcknowledged: (keys) => {
      for (const key of keys) queue.add(key);
    },
    onLoad: (report) => autoscaler.record(report, Date.now()),
    onRefused: (router, type, reason) => {
      metrics.refused(type);
      log.error('router refused its configuration and keeps the old one', { router, type, reason });
    },
  });

  function enqueue(kind: Kind, object: KubeObject): void {
    if (kind === 'InferenceService') queue.add(keyOf(object));
    else if (kind === 'ServingRuntime' || kind === 'ClusterServingRuntime') enqueueAll();
    else queue.add(ownerKey(object) ?? '');
  }

  function enqueueAll(): void {
    for (const isvc of cluster.list('InferenceService')) queue.add(keyOf(isvc));
  }

  function publishRoutes(): void {
    if (!isPublishing) return;
    const services = cluster.list<InferenceServiceData>('InferenceService');
    controlPlane.update(routeTable({ services, pods: cluster.list<Pod>('Pod'), config }));
  }

  const leader = new LeaderElection({
    client,
    namespace: config.router.namespace,
    name: 'wherry-operator',
    identity,
    log,
  });
  await Promise.all([cluster.start(signal), startInformer(routerSlices, signal)]);
  metrics.synced();
  await leader.acquire(signal);
  if (signal.aborted) return;

  isPublishing = true;
  publishRoutes();
  await controlPlane.listen(options.xds.listen);
  await client.apply(controlPlaneSlice(options));

  const surroundings = {
    routerAddresses: () => readyAddresses(routerSlices.list() as EndpointSlice[]),
    routing: (key: string) => routingState(controlPlane, key),
    demand: (key: string) => autoscaler.demand(key),
    now: () => new Date(),
  };
  const reconcile = inferenceServiceReconciler({
    lister: cluster,
    writer: cluster,
    surroundings,
    config,
  });
  const workers = runWorkers({
    queue,
    reconcile,
    log,
    count: WORKERS,
    observe: (seconds, failed) => metrics.reconciled(seconds, failed),
  });
  metrics.watchQueue(queue, controlPlane);
  const tick = setInterval(() => {
    for (const key of autoscaler.tick(Date.now())) queue.add(key);
  }, TICK_MILLISECONDS);

  await leader.hold(signal);
  clearInterval(tick);
  queue.close();
  await workers;
  controlPlane.close();
  if (!signal.aborted) throw new Error('the lease was lost: another operator may lead now');
  await leader.release();
}

async function startInformer(informer: Informer, signal: AbortSignal): Promise<void> {
  void informer.run(signal);
  await informer.synced;
}

function routingState(controlPlane: ControlPlane, key: string): RoutingState {
  const route = controlPlane.acknowledged(key);
  return {
    acknowledged: route && percents(route),
    inUse: controlPlane.inUse(key),
  };
}

function percents({ targets }: Route): Record<string, number> {
  return Object.fromEntries(targets.map(({ revision, percent }) => [revision, percent]));
}

function readyAddresses(slices: readonly EndpointSlice[]): string[] {
  const endpoints = slices.flatMap((slice) => slice.endpoints ?? []);
  return endpoints
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses }) => addresses)
    .sort();
}

/** Leads the routers to the operator that leads: only it knows the load and decides. */
function controlPlaneSlice({ config, address, xds }: OperatorOptions): KubeObject {
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${xds.service}-leader`,
      namespace: config.router.namespace,
      labels: {
        [LABELS.serviceName]: xds.service,
        [LABELS.sliceManagedBy]: FIELD_MANAGER,
      },
    },
    addressType: 'IPv4',
    ports: [{ name: 'xds', port: xds.port, protocol: 'TCP' }],
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  };
  return slice as KubeObject;
}
