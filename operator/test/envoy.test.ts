/** The control plane against a real Envoy: weights, drain, switch under load, refusal, reconnect, load reports. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, createServer as createH2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { type RunningEnvoy, startEnvoy } from '../../e2e/harness/envoy.ts';
import { eventually, Load } from '../../e2e/harness/load.ts';
import type { Endpoint, LoadReport, RouteTable } from '../src/api/route-table.ts';
import { ControlPlane } from '../src/router/ads.ts';
import { HTTP_PORT } from '../src/router/envoy.ts';
import { EnvoyProtos } from '../src/router/protos.ts';

const binary = process.env.WHERRY_ENVOY;
const URL_ = `http://127.0.0.1:${HTTP_PORT}/`;
const XDS_PORT = 18_011;

interface Backend {
  readonly endpoint: Endpoint;
  readonly server: Server;
}

async function backend(name: string, delay = 0): Promise<Backend> {
  const server = createServer((req, res) => {
    req.resume();
    req.on('end', () => setTimeout(() => res.end(`${name} ${req.url}`), delay));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, endpoint: { address: '127.0.0.1', port, state: 'healthy' } };
}

function table(
  shares: Record<string, { percent: number; endpoints: readonly Endpoint[] }>,
): RouteTable {
  return {
    routes: [
      {
        key: 'default/iris',
        hosts: ['iris-default.example.com'],
        pathPrefix: '/serving/default/iris',
        timeoutSeconds: 2,
        targets: Object.entries(shares).map(([revision, { percent }]) => ({
          revision,
          percent,
          weight: percent,
          cluster: `default/${revision}`,
        })),
      },
    ],
    clusters: Object.entries(shares).map(([revision, { endpoints }]) => ({
      name: `default/${revision}`,
      protocol: 'http1',
      endpoints,
    })),
  };
}

(binary === undefined ? describe.skip : describe)('control plane with Envoy', function () {
  this.timeout(60_000);
  const refused: string[] = [];
  const reports: LoadReport[] = [];
  const protos = new EnvoyProtos();
  const backends: Record<string, Backend> = {};
  let controlPlane: ControlPlane;
  let envoy: RunningEnvoy;

  async function startControlPlane(): Promise<void> {
    controlPlane = new ControlPlane({
      protos,
      onAcknowledged: () => undefined,
      onLoad: (report) => reports.push(report),
      onRefused: (router, type, reason) => refused.push(`${router} ${type} ${reason}`),
    });
    await controlPlane.listen(`127.0.0.1:${XDS_PORT}`);
  }

  const shareOf = (name: string, percent: number, state: Endpoint['state'] = 'healthy') => ({
    [name]: { percent, endpoints: [{ ...(backends[name] as Backend).endpoint, state }] },
  });

  async function publish(next: RouteTable): Promise<void> {
    controlPlane.update(next);
    const wanted = JSON.stringify(next.routes[0]);
    await eventually(
      'the routes are acknowledged',
      () => JSON.stringify(controlPlane.acknowledged('default/iris')) === wanted,
    );
  }

  /** Endpoints alone are not acknowledged with the routes: before a load starts, they have to answer. */
  async function publishAndAnswer(next: RouteTable, text: string): Promise<void> {
    await publish(next);
    await eventually(`${text} answers`, async () => (await ask()).text === text);
  }

  const ask = (
    path = '/',
    headers: Record<string, string> = { host: 'iris-default.example.com' },
  ) =>
    new Promise<{ status: number; text: string; revision: string }>((resolve, reject) => {
      import('node:http').then(({ request }) => {
        const req = request(`http://127.0.0.1:${HTTP_PORT}${path}`, { headers }, (res) => {
          let text = '';
          res.on('data', (chunk: Buffer) => {
            text += chunk;
          });
          res.on('end', () =>
            resolve({
              status: res.statusCode ?? 0,
              text,
              revision: String(res.headers['x-wherry-revision']),
            }),
          );
        });
        req.on('error', reject);
        req.end();
      }, reject);
    });

  before(async () => {
    for (const name of ['r1', 'r2']) backends[name] = await backend(name);
    await startControlPlane();
    controlPlane.update(table(shareOf('r1', 100)));
    envoy = await startEnvoy(binary as string, XDS_PORT);
  });

  after(async () => {
    envoy.stop();
    controlPlane.close();
    for (const { server } of Object.values(backends)) server.close();
  });

  it('routes by host and by path, and says what has no route', async () => {
    await publish(table(shareOf('r1', 100)));
    expect(await ask('/v2')).to.deep.equal({ status: 200, text: 'r1 /v2', revision: 'r1' });
    const withPort = await ask('/v2', { host: 'iris-default.example.com:8080' });
    expect(withPort.text).to.equal('r1 /v2');
    const byPath = await ask('/serving/default/iris/v2/x', { host: 'localhost' });
    expect(byPath.text).to.equal('r1 /v2/x');
    const none = await ask('/v2', { host: 'other' });
    expect([none.status, JSON.parse(none.text)]).to.deep.equal([
      404,
      { error: 'no service has this host or path' },
    ]);
  });

  it('answers 503 as JSON while a service has no endpoint', async () => {
    await publish(table({ r1: { percent: 100, endpoints: [] } }));
    await eventually('the endpoint is gone', async () => (await ask()).status === 503);
    const { status, text } = await ask();
    expect([status, JSON.parse(text)]).to.deep.equal([503, { error: 'no healthy upstream' }]);
  });

  it('splits by weight within 3 points and loses nothing while revisions are switched under load', async () => {
    await publishAndAnswer(table(shareOf('r1', 100)), 'r1 /');
    const load = new Load({ url: URL_, host: 'iris-default.example.com', body: '{}', rate: 400 });
    await publish(table({ ...shareOf('r2', 30), ...shareOf('r1', 70) }));
    const from = load.now;
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const shares = load.shares(from + 100);
    for (let i = 0; i < 20; i++) {
      await publish(table(shareOf('r2', 100)));
      await publish(table(shareOf('r1', 100)));
    }
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    expect(load.outcomes.length).to.be.greaterThan(1500);
    expect(shares.r2).to.be.closeTo(30, 3);
  });

  it('sends nothing new to a draining endpoint', async () => {
    const both = [
      { ...(backends.r1 as Backend).endpoint, state: 'draining' as const },
      (backends.r2 as Backend).endpoint,
    ];
    await publish(table({ r1: { percent: 100, endpoints: both } }));
    await eventually('the endpoint drains', async () => (await ask()).text.startsWith('r2'));
    for (let i = 0; i < 30; i++) expect((await ask()).text).to.equal('r2 /');
  });

  it('ends a request that takes longer than its timeout', async () => {
    const slow = await backend('slow', 10_000);
    await publish(table({ slow: { percent: 100, endpoints: [slow.endpoint] } }));
    const { status, text } = await ask();
    slow.server.closeAllConnections();
    slow.server.close();
    expect([status, JSON.parse(text)]).to.deep.equal([504, { error: 'upstream request timeout' }]);
  });

  it('speaks h2c with clients, and with gRPC backends', async () => {
    const h2 = createH2Server();
    h2.on('stream', (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.end('over h2');
    });
    h2.listen(0, '127.0.0.1');
    await once(h2, 'listening');
    const base = table(shareOf('r1', 100));
    const [route] = base.routes;
    const [target] = route?.targets ?? [];
    if (route === undefined || target === undefined) throw new Error('no route');
    await publish({
      routes: [{ ...route, targets: [{ ...target, grpcCluster: 'default/r1/grpc' }] }],
      clusters: [
        ...base.clusters,
        {
          name: 'default/r1/grpc',
          protocol: 'h2c',
          endpoints: [
            { address: '127.0.0.1', port: (h2.address() as AddressInfo).port, state: 'healthy' },
          ],
        },
      ],
    });
    const client = connect(`http://127.0.0.1:${HTTP_PORT}`);
    const call = async (contentType: string) => {
      const stream = client.request({
        ':method': 'POST',
        ':path': '/x',
        ':authority': 'iris-default.example.com',
        'content-type': contentType,
      });
      stream.end();
      let text = '';
      for await (const chunk of stream) text += chunk;
      return text;
    };
    expect(await call('application/json')).to.equal('r1 /x');
    expect(await call('application/grpc')).to.equal('over h2');
    client.close();
    h2.close();
  });

  it('reports load: requests of the last second, and zero when quiet', async () => {
    await publishAndAnswer(table(shareOf('r1', 100)), 'r1 /');
    reports.length = 0;
    const load = new Load({ url: URL_, host: 'iris-default.example.com', body: '{}', rate: 100 });
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await load.stop();
    const rates = reports.map(
      ({ seconds, clusters }) => (clusters['default/r1']?.requests ?? 0) / seconds,
    );
    expect(Math.max(...rates)).to.be.within(80, 120);
    await eventually(
      'a quiet report',
      () =>
        reports.at(-1)?.clusters['default/r1']?.requests === 0 ||
        reports.at(-1)?.clusters['default/r1'] === undefined,
    );
    expect(reports.at(-1)?.router).to.equal('router-1');
  });

  it('keeps the old configuration when a router refuses the new one, and goes on with the next', async () => {
    await publish(table(shareOf('r1', 100)));
    const bad = table(shareOf('r2', 100));
    const [route] = bad.routes;
    if (route === undefined) throw new Error('no route');
    refused.length = 0;
    controlPlane.update({ ...bad, routes: [route, { ...route, key: 'default/twin' }] });
    await eventually('the refusal is told', () => refused.length > 0);
    expect(refused[0]).to.match(/^router-1 routes .*iris-default\.example\.com/);
    expect((await ask()).text).to.equal('r1 /');
    await publish(bad);
    expect((await ask()).text).to.equal('r2 /');
  });

  it('goes on without its control plane, and takes up with a new one', async () => {
    await publishAndAnswer(table(shareOf('r1', 100)), 'r1 /');
    const load = new Load({ url: URL_, host: 'iris-default.example.com', body: '{}', rate: 100 });
    controlPlane.close();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await startControlPlane();
    expect(controlPlane.inUse('default/iris'), 'not known yet').to.equal(undefined);
    // As on a cluster: the old revision has pods until no router uses it, and so keeps its cluster.
    const { clusters } = table({ ...shareOf('r1', 0), ...shareOf('r2', 100) });
    await publish({ ...table(shareOf('r2', 100)), clusters });
    await eventually('traffic has moved', async () => (await ask()).text === 'r2 /');
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    expect(controlPlane.inUse('default/iris')).to.deep.equal(['r2']);
    controlPlane.expect(['router-1', 'router-2']);
    expect(controlPlane.acknowledged('default/iris'), 'router-2 has not told').to.equal(undefined);
    expect(controlPlane.inUse('default/iris')).to.equal(undefined);
    controlPlane.expect(['router-1']);
    expect(controlPlane.acknowledged('default/iris')?.targets[0]?.revision).to.equal('r2');
  });
});
