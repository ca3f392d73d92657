/**
 * Routes requests on the laptop: by the routes that Envoy gets on a cluster, with requests held and load measured
 * as there.
 */
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { REVISION_HEADER } from '../api/names.ts';
import {
  formatRevision,
  type RevisionRef,
  revisionName,
  sameRevision,
  serviceKey,
} from '../api/revision.ts';
import type {
  Endpoint,
  LoadReport,
  RouteChange,
  RouteTarget,
  ServiceRoutes,
} from '../api/route-table.ts';
import type { WaitingCount } from '../api/router-fact.ts';
import { HOLD_LIMITS, HOLD_REFUSALS, type HoldLimits, type HoldRefusal } from '../router/hold.ts';
import { WaitingRoom } from '../router/waiting-room.ts';

/** Headers that belong to one connection (RFC 9110 7.6.1). */
const HOP_BY_HOP = new Set(
  'connection keep-alive proxy-connection te trailer transfer-encoding upgrade'.split(' '),
);

/** Sources and listeners that a proxy works with. */
export interface LocalProxyOptions {
  /** Gives numbers in [0, 1); it decides the split. */
  readonly random: () => number;
  /** Time at which the first report's period begins, in milliseconds. */
  readonly now: number;
  /** Called with the requests that wait for pods, every second while some do. */
  readonly onWaiting: (counts: readonly WaitingCount[]) => void;
  /** Bounds of what may wait; those of a cluster when left out. */
  readonly holdLimits?: HoldLimits;
}

/** An HTTP proxy in front of the pods of all services. */
export class LocalProxy {
  /** The HTTP server, which its user lets listen. */
  readonly server: Server;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #load = new Map<string, Load>();
  readonly #inFlightOf = new Map<string, number>();
  readonly #random: () => number;
  readonly #services = new Map<string, ServiceRoutes>();
  readonly #waitingRoom: WaitingRoom;
  #reportedAt: number;

  /** Makes a proxy without routes that does not listen yet. */
  constructor({ random, now, onWaiting, holdLimits = HOLD_LIMITS }: LocalProxyOptions) {
    this.#random = random;
    this.#reportedAt = now;
    this.#waitingRoom = new WaitingRoom({
      limits: holdLimits,
      freeSlots: ({ ref }) => this.#freeSlots(ref),
      onWaiting,
    });
    this.server = createServer((req, res) => this.#handle(req, res));
    this.server.requestTimeout = 0;
  }

  /** Takes in the routes of the services that have changed. */
  update(changes: readonly RouteChange[]): void {
    for (const { key, entry } of changes) {
      if (entry === undefined) this.#services.delete(key);
      else this.#services.set(key, entry);
    }
    this.#waitingRoom.look();
  }

  /**
   * Returns the load of each revision since the last report.
   * @param now milliseconds, of the constructor's clock
   */
  report(now: number): LoadReport {
    const seconds = Math.max(0.001, (now - this.#reportedAt) / 1000);
    this.#reportedAt = now;
    const clusters = [...this.#load.values()].map((load) => {
      const inFlight = load.inFlight + this.#waitingRoom.waiting(load.ref);
      return { ...load, inFlight, seconds };
    });
    for (const load of this.#load.values()) load.requests = 0;
    return { router: 'local', clusters };
  }

  /** Stops to listen and cuts all connections, those with requests too. */
  async close(): Promise<void> {
    this.#waitingRoom.close();
    this.server.close();
    this.server.closeAllConnections();
    this.#agent.destroy();
  }

  #handle(req: IncomingMessage, res: ServerResponse): void {
    const services = [...this.#services.values()];
    const found = match(services, req);
    if (found === undefined) {
      const known = services.map(({ route }) => route.hosts[0]).join(', ');
      reply(res, 404, `no service at ${req.headers.host}${req.url}; there is ${known || 'none'}`);
      return;
    }
    const { route } = found.service;
    const target = pick(route.targets, this.#random());
    if (target?.held) this.#hold(req, res, { ...found, target });
    else this.#send(req, res, { ...found, target });
  }

  /** Lets a request wait, unread, until there is room for it in a pod. */
  #hold(req: IncomingMessage, res: ServerResponse, to: Match & { target: RouteTarget }): void {
    // A revision of which nothing was sent to a pod yet is reported, too.
    this.#loadOf(to.target.ref);
    const leave = this.#waitingRoom.admit(to.target, {
      go: () => {
        // The pods may be others than when it came.
        const service = this.#services.get(to.service.route.key) ?? to.service;
        this.#send(req, res, { ...to, service });
      },
      refuse: (refusal) => refuse(res, to.service.route.key, refusal),
    });
    res.once('close', leave);
  }

  #send(
    req: IncomingMessage,
    res: ServerResponse,
    { target, ...found }: Match & { target: RouteTarget | undefined },
  ): void {
    const endpoint = target && this.#endpoint(found.service, target);
    if (target === undefined || endpoint === undefined) {
      res.setHeader('Retry-After', '1');
      reply(res, 503, `${found.service.route.key} has no pod that is ready`);
      return;
    }
    this.#forward(req, res, { ...found, target, endpoint });
  }

  #freeSlots(ref: RevisionRef): number {
    const service = this.#services.get(serviceKey(ref));
    const { concurrency = Number.POSITIVE_INFINITY } = service?.route ?? {};
    return this.#healthy(service, ref).reduce(
      (slots, endpoint) => slots + Math.max(0, concurrency - this.#inFlight(endpoint)),
      0,
    );
  }

  #healthy(service: ServiceRoutes | undefined, ref: RevisionRef): Endpoint[] {
    const cluster = service?.clusters.find((c) => c.port === 'http' && sameRevision(c.ref, ref));
    return (cluster?.endpoints ?? []).filter(({ state }) => state === 'healthy');
  }

  #endpoint(service: ServiceRoutes, { ref }: RouteTarget): Endpoint | undefined {
    return this.#healthy(service, ref).sort((a, b) => this.#inFlight(a) - this.#inFlight(b))[0];
  }

  #inFlight({ address, port }: Endpoint): number {
    return this.#inFlightOf.get(`${address}:${port}`) ?? 0;
  }

  #forward(
    req: IncomingMessage,
    res: ServerResponse,
    { service: { route }, path, target, endpoint }: Forward,
  ): void {
    const finished = this.#count(target.ref, endpoint);
    const upstream = request({
      host: endpoint.address,
      port: endpoint.port,
      agent: this.#agent,
      method: req.method,
      path,
      headers: endToEnd(req.headers),
      timeout: route.timeoutSeconds * 1000,
    });
    upstream.once('response', (response) => {
      res.writeHead(response.statusCode ?? 502, {
        ...endToEnd(response.headers),
        [REVISION_HEADER]: revisionName(target.ref),
      });
      response.pipe(res);
    });
    upstream.once('timeout', () => upstream.destroy(new Error('timed out')));
    upstream.once('error', (error) => {
      if (res.headersSent) res.destroy();
      else reply(res, error.message === 'timed out' ? 504 : 503, `${route.key}: ${error.message}`);
    });
    res.once('close', () => {
      finished();
      if (!res.writableFinished) upstream.destroy();
    });
    req.pipe(upstream);
  }

  #loadOf(ref: RevisionRef): Load {
    const load = this.#load.get(formatRevision(ref)) ?? { ref, inFlight: 0, requests: 0 };
    this.#load.set(formatRevision(ref), load);
    return load;
  }

  /** Counts a request as under way until the returned function is called. */
  #count(ref: RevisionRef, { address, port }: Endpoint): () => void {
    const load = this.#loadOf(ref);
    const key = `${address}:${port}`;
    const add = (by: number) => {
      load.inFlight += by;
      const left = (this.#inFlightOf.get(key) ?? 0) + by;
      if (left === 0) this.#inFlightOf.delete(key);
      else this.#inFlightOf.set(key, left);
    };
    load.requests++;
    add(1);
    return () => {
      add(-1);
      this.#waitingRoom.look();
    };
  }
}

