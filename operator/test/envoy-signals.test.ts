/**
 * What two real Envoys tell of how requests end and how long the answers take, for each revision. They share the port,
 * and the kernel deals connections out. Skipped unless WHERRY_ENVOY names the binary.
 */
import { once } from 'node:events';
import { type ClientRequest, createServer, request, type Server } from 'node:http';
import { connect, createServer as createH2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import { type RunningEnvoy, startEnvoy } from '../../e2e/harness/envoy.ts';
import { eventually } from '../../e2e/harness/load.ts';
import { formatRevision, type RevisionRef } from '../src/api/revision.ts';
import { LATENCY_BOUNDS, type Signals } from '../src/api/revision-signals.ts';
import type { Endpoint, RouteChange } from '../src/api/route-table.ts';
import { SignalWindows } from '../src/plan/signals/signal-windows.ts';
import { latencyPercentile, sumSignals } from '../src/plan/signals/signals.ts';
import { HOLD_LIMITS } from '../src/router/hold.ts';
import { RouterControl } from '../src/router/router-control.ts';
import { HTTP_PORT } from '../src/router/shared-resources.ts';

const binary = process.env.WHERRY_ENVOY;
const XDS_PORT = 18_014;
const ROUTERS = ['router-1', 'router-2'];

const refOf = (service: string): RevisionRef => {
  return { namespace: 'default', service, component: 'predictor', revision: 1 };
};

interface Pods {
  readonly http: readonly Endpoint[];
  readonly grpc: readonly Endpoint[];
}

function serviceOf(name: string, pods: Pods, held?: true): RouteChange {
  const key = `default/${name}`;
  const ref = refOf(name);
  return {
    key,
    entry: {
      route: {
        key,
        hosts: [`${name}.example.com`],
        timeoutSeconds: 2,
        targets: [{ ref, percent: 100, weight: 100, grpc: true, ...(held && { held }) }],
      },
      clusters: [
        { ref, port: 'http', protocol: 'http1', endpoints: pods.http },
        { ref, port: 'grpc', protocol: 'h2c', endpoints: pods.grpc },
      ],
    },
  };
}

/** Answers as the path asks for: `/status/404`, `/slow/20` (milliseconds), `/reset` or `/broken`. */
function httpPod(): Server {
  return createServer(async (req, res) => {
    req.resume();
    await once(req, 'end');
    const [, what, value] = (req.url as string).split('/');
    if (what === 'status') res.writeHead(Number(value)).end('answer');
    if (what === 'slow') setTimeout(() => res.end('answer'), Number(value));
    if (what === 'reset') req.socket.resetAndDestroy();
    if (what === 'broken') {
      res.writeHead(200, { 'content-length': 100 }).write('part');
      setTimeout(() => req.socket.resetAndDestroy(), 50);
    }
  });
}

/** Answers with the gRPC status that the path is. */
function grpcPod(): ReturnType<typeof createH2Server> {
  const server = createH2Server();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const status = String(headers[':path']).slice(1);
    const answer = { ':status': 200, 'content-type': 'application/grpc' };
    stream.respond(answer, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
    stream.end('answer');
  });
  return server;
}

function start(service: string, path: string): ClientRequest {
  const headers = { host: `${service}.example.com`, connection: 'close' };
  const asked = request(`http://127.0.0.1:${HTTP_PORT}${path}`, { method: 'POST', headers });
  asked.on('response', (response) => response.on('error', () => undefined).resume());
  asked.on('error', () => undefined);
  return asked.end('question');
}

/** Asks a service; returns the milliseconds until the answer was whole or the connection had ended. */
async function ask(service: string, path: string, leaveAfter?: number): Promise<number> {
  const startedAt = performance.now();
  const asked = start(service, path);
  if (leaveAfter !== undefined) setTimeout(() => asked.destroy(), leaveAfter);
  await new Promise((resolve) => asked.on('close', resolve));
  return performance.now() - startedAt;
}

/** Calls a service over gRPC, and waits until it has answered. */
async function call(service: string, path: string): Promise<void> {
  const client = connect(`http://127.0.0.1:${HTTP_PORT}`);
  const stream = client.request({
    ...{ ':method': 'POST', ':path': path, ':authority': `${service}.example.com` },
    ...{ 'content-type': 'application/grpc', te: 'trailers' },
  });
  stream.on('error', () => undefined);
  stream.end('question').resume();
  await new Promise((resolve) => stream.on('close', resolve));
  client.destroy();
}

async function times(count: number, act: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i++) await act();
}

