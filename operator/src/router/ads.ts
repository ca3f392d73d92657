/**
 * The routers' control plane over gRPC: aggregated discovery (ADS) and load reports (LRS). Keeps what each
 * connected router has confirmed; decides nothing.
 */
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import type { LoadReport, Route, RouteTable } from '../api/route-table.ts';
import { loadReport } from './load.ts';
import type { EnvoyProtos, Message } from './protos.ts';
import { RESOURCE_TYPES, type ResourceType, type Snapshot, snapshot } from './snapshot.ts';
import { Subscription } from './subscription.ts';

const TYPE_URL = 'type.googleapis.com/';
const REPORT_INTERVAL_SECONDS = 1;

export interface ControlPlaneOptions {
  readonly protos: EnvoyProtos;
  /** Called with the keys of the services whose routes a router has just confirmed, or all after a change of routers. */
  readonly onAcknowledged: (keys: readonly string[]) => void;
  readonly onLoad: (report: LoadReport) => void;
  /** A router refused its configuration and keeps the one it has. */
  readonly onRefused: (router: string, type: ResourceType, reason: string) => void;
}

interface Router {
  /** Node id; known after the first message. */
  name: string;
  readonly subscription: Subscription;
  readonly push: () => void;
}

export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #routers = new Set<Router>();
  readonly #server = new Server({
    'grpc.max_receive_message_length': 64 << 20,
    'grpc.keepalive_time_ms': 30_000,
  });
  readonly #inFlight = new Map<string, ReadonlyMap<string, number>>();
  #snapshot: Snapshot | undefined;
  #expected: readonly string[] = [];

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    const { protos } = options;
    this.#server.addService(
      service(
        protos,
        'envoy.service.discovery.v3.AggregatedDiscoveryService',
        'StreamAggregatedResources',
        'Discovery',
      ),
      {
        StreamAggregatedResources: (call: Stream) => this.#discovery(call),
      },
    );
    this.#server.addService(
      service(
        protos,
        'envoy.service.load_stats.v3.LoadReportingService',
        'StreamLoadStats',
        'LoadStats',
      ),
      {
        StreamLoadStats: (call: Stream) => this.#loadReports(call),
      },
    );
  }

  /** Listens on `address` (host:port); returns the port. @throws Error when it cannot. */
  async listen(address: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
    return promise;
  }

  close(): void {
    this.#server.forceShutdown();
  }

  /** Number of routers that are connected. */
  get connected(): number {
    return this.#routers.size;
  }

  /** Makes `table` what every router is to have. */
  update(table: RouteTable): void {
    this.#snapshot = snapshot(table, this.#options.protos);
    for (const { push } of this.#routers) push();
  }

  /** The routers that take traffic, by node id: without word from each of them nothing is certain. */
  expect(routers: readonly string[]): void {
    this.#expected = routers;
  }

  /** The route of `key` that every router applies; undefined while they differ or one has not told. */
  acknowledged(key: string): Route | undefined {
    if (!this.#allTold()) return undefined;
    const [first, ...rest] = [...this.#routers].flatMap((r) => r.subscription.ackedRoutes ?? []);
    const route = first?.routes.get(key);
    const same = rest.every(
      (other) => JSON.stringify(other.routes.get(key)) === JSON.stringify(route),
    );
    return same ? route : undefined;
  }

  /**
   * The revisions of `key` that a router may still send to, or has requests on; undefined while one has
   * not told, or none is connected.
   */
  inUse(key: string): string[] | undefined {
    if (this.#routers.size === 0 || !this.#allTold()) return undefined;
    const snapshots = [this.#snapshot];
    for (const { subscription } of this.#routers) {
      if (subscription.ackedRoutes === undefined) return undefined;
      snapshots.push(subscription.ackedRoutes, subscription.pendingRoutes);
    }
    const revisions = new Set(
      snapshots.flatMap((s) => s?.routes.get(key)?.targets.map(({ revision }) => revision) ?? []),
    );
    const [namespace = ''] = key.split('/');
    for (const loads of this.#inFlight.values()) {
      for (const [cluster, inFlight] of loads) {
        const [ns, revision = ''] = cluster.split('/');
        if (inFlight > 0 && ns === namespace) revisions.add(revision);
      }
    }
    return [...revisions];
  }

  #allTold(): boolean {
    const told = new Set(
      [...this.#routers]
        .filter(({ subscription }) => subscription.ackedRoutes !== undefined)
        .map(({ name }) => name),
    );
    return this.#expected.every((name) => told.has(name));
  }

  #discovery(call: Stream): void {
    const subscription = new Subscription();
    const push = () => {
      if (this.#snapshot === undefined) return;
      for (const { type, nonce, resources } of subscription.next(this.#snapshot)) {
        const type_url = TYPE_URL + RESOURCE_TYPES[type];
        call.write({
          version_info: nonce,
          nonce,
          type_url,
          resources: resources.map((value) => ({ type_url, value })),
        });
      }
    };
    const router: Router = { name: 'router', subscription, push };
    this.#routers.add(router);
    call.on('data', (message: Message) => {
      router.name = nodeId(message) || router.name;
      const type = resourceType(String(message.type_url));
      if (type === undefined) return;
      const before = subscription.ackedRoutes;
      const detail = message.error_detail as { message?: string } | undefined;
      const refused = subscription.receive({
        type,
        names: (message.resource_names as string[] | undefined) ?? [],
        nonce: String(message.response_nonce ?? ''),
        error: detail?.message,
      });
      if (refused !== undefined) this.#options.onRefused(router.name, type, refused);
      this.#tellAcknowledged(before, subscription.ackedRoutes);
      push();
    });
    endOf(call, () => {
      this.#routers.delete(router);
      // What was held up by this router alone is so no longer.
      this.#options.onAcknowledged([...(this.#snapshot?.routes.keys() ?? [])]);
    });
  }

  #tellAcknowledged(before: Snapshot | undefined, after: Snapshot | undefined): void {
    if (after === undefined || after === before) return;
    const keys = [...new Set([...(before?.routes.keys() ?? []), ...after.routes.keys()])];
    const changed = keys.filter(
      (key) => JSON.stringify(before?.routes.get(key)) !== JSON.stringify(after.routes.get(key)),
    );
    if (changed.length > 0) this.#options.onAcknowledged(changed);
  }

  #loadReports(call: Stream): void {
    let name: string | undefined;
    call.on('data', (message: Message) => {
      // The first message only opens the stream.
      if (name === undefined) {
        name = nodeId(message);
        return;
      }
      const { report, inFlight } = loadReport(name, message);
      const before = this.#inFlight.get(name);
      this.#inFlight.set(name, inFlight);
      this.#options.onLoad(report);
      const drained = [...(before ?? [])].filter(([cluster, n]) => n > 0 && !inFlight.get(cluster));
      if (drained.length > 0) this.#options.onAcknowledged(keysOfClusters(drained, this.#snapshot));
    });
    call.write({
      send_all_clusters: true,
      load_reporting_interval: { seconds: REPORT_INTERVAL_SECONDS },
    });
    endOf(call, () => {
      if (name !== undefined) this.#inFlight.delete(name);
    });
  }
}

type Stream = ServerDuplexStream<Message, Message>;

/** A revision's last request has ended: its service may have something to scale down. */
function keysOfClusters(
  clusters: readonly (readonly [string, number])[],
  current: Snapshot | undefined,
): string[] {
  const keys = [...(current?.routes.keys() ?? [])];
  return keys.filter((key) =>
    clusters.some(([cluster]) => cluster.startsWith(`${key}-predictor-`)),
  );
}

function endOf(call: Stream, ended: () => void): void {
  let over = false;
  const end = () => {
    if (over) return;
    over = true;
    ended();
  };
  call.on('cancelled', end);
  call.on('error', end);
  call.on('end', () => {
    end();
    call.end();
  });
}

function nodeId(message: Message): string {
  return (message.node as { id?: string } | undefined)?.id ?? '';
}

function resourceType(url: string): ResourceType | undefined {
  const types = Object.keys(RESOURCE_TYPES) as ResourceType[];
  return types.find((type) => url === TYPE_URL + RESOURCE_TYPES[type]);
}

/** A service with one bidirectional method; requests and responses are `<message>Request` and `<message>Response`. */
function service(
  protos: EnvoyProtos,
  name: string,
  method: string,
  message: string,
): ServiceDefinition {
  const prefix = `${name.slice(0, name.lastIndexOf('.'))}.${message}`;
  const encode = (suffix: string) => (value: Message) => protos.encode(prefix + suffix, value);
  const decode = (suffix: string) => (bytes: Buffer) => protos.decode(prefix + suffix, bytes);
  return {
    [method]: {
      path: `/${name}/${method}`,
      requestStream: true,
      responseStream: true,
      requestSerialize: encode('Request'),
      requestDeserialize: decode('Request'),
      responseSerialize: encode('Response'),
      responseDeserialize: decode('Response'),
    },
  };
}