/** Load of one revision: requests that are under way, and those since the last report. */
interface Load {
  readonly ref: RevisionRef;
  inFlight: number;
  requests: number;
}

/** The service that a request is for. */
interface Match {
  readonly service: ServiceRoutes;
  /** The path to send on, with the query. */
  readonly path: string;
}

interface Forward extends Match {
  readonly target: RouteTarget;
  readonly endpoint: Endpoint;
}

/** Finds the service of a request by its host, or else by the prefix of its path. */
function match(services: readonly ServiceRoutes[], req: IncomingMessage): Match | undefined {
  const host = (req.headers.host ?? '').replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase();
  const path = req.url ?? '/';
  const byHost = services.find(({ route }) => route.hosts.includes(host));
  if (byHost !== undefined) return { service: byHost, path };
  for (const service of services) {
    const { pathPrefix } = service.route;
    if (pathPrefix === undefined || !path.startsWith(pathPrefix)) continue;
    const rest = path.slice(pathPrefix.length);
    if (rest.startsWith('/')) return { service, path: rest };
    if (rest === '' || rest.startsWith('?')) return { service, path: `/${rest}` };
  }
  return undefined;
}

/**
 * Picks a target in proportion to the weights; undefined when none has weight.
 * @param random number in [0, 1)
 */
export function pick(targets: readonly RouteTarget[], random: number): RouteTarget | undefined {
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  let rest = random * total;
  return targets.find(({ weight }) => {
    rest -= weight;
    return weight > 0 && rest < 0;
  });
}

function endToEnd(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}

function refuse(res: ServerResponse, key: string, refusal: HoldRefusal): void {
  const { status, retryAfter, text } = HOLD_REFUSALS[refusal];
  res.setHeader('Retry-After', String(retryAfter));
  reply(res, status, `${key}: ${text}`);
}

function reply(res: ServerResponse, status: number, error: string): void {
  res.writeHead(status, { 'Content-Type': 'application/json' });
  res.end(JSON.stringify({ error }));
}
