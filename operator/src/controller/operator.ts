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
import { routeTable } from '../plan/routes.ts';
import { ControlPlane } from '../router/ads.ts';
import { EnvoyProtos } from '../router/protos.ts';
import { Autoscaler, TICK_MILLISECONDS } from './autoscaler.ts';
import type { Kind } from './cluster.ts';
import { Debounce } from './debounce.ts';
import { inferenceServiceReconciler } from './inferenceservice.ts';
import type { OperatorMetrics } from './metrics.ts';
import type { Surroundings } from './observe.ts';
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

export class Operator {
  readonly #options: OperatorOptions;
  readonly #client: KubeClient;
  readonly #cluster: KubeCluster;
  readonly #routerSlices: Informer;
  readonly #leader: LeaderElection;
  readonly #autoscaler: Autoscaler;
  readonly #controlPlane: ControlPlane;
  readonly #queue = new WorkQueue();
  readonly #routes = new Debounce(ROUTES_DEBOUNCE, () => this.#publishRoutes());
  #isLeading = false;

  constructor(options: OperatorOptions) {
    this.#options = options;
    const { config, identity, metrics, log } = options;
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromDefault();
    const client = new KubeClient(kubeConfig, (verb, kind, code) =>
      metrics.request(verb, kind, code),
    );
    this.#client = client;
    this.#cluster = new KubeCluster({
      client,
      log,
      onChange: (kind, object, deleted) => this.#changed(kind, object, deleted),
    });
    const { namespace, name } = config.router;
    this.#routerSlices = new Informer({
      client,
      kind: 'EndpointSlice',
      namespace,
      labelSelector: `${LABELS.serviceName}=${name}`,
      log,
      onChange: () => this.#routersChanged(),
    });
    this.#leader = new LeaderElection({
      client,
      namespace,
      name: 'wherry-operator',
      identity,
      log,
    });
    this.#autoscaler = new Autoscaler(this.#cluster);
    this.#controlPlane = new ControlPlane({
      protos: new EnvoyProtos(),
      onAcknowledged: (keys) => this.#enqueue(keys),
      onLoad: (report) => this.#autoscaler.record(report, Date.now()),
      onRefused: (router, type, reason) => {
        metrics.refused(type);
        log.error('router refused its configuration', { router, type, reason });
        void this.#tellRefused(router, type, reason);
      },
    });
  }

  /** Runs until `signal` aborts. @throws Error when the lease is lost. */
  async run(): Promise<void> {
    const { metrics, signal } = this.#options;
    void this.#routerSlices.run(signal);
    await Promise.all([this.#cluster.start(signal), this.#routerSlices.synced]);
    metrics.synced();
    await this.#leader.acquire(signal);
    if (signal.aborted) return;
    await this.#lead();
    if (!signal.aborted) throw new Error('the lease was lost: another operator may lead now');
    await this.#leader.release();
  }

  /** Everything that only one operator may do at a time. */
  async #lead(): Promise<void> {
    const { config, metrics, log, xds, signal } = this.#options;
    this.#isLeading = true;
    this.#publishRoutes();
    await this.#controlPlane.listen(xds.listen);
    await this.#client.apply(controlPlaneSlice(this.#options));
    metrics.watchQueue(this.#queue, this.#controlPlane);
    const workers = runWorkers({
      queue: this.#queue,
      reconcile: inferenceServiceReconciler({
        lister: this.#cluster,
        writer: this.#cluster,
        surroundings: this.#surroundings(),
        config,
      }),
      log,
      count: WORKERS,
      observe: (seconds, failed) => metrics.reconciled(seconds, failed),
    });
    const tick = setInterval(
      () => this.#enqueue(this.#autoscaler.tick(Date.now())),
      TICK_MILLISECONDS,
    );
    await this.#leader.hold(signal);
    clearInterval(tick);
    this.#queue.close();
    await workers;
    this.#controlPlane.close();
  }

  #surroundings(): Surroundings {
    return {
      routerAddresses: () =>
        readyRouters(this.#routerSlices)
          .flatMap(({ addresses }) => addresses)
          .sort(),
      routing: (key) => ({
        acknowledged: percents(this.#controlPlane.acknowledged(key)),
        inUse: this.#controlPlane.inUse(key),
      }),
      demand: (key) => this.#autoscaler.demand(key),
      now: () => new Date(),
    };
  }

  #changed(kind: Kind, object: KubeObject, deleted: boolean): void {
    if (kind === 'ServiceAccount') {
      // A service may have waited for it.
      const { namespace } = object.metadata;
      this.#enqueue(this.#cluster.list('InferenceService', namespace).map(keyOf));
      return;
    }
    const isRuntime = kind === 'ServingRuntime' || kind === 'ClusterServingRuntime';
    // A service that is gone may have kept a host from another.
    if (isRuntime || (kind === 'InferenceService' && deleted)) this.#enqueueAll();
    else this.#enqueue([kind === 'InferenceService' ? keyOf(object) : (ownerKey(object) ?? '')]);
    if (kind === 'InferenceService' || kind === 'Pod') this.#routes.trigger();
  }

  #routersChanged(): void {
    const pods = readyRouters(this.#routerSlices).flatMap(({ targetRef }) => targetRef?.name ?? []);
    this.#controlPlane.expect(pods);
    this.#enqueueAll();
  }

  #enqueue(keys: readonly string[]): void {
    for (const key of keys) this.#queue.add(key);
  }

  #enqueueAll(): void {
    this.#enqueue(this.#cluster.list('InferenceService').map(keyOf));
  }

  /** A table that cannot be made is a defect of ours: the routers keep what they have. */
  #publishRoutes(): void {
    if (!this.#isLeading) return;
    const services = this.#cluster.list<InferenceServiceData>('InferenceService');
    const pods = this.#cluster.list<Pod>('Pod');
    const { config, log } = this.#options;
    try {
      this.#controlPlane.update(routeTable({ services, pods, config }));
    } catch (error) {
      log.error('routes not published', { error: (error as Error).stack });
    }
  }

  /** An event on the router's pod: nobody looks for it in the operator's log. */
  async #tellRefused(router: string, type: string, reason: string): Promise<void> {
    const { config, log } = this.#options;
    const { namespace } = config.router;
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: router, namespace } };
    const message = `${type}: ${reason}; the router keeps the configuration it has`;
    await this.#cluster
      .event(pod, { type: 'Warning', reason: 'ConfigurationRefused', message })
      .catch((error: Error) => log.warn('event not written', { error: error.message }));
  }
}

function percents(route: Route | undefined): Record<string, number> | undefined {
  return (
    route && Object.fromEntries(route.targets.map(({ revision, percent }) => [revision, percent]))
  );
}

/** The routers' endpoints that take traffic. */
function readyRouters(slices: Informer) {
  return (slices.list() as EndpointSlice[])
    .flatMap(({ endpoints = [] }) => endpoints)
    .filter(({ conditions }) => conditions?.ready !== false);
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
