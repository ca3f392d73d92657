/**
 * Serves the routers' control plane over gRPC: incremental aggregated discovery (ADS), load reports (LRS), metrics and
 * checks of held requests.
 * It tells what it learns about each router as facts, and decides nothing.
 */
import { randomUUID } from 'node:crypto';
import {
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type StatusObject,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { serviceKey } from '../api/revision.ts';
import { clusterName, type RouteChange, type ServiceRoutes } from '../api/route-table.ts';
import type { RouterFact } from '../api/router-fact.ts';
import { peerRole, type Role } from '../certificates/identity.ts';
import type { TlsCredentials } from '../certificates/issue.ts';
import { RenewableCredentials } from '../certificates/renewable-credentials.ts';
import { type Check, CheckService, checkDefinition } from './check-service.ts';
import { Configuration } from './configuration.ts';
import { discoveryRequest, discoveryResponse } from './discovery-messages.ts';
import { FACT_FEED, FactFeed } from './fact-feed.ts';
import type { HoldRefusal, Line } from './hold.ts';
import { loadReport } from './load.ts';
import { PodRoom } from './pod-room.ts';
import type { EnvoyProtos, Message } from './protos.ts';
import { type Release, Releases } from './releases.ts';
import type { ListenerOptions } from './shared-resources.ts';
import { hearMetrics, type MetricsStream, metricsDefinition } from './signal-service.ts';
import {
  DISCOVERY,
  LOAD_REPORTING,
  nodeId,
  onEnd,
  peerAddress,
  type Stream,
  serviceDefinition,
} from './streams.ts';
import { Subscription } from './subscription.ts';

const REPORT_INTERVAL_SECONDS = 1;
/** Milliseconds after which what is left of many changes waits for the next turn of the event loop. */
const MS_PER_TURN = 5;

/**
 * Milliseconds after which a router whose stream another operator has is taken to know a pod: that operator learns of
 * the pod when this one does.
 */
const UNKNOWN_ROUTER_MS = 5000;

/** The message types, listeners and consumer of facts that a control plane works with. */
export interface ControlPlaneOptions {
  readonly protos: EnvoyProtos;
  readonly listener?: ListenerOptions;
  /** Called with what has just become known about the routers, in the order in which it became known. */
  readonly onFacts: (facts: readonly RouterFact[]) => void;
  /** Called with the first request of a revision that is let go after some had to wait. */
  readonly onRelease?: (release: Release) => void;
  /** Called with each refusal of a request that waits. */
  readonly onRefusal?: (refusal: HoldRefusal) => void;
}

interface Router {
  readonly stream: string;
  readonly name: string;
  /** Address of its host, which the calls about held requests have, too. */
  readonly address: string;
  readonly subscription: Subscription;
  readonly send: (message: Message) => void;
  told: boolean;
}

/**
 * A gRPC server that gives the routers which connect to it their configuration and hears their load.
 * Operators that lead follow its facts by the feed.
 */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #configuration: Configuration;
  readonly #routers = new Set<Router>();
  readonly #unusable = new Map<string, string>();
  /** The latest report by router, of the stream that sent it. */
  readonly #reports = new Map<string, { stream: Stream; fact: RouterFact }>();
  readonly #waiting = new Map<string, ServiceRoutes | undefined>();
  readonly #server = new Server({
    'grpc.max_receive_message_length': 64 << 20,
    'grpc.keepalive_time_ms': 30_000,
  });
  readonly #feed = new FactFeed();
  readonly #podRoom = new PodRoom();
  readonly #releases = new Releases();
  readonly #checks = new CheckService({
    freeSlots: (line) => this.#freeSlots(line),
    onRelease: (line, heldAt) => this.#released(line, heldAt),
    onRefusal: (refusal) => this.#options.onRefusal?.(refusal),
    onWaiting: (counts) => {
      this.#releases.wait(counts);
      this.#tell([{ kind: 'waiting', counts }]);
    },
  });
  #credentials: RenewableCredentials | undefined;
  #turn: NodeJS.Immediate | undefined;
  #isConfigured = false;

  /** Makes a control plane without services, which serves nobody before `listen` and the first `update`. */
  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    const { protos, listener } = options;
    this.#configuration = new Configuration(protos, listener);
    this.#server.addService(serviceDefinition(protos, DISCOVERY), {
      [DISCOVERY.method]: (stream: Stream) => this.#discovery(stream),
    });
    this.#server.addService(serviceDefinition(protos, LOAD_REPORTING), {
      [LOAD_REPORTING.method]: (stream: Stream) => this.#loadReports(stream),
    });
    this.#server.addService(metricsDefinition(protos), {
      streamMetrics: (stream: MetricsStream, answer: sendUnaryData<Message>) => {
        if (this.#isAllowed(stream, 'router', answer)) this.#metrics(stream, answer);
      },
    });
    this.#server.addService(checkDefinition(protos), {
      check: (call: Check, answer: sendUnaryData<Message>) => {
        if (this.#isAllowed(call, 'router', answer)) this.#checks.check(call, answer);
      },
    });
    this.#server.addService(FACT_FEED, {
      follow: (stream: ServerWritableStream<object, readonly RouterFact[]>) => {
        if (this.#isAllowed(stream, 'operator')) this.#feed.add(stream, this.facts());
      },
    });
  }

  /**
   * Listens on `address` (host:port) and returns the port. Routers are served once the first update has been
   * taken in: what is not in the configuration would be taken from them. With `tls` a router needs a
   * router's certificate, and an operator an operator's. @throws Error when it cannot listen.
   */
  async listen(address: string, tls?: TlsCredentials): Promise<number> {
    this.#credentials = tls && new RenewableCredentials(tls);
    const credentials = this.#credentials?.forServer() ?? ServerCredentials.createInsecure();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.bindAsync(address, credentials, (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
    return promise;
  }

  /** Uses `tls` for every connection from now on; those that are open stay. */
  renew(tls: TlsCredentials): void {
    this.#credentials?.renew(tls);
  }

  /** Stops at once: the server no longer listens, and every stream is cut. */
  close(): void {
    clearImmediate(this.#turn);
    this.#checks.close();
    this.#server.forceShutdown();
  }

  /**
   * Changes what every router is to have. The first update must hold all services: routers lose what it
   * lacks.
   */
  update(changes: readonly RouteChange[]): void {
    for (const { key, entry } of changes) this.#waiting.set(key, entry);
    this.#turn ??= setImmediate(() => this.#takeIn());
  }

  /** Takes in when routers end, by address, in milliseconds since 1970; requests do not wait there until then. */
  routersEnd(ends: ReadonlyMap<string, number>): void {
    this.#checks.routersEnd(ends);
  }

  /** Returns all that is known now, for a consumer that joins late. */
  facts(): RouterFact[] {
    const unusable = [...this.#unusable].map(([key, reason]): RouterFact => {
      return { kind: 'unusable', key, reason };
    });
    const routers = [...this.#routers].flatMap((router): RouterFact[] => {
      const { stream, name, subscription, told } = router;
      return [
        { kind: 'connected', stream, router: name },
        ...subscription.services().map((key) => routesFact(router, key)),
        ...(told ? [{ kind: 'told', stream } as const] : []),
      ];
    });
    return [...unusable, ...routers, ...[...this.#reports.values()].map(({ fact }) => fact)];
  }

  /** Encodes some of the changes that wait; in between, routers are heard. */
  #takeIn(): void {
    this.#turn = undefined;
    const end = performance.now() + MS_PER_TURN;
    const changed: string[] = [];
    for (const [key, entry] of this.#waiting) {
      this.#waiting.delete(key);
      const result = this.#configuration.update([{ key, entry }]);
      changed.push(...result.changed);
      this.#podRoom.update({ key, entry }, performance.now());
      this.#tellUnusable(key, result.unusable.get(key));
      if (performance.now() >= end) break;
    }
    if (this.#waiting.size > 0) this.#turn = setImmediate(() => this.#takeIn());
    else this.#isConfigured = true;
    if (changed.length === 0) return;
    for (const router of this.#routers) {
      router.subscription.changed(changed);
      this.#push(router);
    }
  }

  #tellUnusable(key: string, reason: string | undefined): void {
    if (reason === this.#unusable.get(key)) return;
    if (reason === undefined) this.#unusable.delete(key);
    else this.#unusable.set(key, reason);
    this.#tell([{ kind: 'unusable', key, reason }]);
  }

  #tell(facts: readonly RouterFact[]): void {
    if (facts.length === 0) return;
    this.#options.onFacts(facts);
    this.#feed.tell(facts);
  }

  /** Says whether a caller's certificate names `role`; one that does not is sent away. */
  #isAllowed(
    call: Pick<Stream, 'getAuthContext' | 'emit'>,
    role: Role,
    refuse: (error: Partial<StatusObject>) => unknown = (error) => call.emit('error', error),
  ): boolean {
    const certificate = call.getAuthContext()?.sslPeerCertificate ?? {};
    if (this.#credentials === undefined || peerRole(certificate) === role) return true;
    const details = `this is for a ${role}: the certificate is of another role`;
    refuse({ code: status.PERMISSION_DENIED, details });
    return false;
  }

  /** Returns how many more requests a revision's pods may have; none while the router does not know the pods. */
  #freeSlots({ ref, router }: Line): number {
    const key = serviceKey(ref);
    const clusters = (['http', 'grpc'] as const)
      .map((port) => clusterName(ref, port))
      .filter((name) => this.#configuration.owner('clusters', name) === key);
    const known = [...this.#routers].filter(({ address }) => address === router);
    const knowsPods =
      known.length === 0
        ? this.#podRoom.readyFor(key, ref, performance.now()) > UNKNOWN_ROUTER_MS
        : known.every(({ subscription }) => subscription.hasLatestEndpoints(key, clusters));
    if (!knowsPods) return 0;
    if (this.#podRoom.hasPods(key, ref)) this.#releases.acknowledge(ref, Date.now());
    return this.#podRoom.free(key, ref);
  }

  #released({ router, ref }: Required<Line>, heldAt: number): void {
    this.#podRoom.release(router, ref, performance.now());
    const release = this.#releases.release(ref, heldAt, Date.now());
    if (release !== undefined) this.#options.onRelease?.(release);
  }

  /** Sends what the router lacks now, and tells what is new about it. */
  #push(router: Router): void {
    const { subscription, send } = router;
    for (const response of subscription.next()) send(discoveryResponse(response));
    this.#tellNews(router);
  }

  #discovery(stream: Stream): void {
    if (!this.#isAllowed(stream, 'router')) return;
    if (!this.#isConfigured) {
      stream.emit('error', { code: status.UNAVAILABLE, details: 'no configuration yet' });
      return;
    }
    let router: Router | undefined;
    stream.on('data', (message: Message) => {
      router ??= this.#connected(nodeId(message), stream);
      const request = discoveryRequest(message);
      if (request === undefined) return;
      router.subscription.receive(request);
      this.#push(router);
      this.#checks.look();
    });
    onEnd(stream, () => {
      if (router === undefined) return;
      this.#routers.delete(router);
      this.#tell([{ kind: 'gone', stream: router.stream }]);
    });
  }

  #connected(name: string, stream: Stream): Router {
    const router: Router = {
      stream: randomUUID(),
      name,
      address: peerAddress(stream),
      subscription: new Subscription(this.#configuration),
      send: (message) => stream.write(message),
      told: false,
    };
    this.#routers.add(router);
    this.#tell([{ kind: 'connected', stream: router.stream, router: name }]);
    return router;
  }

  #tellNews(router: Router): void {
    const { stream, name, subscription } = router;
    const { routes, refusals } = subscription.takeNews();
    const facts: RouterFact[] = [
      ...[...routes].map((key) => routesFact(router, key)),
      ...refusals.map((refusal) => ({ kind: 'refused', router: name, refusal }) as const),
    ];
    if (subscription.told && !router.told) {
      router.told = true;
      facts.push({ kind: 'told', stream });
    }
    this.#tell(facts);
  }

  #loadReports(stream: Stream): void {
    if (!this.#isAllowed(stream, 'router')) return;
    let router: string | undefined;
    const address = peerAddress(stream);
    stream.on('data', (message: Message) => {
      // The first message only opens the stream.
      if (router === undefined) {
        router = nodeId(message);
        return;
      }
      const revision = (cluster: string) => this.#configuration.revision(cluster);
      const report = loadReport({ router, message, revision });
      const fact: RouterFact = { kind: 'load', router, report };
      this.#reports.set(router, { stream, fact });
      this.#tell([fact]);
      this.#podRoom.report(address, report, performance.now());
      this.#checks.look();
    });
    stream.write({
      send_all_clusters: true,
      load_reporting_interval: { seconds: REPORT_INTERVAL_SECONDS },
    });
    onEnd(stream, () => {
      if (router === undefined || this.#reports.get(router)?.stream !== stream) return;
      this.#reports.delete(router);
      this.#podRoom.forget(router, address);
      this.#tell([{ kind: 'load', router }]);
    });
  }

  #metrics(stream: MetricsStream, answer: sendUnaryData<Message>): void {
    hearMetrics(stream, {
      revision: (cluster) => this.#configuration.revision(cluster),
      onReport: (report) => this.#tell([{ kind: 'signals', report }]),
      onEnd: () => answer(null, {}),
    });
  }
}

function routesFact({ stream, subscription }: Router, key: string): RouterFact {
  return { kind: 'routes', stream, key, routes: subscription.routes(key) };
}
