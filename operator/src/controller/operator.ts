/** The operator on a cluster: informers → routes and reconciliation, the routers' control plane. */
import { KubeConfig } from '@kubernetes/client-node';
import type { OperatorConfig } from '../api/config.ts';
import type { EndpointSlice, KubeObject } from '../api/kube.ts';
import { FIELD_MANAGER, LABELS } from '../api/names.ts';
import type { RouterFact } from '../api/router-fact.ts';
import { KubeClient } from '../kube/client.ts';
import { KubeCluster } from '../kube/cluster.ts';
import { Informer } from '../kube/informer.ts';
import { LeaderElection } from '../kube/leader.ts';
import type { Logger } from '../log.ts';
import { RouterFleet } from '../router/fleet.ts';
import { RouterControl } from '../router/router-control.ts';
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
  readonly #routerControl: RouterControl;
  readonly #fleet = new RouterFleet();
  readonly #routes: RoutePublisher;
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
      publish: (changes) => this.#routerControl.update(changes),
      onHostsMoved: (keys) => this.#reconciliation?.enqueue(keys),
    });
    this.#routerControl = new RouterControl({
      onFacts: (facts) => this.#learn(facts),
      onFailure: (error) => {
        throw error;
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
    await this.#routerControl.listen(xds.listen);
    await this.#client.apply(controlPlaneSlice(this.#options));
    const reconciliation = new Reconciliation({
      lister: this.#cluster,
      controller: (desired) => this.#controller(desired),
      workers: WORKERS,
      log,
      observe: (seconds, failed) => metrics.reconciled(seconds, failed),
    });
    this.#reconciliation = reconciliation;
    metrics.watchQueue(reconciliation, this.#fleet);
    await this.#leader.hold(signal);
    this.#reconciliation = undefined;
    await reconciliation.stop();
    await this.#routerControl.close();
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
        routing: (key) => ({
          acknowledged: this.#fleet.acknowledged(key),
          inUse: this.#fleet.inUse(key),
          refused: this.#fleet.refused(key),
        }),
        desired,
        hostOwner: (key) => this.#routes.hostOwner(key),
        now: () => new Date(),
      },
      config: this.#options.config,
    });
  }

  #changed(change: Change): void {
    this.#routes.onChange(change);
    this.#reconciliation?.onChange(change);
  }

  #routersChanged(): void {
    const pods = readyRouters(this.#routerSlices).flatMap(({ targetRef }) => targetRef?.name ?? []);
    this.#fleet.expect(pods);
    this.#reconciliation?.enqueueAll();
  }

  #learn(facts: readonly RouterFact[]): void {
    const { metrics, log } = this.#options;
    for (const fact of facts) {
      if (fact.kind === 'load' && fact.report) this.#reconciliation?.onLoad(fact.report);
      if (fact.kind !== 'refused') continue;
      const { router, refusal } = fact;
      metrics.refused(refusal.type);
      log.error('router refused its configuration', { router, ...refusal });
      void this.#tellRefused(router, refusal.type, refusal.reason);
    }
    this.#reconciliation?.enqueue([...this.#fleet.apply(facts)]);
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
