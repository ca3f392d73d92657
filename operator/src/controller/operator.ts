/** The operator on a cluster: informers → routes and reconciliation, the routers' control plane. */
import { KubeConfig } from '@kubernetes/client-node';
import type { OperatorConfig } from '../api/config.ts';
import type { EndpointSlice, KubeObject } from '../api/kube.ts';
import { FIELD_MANAGER, LABELS } from '../api/names.ts';
import { parseRevision } from '../api/revision.ts';
import { type ServiceRoutes, tableWith } from '../api/route-table.ts';
import { KubeClient } from '../kube/client.ts';
import { KubeCluster } from '../kube/cluster.ts';
import { Informer } from '../kube/informer.ts';
import { LeaderElection } from '../kube/leader.ts';
import type { Logger } from '../log.ts';
import type { RoutingState } from '../plan/input.ts';
import { ControlPlane } from '../router/ads.ts';
import { EnvoyProtos } from '../router/protos.ts';
import type { Change, Controller } from './controller.ts';
import { inferenceServiceController } from './inferenceservice.ts';
import type { OperatorMetrics } from './metrics.ts';
import type { Surroundings } from './observe.ts';
import { Reconciliation } from './reconciliation.ts';
import { RoutePublisher } from './route-publisher.ts';

/** Milliseconds in which changes of routes are gathered into one. */
const GATHER_MS = 20;
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
  readonly #controlPlane: ControlPlane;
  readonly #routes: RoutePublisher;
  /** What the routers are to have, by service key. */
  readonly #entries = new Map<string, ServiceRoutes>();
  /** Present while this process leads. */
  #reconciliation: Reconciliation | undefined;

  constructor(options: OperatorOptions) {
    this.#options = options;
    const { config, identity, metrics, log } = options;
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromDefault();
    const client = new KubeClient(kubeConfig, {
      observe: (verb, kind, code) => metrics.request(verb, kind, code),
    });
    this.#client = client;
    this.#cluster = new KubeCluster({
      client,
      log,
      onChange: (change) => this.#changed(change),
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
    this.#routes = new RoutePublisher({
      lister: this.#cluster,
      config,
      gatherMs: GATHER_MS,
      publish: (changes) => this.#controlPlane.update(tableWith(this.#entries, changes)),
      onHostsMoved: (keys) => this.#reconciliation?.enqueue(keys),
    });
    this.#controlPlane = new ControlPlane({
      protos: new EnvoyProtos(),
      onAcknowledged: (keys) => this.#reconciliation?.enqueue(keys),
      onLoad: (report) => this.#reconciliation?.onLoad(report),
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
    const { metrics, log, xds, signal } = this.#options;
    // A router that connects is told of everything, or of nothing yet.
    this.#routes.flush();
    await this.#controlPlane.listen(xds.listen);
    await this.#client.apply(controlPlaneSlice(this.#options));
    const reconciliation = new Reconciliation({
      lister: this.#cluster,
      controller: (desired) => this.#controller(desired),
      workers: WORKERS,
      log,
      observe: (seconds, failed) => metrics.reconciled(seconds, failed),
    });
    this.#reconciliation = reconciliation;
    metrics.watchQueue(reconciliation, this.#controlPlane);
    await this.#leader.hold(signal);
    this.#reconciliation = undefined;
    await reconciliation.stop();
    this.#controlPlane.close();
  }

  #controller(desired: Surroundings['desired']): Controller {
    return inferenceServiceController({
      lister: this.#cluster,
      writer: this.#cluster,
      surroundings: {
        routerAddresses: () =>
          readyRouters(this.#routerSlices)
            .flatMap(({ addresses }) => addresses)
            .sort(),
        routing: (key) => this.#routing(key),
        desired,
        hostOwner: (key) => this.#routes.hostOwner(key),
        now: () => new Date(),
      },
      config: this.#options.config,
    });
  }

  #routing(key: string): RoutingState {
    const [namespace = ''] = key.split('/');
    const refs = (names: readonly string[]) =>
      names.flatMap((name) => parseRevision(namespace, name) ?? []);
    const acknowledged = this.#controlPlane.acknowledged(key)?.targets;
    const inUse = this.#controlPlane.inUse(key);
    return {
      acknowledged: acknowledged?.flatMap(({ revision, percent }) =>
        refs([revision]).map((ref) => ({ ref, percent })),
      ),
      inUse: inUse && refs(inUse),
    };
  }

  #changed(change: Change): void {
    this.#routes.onChange(change);
    this.#reconciliation?.onChange(change);
  }

  #routersChanged(): void {
    const pods = readyRouters(this.#routerSlices).flatMap(({ targetRef }) => targetRef?.name ?? []);
    this.#controlPlane.expect(pods);
    this.#reconciliation?.enqueueAll();
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