(binary === undefined ? describe.skip : describe)('signals of Envoy', function () {
  this.timeout(60_000);
  const totals = new Map<string, Signals>();
  const heardFrom = new Set<string>();
  const windows = new SignalWindows({ length: 600_000, resolution: 1000 });
  const envoys: RunningEnvoy[] = [];
  const servers = [httpPod(), grpcPod()] as const;
  let control: RouterControl;
  let waiting = 0;

  /** Waits until exactly these outcomes of a service's revision have been reported in all. */
  async function counted(service: string, outcomes: Signals['outcomes']): Promise<Signals> {
    const id = formatRevision(refOf(service));
    await eventually(`${service}: ${JSON.stringify(outcomes)}`, () =>
      isDeepStrictEqual(totals.get(id)?.outcomes, outcomes),
    );
    return totals.get(id) as Signals;
  }

  before(async () => {
    const [http, grpc] = await Promise.all(
      servers.map(async (server): Promise<Endpoint> => {
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        const { port } = server.address() as AddressInfo;
        return { address: '127.0.0.1', port, state: 'healthy' };
      }),
    );
    const pods = { http: [http as Endpoint], grpc: [grpc as Endpoint] };
    const none = { http: [], grpc: [] };
    control = new RouterControl({
      onFacts: (facts) => {
        for (const fact of facts) {
          if (fact.kind === 'waiting') waiting = fact.counts[0]?.count ?? 0;
          if (fact.kind !== 'signals') continue;
          windows.record(fact.report, Date.now());
          heardFrom.add(fact.report.router);
          for (const signals of fact.report.revisions) {
            const id = formatRevision(signals.ref);
            totals.set(id, sumSignals([totals.get(id) ?? [], signals].flat()));
          }
        }
      },
      onFailure: (error) => {
        throw error;
      },
    });
    control.update([
      ...['plain', 'slow', 'grpc', 'away'].map((name) => serviceOf(name, pods)),
      serviceOf('none', none),
      serviceOf('held', none, true),
    ]);
    await control.listen(`127.0.0.1:${XDS_PORT}`);
    for (const name of ROUTERS) {
      envoys.push(await startEnvoy(binary as string, { xdsPort: XDS_PORT, name }));
    }
    // One of them may have answered for the other that it is ready.
    await eventually('both report', () => heardFrom.size === ROUTERS.length);
  });

  after(async () => {
    for (const envoy of envoys) envoy.stop();
    await control.close();
    for (const server of servers) server.close();
  });

  it('count each way in which a request over HTTP ends', async () => {
    await times(30, () => ask('plain', '/status/200'));
    await times(5, () => ask('plain', '/status/404'));
    await times(4, () => ask('plain', '/status/503'));
    await times(3, () => ask('plain', '/reset'));
    await times(2, () => ask('plain', '/broken'));
    await ask('plain', '/slow/3000');
    const counts = { success: 30, client_error: 5, server_error: 4, reset: 5, timeout: 1 };
    const { latency } = await counted('plain', counts);
    await times(2, () => ask('away', '/slow/1500', 50));
    await counted('away', { cancelled: 2 });
    await times(2, () => ask('none', '/status/200'));
    await counted('none', { no_pod: 2 });
    expect(Object.values(latency).reduce((sum, count) => sum + count, 0)).to.equal(30);
  });

  it('count gRPC by its own status', async () => {
    for (const status of [0, 0, 0, 3, 5, 13, 14, 1, 99]) await call('grpc', `/${status}`);
    await counted('grpc', { success: 3, client_error: 2, server_error: 3, cancelled: 1 });
  });

  it('count held requests that are refused, and those whose client leaves', async () => {
    const asked = Array.from({ length: HOLD_LIMITS.requests }, () => start('held', '/'));
    await eventually('all wait', () => waiting === HOLD_LIMITS.requests);
    await call('held', '/0');
    await ask('held', '/');
    await counted('held', { refused: 2 });
    for (const one of asked) one.destroy();
    await counted('held', { refused: 2, cancelled: HOLD_LIMITS.requests });
  });

  it('measure latencies to the bucket', async () => {
    const slowest = { fast: 0, slow: 0 };
    await times(18, async () => {
      slowest.fast = Math.max(slowest.fast, await ask('slow', '/slow/20'));
    });
    await times(2, async () => {
      slowest.slow = Math.max(slowest.slow, await ask('slow', '/slow/400'));
    });
    const { latency, latencySeconds } = await counted('slow', { success: 20 });
    // Timers end up to a millisecond early; the client sees more than the router.
    const within = (percent: number, least: number, most: number) => {
      const upper = LATENCY_BOUNDS.find((bound) => bound >= most * 1000) as number;
      const lower = LATENCY_BOUNDS.findLast((bound) => bound < (least - 1) * 1000) as number;
      expect(latencyPercentile(latency, percent)).to.be.within(lower / 1000, upper / 1000);
    };
    within(50, 20, slowest.fast);
    within(90, 20, slowest.fast);
    within(95, 400, slowest.slow);
    within(99.9, 400, slowest.slow);
    expect(latencySeconds).to.be.within(
      18 * 0.019 + 2 * 0.39,
      18 * slowest.fast + 2 * slowest.slow,
    );
  });

  it('know nothing any more when a router is silent', async () => {
    const from = Date.now();
    const known = (to: number) => windows.between(refOf('slow'), { from, to, routers: ROUTERS });
    await eventually('two seconds are known', () => known(from + 2000) !== undefined);
    envoys.pop()?.stop();
    await eventually('time goes on', () => Date.now() > from + 8000, 20);
    await eventually('the other one reports', () => {
      const one = { from, to: from + 7000, routers: ROUTERS.slice(0, 1) };
      return windows.between(refOf('slow'), one) !== undefined;
    });
    expect(known(from + 2000)).to.not.equal(undefined);
    expect(known(from + 7000)).to.equal(undefined);
  });
});
