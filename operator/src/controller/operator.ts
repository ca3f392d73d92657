/**
 * An operator on a cluster is one of several replicas. Every replica follows the cluster and serves routers; the
 * one that holds the lease reconciles and scales, and follows the routers of the others.
 *
 *   informers ──► RoutePublisher ──► RouterControl (a thread) ══► routers      every replica
 *       │                                  │ facts
 *       └───────► Reconciliation ◄── RouterFleet ◄── facts of other replicas   the leader
 */
import type { KubeConfig } from '@kubernetes/client-node';
import type { OperatorConfig } from '../api/config.ts';
import { addressFamilies, hostPort, listenHost } from '../api/pod-ips.ts';
import type { RouterFact } from '../api/router-fact.ts';
import { Certificates } from '../certificates/certificates.ts';
import type { TlsCredentials } from '../certificates/issue.ts';
import { ExternalScaler } from '../keda/external-scaler.ts';
import { KubeClient } from '../kube/client.ts';
import { KubeCluster } from '../kube/cluster.ts';
import { LeaderElection } from '../kube/leader.ts';
import type { Logger } from '../log.ts';
import { RouterFleet } from '../router/fleet.ts';
import { RouterControl } from '../router/router-control.ts';
import { ColdStarts } from './cold-starts.ts';
import type { Change, Controller } from './controller.ts';
import { inferenceServiceController } from './inferenceservice.ts';
import { keepLeaderEndpoints } from './leader-endpoints.ts';
import type { OperatorMetrics } from './metrics.ts';
import type { Surroundings } from './observe.ts';
import { PeerOperators } from './peer-operators.ts';
import { Reconciliation } from './reconciliation.ts';
import { revisionActivity } from './revision-activity.ts';
import { RoutePublisher } from './route-publisher.ts';
import { ServiceEndpoints } from './service-endpoints.ts';
import { StandIns } from './stand-ins.ts';
import { Waker } from './waker.ts';

/** Milliseconds in which changes of routes are gathered into one. */
const GATHER_MS = 20;
/** Number of services that are reconciled at once. */
const WORKERS = 8;

/** Answer to a runtime that asks for a warm pool where the chart gives the operator no right to have one. */
const NO_POOLS = 'there are no warm pools: install the chart with warmPool.enabled=true';

/** Everything that one replica of the operator needs to know of itself and its cluster. */
export interface OperatorOptions {
  readonly config: OperatorConfig;
  /** Name of this process's pod. */
  readonly identity: string;
  /** Addresses of this process's pod, which tell the IP families of the cluster. */
  readonly podIPs: readonly string[];
  /** Control plane of the routers: the port to listen on, and the name of the Service that leads there. */
  readonly xds: { readonly port: number; readonly service: string };
  /** Seconds that a router takes requests for after it was told to end. */
  readonly routerDrainSeconds: number;
  /** External scaler for KEDA: the port to listen on, and the name of the Service that leads there; undefined for none. */
  readonly externalScaler?: { readonly port: number; readonly service: string };
  /** Name of the operator's Deployment. */
  readonly deployment: string;
  /** True when runtimes may have warm pools, for which the operator may change and delete pods. */
  readonly hasWarmPools: boolean;
  readonly kubeConfig: KubeConfig;
  /** Key of a service whose routes are made so that routers refuse them, for tests. */
  readonly refusedRoute?: string;
  readonly metrics: OperatorMetrics;
  readonly log: Logger;
  /** Signal whose abort ends the operator. */
  readonly signal: AbortSignal;
}

