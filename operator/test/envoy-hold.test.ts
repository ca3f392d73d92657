/** Requests held by a real Envoy until the control plane lets them go. Skipped unless WHERRY_ENVOY names the binary. */
import { once } from 'node:events';
import { type ClientRequest, createServer, request, type Server } from 'node:http';
import { connect, createServer as createH2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { type RunningEnvoy, startEnvoy } from '../../e2e/harness/envoy.ts';
import { eventually } from '../../e2e/harness/load.ts';
import { formatRevision, type RevisionRef } from '../src/api/revision.ts';
import type { Endpoint, RouteChange } from '../src/api/route-table.ts';
import type { RouterFact, WaitingCount } from '../src/api/router-fact.ts';
import { RouterFleet } from '../src/router/fleet.ts';
import { HOLD_LIMITS } from '../src/router/hold.ts';
import type { Release } from '../src/router/releases.ts';
import { RouterControl } from '../src/router/router-control.ts';
import { HTTP_PORT } from '../src/router/shared-resources.ts';

const binary = process.env.WHERRY_ENVOY;
const HOST = 'iris-default.example.com';
const KEY = 'default/iris';
const XDS_PORT = 18_012;
const ADMIN_PORT = 18_013;
const REF: RevisionRef = {
  namespace: 'default',
  service: 'iris',
  component: 'predictor',
  revision: 1,
};

interface Routes {
  readonly held: boolean;
  /** The pods that are ready. */
  readonly pods?: { readonly http: Endpoint; readonly grpc: Endpoint };
  readonly concurrency?: number;
}

function iris({ held, pods, concurrency }: Routes): RouteChange {
  const share = { ref: REF, percent: 100, weight: 100, grpc: true };
  const endpoints = (port: 'http' | 'grpc') => (pods === undefined ? [] : [pods[port]]);
  return {
    key: KEY,
    entry: {
      route: {
        key: KEY,
        hosts: [HOST],
        pathPrefix: '/serving/default/iris',
        timeoutSeconds: 5,
        ...(concurrency && { concurrency }),
        targets: [held ? { ...share, held } : share],
      },
      clusters: [
        { ref: REF, port: 'http', protocol: 'http1', endpoints: endpoints('http') },
        { ref: REF, port: 'grpc', protocol: 'h2c', endpoints: endpoints('grpc') },
      ],
    },
  };
}

(binary === undefined ? describe.skip : describe)('Envoy that holds requests', function () {
  this.timeout(60_000);
  let fleet: RouterFleet;
  let control: RouterControl;
  let envoy: RunningEnvoy;
  let http: Server;
  let grpc: ReturnType<typeof createH2Server>;
  let pods: NonNullable<Routes['pods']>;
  let waiting: readonly WaitingCount[] = [];
  let releases: Release[] = [];
  let underWay = 0;
  let most = 0;

  async function startControlPlane(first: RouteChange): Promise<void> {
    fleet = new RouterFleet();
    control = new RouterControl({
      onFacts: (facts: readonly RouterFact[]) => {
        for (const fact of facts) if (fact.kind === 'waiting') waiting = fact.counts;
        fleet.apply(facts);
      },
      onRelease: (release) => releases.push(release),
      onFailure: (error) => {
        throw error;
      },
    });
    control.update([first]);
    await control.listen(`127.0.0.1:${XDS_PORT}`);
  }

  async function publish(routes: Routes): Promise<void> {
    control.update([iris(routes)]);
    const held = routes.held ? true : undefined;
    await eventually('the routes are acknowledged', () => {
      return fleet.acknowledged(KEY)?.[0]?.held === held && fleet.acknowledged(KEY) !== undefined;
    });
  }

  const waits = (count: number) =>
    eventually(`${count} wait`, () => (waiting[0]?.count ?? 0) === count);

  function ask(body = '', path = '/v2', headers: Record<string, string> = { host: HOST }) {
    const options = { method: 'POST', headers: { ...headers, connection: 'close' } };
    const asked = request(`http://127.0.0.1:${HTTP_PORT}${path}`, options);
    asked.on('error', () => undefined);
    return asked.end(body);
  }

  async function answer(asked: ClientRequest) {
    const [res] = await once(asked, 'response');
    let body = '';
    for await (const chunk of res) body += chunk;
    return { status: res.statusCode, retryAfter: res.headers['retry-after'], body };
  }

  /** Sums Envoy's statistics whose names match `filter`. */
  async function statistics(filter: string): Promise<number> {
    const url = `http://127.0.0.1:${ADMIN_PORT}/stats?filter=${filter}&format=json`;
    const { stats } = (await (await fetch(url)).json()) as {
      stats: { name: string; value: number }[];
    };
    return stats.reduce((sum, { value }) => sum + (value ?? 0), 0);
  }

  const checks = () => statistics('ext_authz.(ok|denied|error)$');
  const retries = () => statistics('cluster.xds.upstream_rq_retry$');

  before(async () => {
    http = createServer(async (req, res) => {
      most = Math.max(most, ++underWay);
      let bytes = 0;
      for await (const chunk of req) bytes += chunk.length;
      await new Promise((resolve) => setTimeout(resolve, 20));
      underWay--;
      res.end(`${bytes} ${req.url} ${req.headers.host}`);
    });
    grpc = createH2Server();
    grpc.on('stream', (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.end('grpc answer');
    });
    const endpoints = [http, grpc].map(async (server): Promise<Endpoint> => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      return { address: '127.0.0.1', port, state: 'healthy' };
    });
    const [ofHttp, ofGrpc] = await Promise.all(endpoints);
    pods = { http: ofHttp as Endpoint, grpc: ofGrpc as Endpoint };
    await startControlPlane(iris({ held: true }));
    envoy = await startEnvoy(binary as string, { xdsPort: XDS_PORT, adminPort: ADMIN_PORT });
  });

  beforeEach(async () => {
    most = 0;
    await publish({ held: true });
    await waits(0);
  });

  after(async () => {
    envoy.stop();
    await control.close();
    http.close();
    grpc.close();
  });

  it('lets large and small requests wait, by host and by path, and sends them when there is a pod', async () => {
    const large = answer(ask('x'.repeat(3 << 20)));
    const byPath = answer(ask('1234', '/serving/default/iris/v2', { host: 'other.example.com' }));
    await waits(2);
    expect(waiting.map(({ ref }) => formatRevision(ref))).to.deep.equal([
      'default/iris-predictor-00001',
    ]);
    control.update([iris({ held: true, pods })]);
    expect(await large).to.include({ status: 200, body: `${3 << 20} /v2 ${HOST}` });
    expect(await byPath).to.include({ status: 200, body: '4 /v2 other.example.com' });
    await waits(0);
  });

  it('tells since when the first one waited that it lets go, and what it waited for', async () => {
    releases = [];
    const before = Date.now();
    const answers = [answer(ask('1')), answer(ask('2'))];
    await waits(2);
    const ready = Date.now();
    control.update([iris({ held: true, pods })]);
    await Promise.all(answers);
    await eventually('it is told', () => releases.length > 0);
    const [{ ref, heldAt, acknowledgedAt, releasedAt }, ...others] = releases as [Release];
    expect([formatRevision(ref), others]).to.deep.equal(['default/iris-predictor-00001', []]);
    expect(heldAt).to.be.within(before, ready);
    expect(acknowledgedAt).to.be.within(ready, releasedAt);
  });

  it('asks once about a request, however long it waits', async () => {
    const before = await retries();
    const asked = answer(ask('1'));
    await waits(1);
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(await retries()).to.equal(before);
    control.update([iris({ held: true, pods })]);
    expect(await asked).to.include({ status: 200 });
  });

  it('lets gRPC wait for its own port', async () => {
    const client = connect(`http://127.0.0.1:${HTTP_PORT}`);
    const stream = client.request({
      ...{ ':method': 'POST', ':path': '/inference/ModelInfer', ':authority': HOST },
      ...{ 'content-type': 'application/grpc', te: 'trailers' },
    });
    stream.end('question');
    await waits(1);
    control.update([iris({ held: true, pods })]);
    let text = '';
    for await (const chunk of stream) text += chunk;
    expect(text).to.equal('grpc answer');
    client.close();
  });

  it('asks nobody where the revision is not held', async () => {
    await publish({ held: false, pods });
    const before = await checks();
    for (const [path, host] of [
      ['/v2', HOST],
      ['/serving/default/iris/v2', 'other.example.com'],
    ] as const) {
      expect(await answer(ask('1', path, { host }))).to.include({ status: 200 });
    }
    expect(await checks()).to.equal(before);
    await publish({ held: true, pods });
    expect(await answer(ask('1'))).to.include({ status: 200 });
    expect(await checks()).to.be.above(before);
  });

  it('forgets clients that are gone', async () => {
    const gone = Array.from({ length: 5 }, () => ask('x'.repeat(100_000)));
    const stays = answer(ask('1'));
    await waits(6);
    for (const one of gone) one.destroy();
    await waits(1);
    control.update([iris({ held: true, pods })]);
    expect(await stays).to.include({ status: 200 });
  });

  it('gives no pod more at once than it may have', async () => {
    const answers = Array.from({ length: 7 }, () => answer(ask('1')));
    await waits(7);
    control.update([iris({ held: true, pods, concurrency: 3 })]);
    for (const { status } of await Promise.all(answers)) expect(status).to.equal(200);
    expect(most).to.be.at.most(3);
  });

  it('sends those away that are too many', async () => {
    const asked = Array.from({ length: HOLD_LIMITS.requests }, () => ask());
    await waits(HOLD_LIMITS.requests);
    expect(await answer(ask())).to.deep.equal({
      status: 429,
      retryAfter: '1',
      body: '{"error":"too many requests wait for a pod of this service already"}',
    });
    for (const one of asked) one.destroy();
  });

  it('lets requests wait on while its control plane is away', async () => {
    const waits3 = Array.from({ length: 3 }, () => answer(ask('1')));
    await waits(3);
    await control.close();
    await startControlPlane(iris({ held: true }));
    await waits(3);
    control.update([iris({ held: true, pods })]);
    for (const { status } of await Promise.all(waits3)) expect(status).to.equal(200);
  });
});
