/** The laptop's router: interprets the same RouteTable as Envoy, and measures load as Envoy reports it. */
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { REVISION_HEADER } from '../api/names.ts';
import type {
  ClusterLoad,
  Endpoint,
  LoadReport,
  Route,
  RouteTable,
  RouteTarget,
} from '../api/route-table.ts';

/** Headers that belong to one connection (RFC 9110 7.6.1). */
const HOP_BY_HOP = new Set(
  'connection keep-alive proxy-connection te trailer transfer-encoding upgrade'.split(' '),
);

export class LocalProxy {
  readonly server: Server;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #load = new Map<string, { inFlight: number; requests: number }>();
  readonly #inFlightOf = new Map<string, number>();
  readonly #random: () => number;
  #table: RouteTable = { routes: [], clusters: [] };
  #reportedAt: number;

  /** @param random gives numbers in [0, 1); it decides the split */
  constructor(random: () => number, now: number) {
    this.#random = random;
    this.#reportedAt = now;
    this.server = createServer((req, res) => this.#handle(req, res));
    this.server.requestTimeout = 0;
  }

  update(table: RouteTable): void {
    this.#table = table;
  }

  /** What was measured since the last report. @param now milliseconds */
  report(now: number): LoadReport {
    const seconds = Math.max(0.001, (now - this.#reportedAt) / 1000);
    this.#reportedAt = now;
    const clusters: Record<string, ClusterLoad> = {};
    for (const [name, load] of this.#load) {
      clusters[name] = { ...load };
      load.requests = 0;
    }
    return { router: 'local', seconds, clusters };
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    this.#agent.destroy();
  }

  #handle(req: IncomingMessage, res: ServerResponse): void {
    const found = match(this.#table, req);
    if (found === undefined) {
      const known = this.#table.routes.map(({ hosts }) => hosts[0]).join(', ');
      reply(res, 404, `no service at ${req.headers.host}${req.url}; there is ${known || 'none'}`);
      return;
    }
    const target = pick(found.route.targets, this.#random());
    const endpoint = target && this.#endpoint(target.cluster);
    if (target === undefined || endpoint === undefined) {
      res.setHeader('Retry-After', '1');
      reply(res, 503, `${found.route.key} has no pod that is ready`);
      return;
    }
    this.#forward(req, res, { ...found, target, endpoint });
  }

  #endpoint(cluster: string): Endpoint | undefined {
    const endpoints = this.#table.clusters.find(({ name }) => name === cluster)?.endpoints ?? [];
    return endpoints
      .filter(({ state }) => state === 'healthy')
      .sort((a, b) => this.#inFlight(a) - this.#inFlight(b))[0];
  }

  #inFlight({ address, port }: Endpoint): number {
    return this.#inFlightOf.get(`${address}:${port}`) ?? 0;
  }

  #forward(
    req: IncomingMessage,
    res: ServerResponse,
    { route, path, target, endpoint }: Forward,
  ): void {
    const finished = this.#count(target.cluster, endpoint);
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
        [REVISION_HEADER]: target.revision,
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

  /** Counts a request as under way until the returned function is called. */
  #count(cluster: string, { address, port }: Endpoint): () => void {
    const load = this.#load.get(cluster) ?? { inFlight: 0, requests: 0 };
    this.#load.set(cluster, load);
    const key = `${address}:${port}`;
    const add = (by: number) => {
      load.inFlight += by;
      const left = (this.#inFlightOf.get(key) ?? 0) + by;
      if (left === 0) this.#inFlightOf.delete(key);
      else this.#inFlightOf.set(key, left);
    };
    load.requests++;
    add(1);
    return () => add(-1);
  }
}

interface Forward {
  readonly route: Route;
  readonly path: string;
  readonly target: RouteTarget;
  readonly endpoint: Endpoint;
}

/** The route of a request by its host, or else by the prefix of its path, and the path to send on. */
function match(
  table: RouteTable,
  req: IncomingMessage,
): { route: Route; path: string } | undefined {
  const host = (req.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  const path = req.url ?? '/';
  const byHost = table.routes.find(({ hosts }) => hosts.includes(host));
  if (byHost !== undefined) return { route: byHost, path };
  const byPath = table.routes.find(
    ({ pathPrefix }) => pathPrefix !== undefined && path.startsWith(`${pathPrefix}/`),
  );
  return byPath && { route: byPath, path: path.slice(byPath.pathPrefix?.length) };
}

/** Weighted choice; undefined when no target has weight. @param random in [0, 1) */
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

function reply(res: ServerResponse, status: number, error: string): void {
  res.writeHead(status, { 'Content-Type': 'application/json' });
  res.end(JSON.stringify({ error }));
}