/** Runs one replica of the operator: it serves routers, and while it leads it reconciles and scales. */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #client: KubeClient;
  readonly #cluster: KubeCluster;
  readonly #routers: ServiceEndpoints;
  readonly #operators: ServiceEndpoints;
  readonly #leader: LeaderElection;
  readonly #certificates: Certificates;
  readonly #routerControl: RouterControl;
  readonly #routes: RoutePublisher;
  readonly #coldStarts: ColdStarts;
  /** External scaler, which listens while this process leads. */
  readonly #externalScaler = new ExternalScaler({
    activity: (ref) =>
      revisionActivity(ref, this.#reconciliation, (key) => this.#fleet.acknowledged(key)),
  });
  #fleet = new RouterFleet();
  /** Times at which routers end that are about to, by address, in milliseconds since 1970. */
  #routerEnds: ReadonlyMap<string, number> = new Map();
  #credentials: TlsCredentials | undefined;
  #peers: PeerOperators | undefined;
  /** Reconciliation of all services, which is there while this process leads. */
  #reconciliation: Reconciliation | undefined;

  constructor(options: OperatorOptions) {
    this.#options = options;
    const { config, identity, kubeConfig, podIPs, xds, metrics, log } = options;
    const { namespace, name } = config.router;
    const client = new KubeClient(kubeConfig, {
      observe: (verb, kind, code) => metrics.request(verb, kind, code),
    });
    this.#client = client;
    this.#cluster = new KubeCluster({
      ...{ client, log },
      onChange: (change) => this.#changed(change),
      onServed: (kind) => this.#reconciliation?.onServed(kind),
    });
    const waker = this.#newWaker();
    this.#coldStarts = new ColdStarts({
      lister: this.#cluster,
      wake: (ref, waiting) => waker.wake(ref, waiting),
      onAnswered: (key) => this.#routes.refresh(key),
      observe: (phases) => metrics.coldStart(phases),
      log,
      now: () => Date.now(),
    });
    const endpoints = { client, namespace, log };
    this.#routers = new ServiceEndpoints({
      ...endpoints,
      service: name,
      onChange: () => this.#routersChanged(),
    });
    this.#operators = new ServiceEndpoints({
      ...endpoints,
      service: xds.service,
      onChange: () => this.#peers?.update(this.#operators.ready()),
    });
    this.#leader = new LeaderElection({
      client,
      namespace,
      name: 'wherry-operator',
      identity,
      log,
      deployment: options.deployment,
    });
    this.#certificates = new Certificates({
      client,
      deployment: options.deployment,
      address: this.#serviceAddress(),
      now: () => new Date(),
      onCredentials: (credentials) => this.#useCredentials(credentials),
      log,
    });
    this.#routes = new RoutePublisher({
      ...{ lister: this.#cluster, config, gatherMs: GATHER_MS },
      routerCount: () => this.#routers.count,
      refusedRoute: options.refusedRoute,
      hasAnswered: (pod) => this.#coldStarts.hasAnswered(pod),
      publish: (changes) => this.#routerControl.update(changes),
      onHostsMoved: (keys) => this.#reconciliation?.enqueue(keys),
    });
    this.#routerControl = new RouterControl({
      listener: { families: addressFamilies(podIPs) },
      onFacts: (facts) => {
        for (const fact of facts) {
          if (fact.kind === 'waiting') this.#coldStarts.onWaiting(fact.counts);
        }
        this.#learn(facts);
      },
      onRelease: (release) => this.#coldStarts.onRelease(release),
      onRefusal: (refusal) => metrics.heldRefused(refusal),
      onFailure: (error) => {
        throw error;
      },
    });
    metrics.watchLoopDelay('routers', () => this.#routerControl.takeLoopDelay());
  }

  /**
   * Runs until `signal` aborts, and then releases the lease.
   * @throws Error when the lease is lost: the process must end, because another operator may lead
   */
  async run(): Promise<void> {
    const { metrics, signal } = this.#options;
    void this.#routers.run(signal);
    void this.#operators.run(signal);
    await Promise.all([this.#cluster.start(signal), this.#routers.synced, this.#operators.synced]);
    // Before a router can connect: it must be told of everything at once.
    this.#routes.flush();
    void this.#certificates.run(signal);
    await Promise.race([this.#certificates.ready, aborted(signal)]);
    if (!signal.aborted) metrics.synced();
    await this.#leader.acquire(signal);
    if (!signal.aborted) {
      await this.#lead();
      if (!signal.aborted) throw new Error('the lease was lost: another operator may lead now');
      await this.#leader.release();
    }
    await this.#routerControl.close();
  }

  /** Does everything that only one operator may do at a time, for as long as this one holds the lease. */
  async #lead(): Promise<void> {
    const { metrics, log, signal } = this.#options;
    const fleet = new RouterFleet();
    this.#fleet = fleet;
    fleet.expect(this.#routers.ready().map(({ pod }) => pod));
    const reconciliation = new Reconciliation({
      lister: this.#cluster,
      writer: this.#cluster,
      controller: (desired) => this.#controller(desired),
      warmPools: {
        config: this.#options.config,
        authorities: () => this.#credentials?.ca ?? '',
        refusal: this.#options.hasWarmPools ? undefined : NO_POOLS,
      },
      workers: WORKERS,
      routers: () => this.#routers.ready().map(({ pod }) => pod),
      log,
      observe: (seconds, failed) => metrics.reconciled(seconds, failed),
      onActivity: (keys) => this.#externalScaler.look(keys),
    });
    this.#reconciliation = reconciliation;
    this.#routerControl.tellAgain();
    this.#peers = this.#newPeers();
    this.#peers.update(this.#operators.ready());
    metrics.watchQueue(reconciliation, fleet);
    metrics.watchScales(reconciliation.scales);
    await this.#serveExternalScaler();
    metrics.watchSignals(() => reconciliation.signalTotals.all());
    await this.#leader.hold(signal);
    this.#externalScaler.close();
    this.#peers.close();
    this.#reconciliation = undefined;
    await reconciliation.stop();
  }

  /** Answers KEDA, which the leader alone can do: it hears all routers. */
  async #serveExternalScaler(): Promise<void> {
    const { externalScaler, podIPs, config, log, signal } = this.#options;
    if (externalScaler === undefined) return;
    const { port, service } = externalScaler;
    await this.#externalScaler.listen(hostPort(listenHost(podIPs), port));
    const { namespace } = config.router;
    const endpoints = { client: this.#client, namespace, service, podIPs, port, log };
    void keepLeaderEndpoints(endpoints, signal);
  }

  #newWaker(): Waker {
    const { hasWarmPools, log } = this.#options;
    const cluster = { lister: this.#cluster, writer: this.#cluster, log };
    if (!hasWarmPools) return new Waker(cluster);
    const standIns = new StandIns({ ...cluster, certificate: () => this.#credentials });
    return new Waker({ ...cluster, standIns });
  }

  #newPeers(): PeerOperators {
    const { identity, xds } = this.#options;
    if (this.#credentials === undefined) throw new Error('there are no certificates yet');
    return new PeerOperators({
      self: identity,
      port: xds.port,
      credentials: this.#credentials,
      address: this.#serviceAddress(),
      onFacts: (facts) => this.#learn(facts),
    });
  }

  #controller(desired: Surroundings['desired']): Controller {
    return inferenceServiceController({
      lister: this.#cluster,
      writer: this.#cluster,
      surroundings: {
        routerAddresses: () =>
          this.#routers
            .ready()
            .flatMap(({ addresses }) => addresses)
            .sort(),
        routerCount: () => this.#routers.count,
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

  #serviceAddress() {
    const { xds, config } = this.#options;
    const { clusterDomain, router } = config;
    return { service: xds.service, namespace: router.namespace, clusterDomain };
  }

  async #useCredentials(credentials: TlsCredentials): Promise<void> {
    const { podIPs, xds } = this.#options;
    if (this.#credentials === undefined) {
      await this.#routerControl.listen(hostPort(listenHost(podIPs), xds.port), credentials);
    } else {
      this.#routerControl.renew(credentials);
      this.#peers?.renew(credentials);
    }
    const isTrustChanged = this.#credentials?.ca !== credentials.ca;
    this.#credentials = credentials;
    // Pods of warm pools know the authorities from their start.
    if (isTrustChanged) this.#reconciliation?.enqueueRuntimes();
  }

  #changed(change: Change): void {
    if (change.kind === 'Pod') this.#coldStarts.onPod(change.object, change.deleted);
    this.#routes.onChange(change);
    this.#reconciliation?.onChange(change);
  }

  #routersChanged(): void {
    this.#fleet.expect(this.#routers.ready().map(({ pod }) => pod));
    const end = Date.now() + 1000 * this.#options.routerDrainSeconds;
    const known = this.#routerEnds;
    this.#routerEnds = new Map(
      this.#routers.ending().map((address) => [address, known.get(address) ?? end]),
    );
    this.#routerControl.routersEnd(this.#routerEnds);
    this.#routes.onRouters();
    this.#reconciliation?.enqueueAll();
  }

  #learn(facts: readonly RouterFact[]): void {
    const { metrics, log } = this.#options;
    if (this.#reconciliation === undefined) return;
    for (const fact of facts) {
      if (fact.kind === 'load' && fact.report) this.#reconciliation.onLoad(fact.report);
      if (fact.kind === 'waiting') this.#reconciliation.onWaiting(fact.counts);
      if (fact.kind === 'signals') this.#reconciliation.onSignals(fact.report);
      if (fact.kind !== 'refused') continue;
      const { router, refusal } = fact;
      metrics.refused(refusal.type);
      log.error('router refused its configuration', { router, ...refusal });
      void this.#tellRefused(router, refusal.type, refusal.reason);
    }
    const keys = [...this.#fleet.apply(facts)];
    this.#reconciliation.enqueue(keys);
    this.#externalScaler.look(keys);
  }

  /** Writes an event about the router's pod, because nobody looks for it in the operator's log. */
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

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
