/**
 * The control plane against a real Envoy: routes, weights, drain, switch under load, refusal, reconnect, load
 * reports, TLS. Skipped unless WHERRY_ENVOY names the binary.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { type ClientHttp2Session, connect, createServer as createH2Server } from 'node:http2';
import { type AddressInfo, createConnection, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import { type RunningEnvoy, startEnvoy } from '../../e2e/harness/envoy.ts';
import { eventually, Load } from '../../e2e/harness/load.ts';
import { type RevisionRef, revisionName } from '../src/api/revision.ts';
import type { Endpoint, LoadReport, Route, RouteChange, Share } from '../src/api/route-table.ts';
import type { RouterFact } from '../src/api/router-fact.ts';
import type { Role } from '../src/certificates/identity.ts';
import { drawIssuance, issueAuthority, issueLeaf } from '../src/certificates/issue.ts';
import { RouterFleet } from '../src/router/fleet.ts';
import { RouterControl } from '../src/router/router-control.ts';
import { HTTP_PORT } from '../src/router/shared-resources.ts';

const binary = process.env.WHERRY_ENVOY;
const HOST = 'iris-default.example.com';
const XDS_PORT = 18_011;
const KEY = 'default/iris';

interface Backend {
  readonly endpoint: Endpoint;
  readonly server: Server;
}

/** Answers with its name, the path and the host that it was asked for. */
async function backend(name: string, delay = 0): Promise<Backend> {
  const server = createServer((req, res) => {
    req.resume();
    req.on('end', () => setTimeout(() => res.end(`${name} ${req.url} ${req.headers.host}`), delay));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, endpoint: { address: '127.0.0.1', port, state: 'healthy' } };
}

function ref(service: string, revision: number): RevisionRef {
  return { namespace: 'default', service, component: 'predictor', revision };
}

/** Percent and endpoints by number of the revision; a revision without percent has only its cluster. */
type Shares = Readonly<
  Record<number, { readonly percent?: number; readonly endpoints: readonly Endpoint[] }>
>;

function service(name: string, shares: Shares, route: Partial<Route> = {}): RouteChange {
  const key = `default/${name}`;
  const revisions = Object.entries(shares).map(([n, share]) => ({ n: Number(n), ...share }));
  return {
    key,
    entry: {
      route: {
        key,
        hosts: [`${name}-default.example.com`],
        pathPrefix: `/serving/default/${name}`,
        timeoutSeconds: 2,
        targets: revisions.flatMap(({ n, percent }) =>
          percent === undefined
            ? []
            : [{ ref: ref(name, n), percent, weight: percent, grpc: false }],
        ),
        ...route,
      },
      clusters: revisions.map(({ n, endpoints }) => ({
        ref: ref(name, n),
        port: 'http',
        protocol: 'http1',
        endpoints,
      })),
    },
  };
}

/** Percent by the name of the revision. */
function percents(shares: readonly Share[] | undefined) {
  return (
    shares && Object.fromEntries(shares.map(({ ref, percent }) => [revisionName(ref), percent]))
  );
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly revision: string;
}

const ask = (path = '/', headers: Record<string, string> = { host: HOST }) =>
  new Promise<Answer>((resolve, reject) => {
    const req = request(`http://127.0.0.1:${HTTP_PORT}${path}`, { headers }, (res) => {
      let text = '';
      res.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      const revision = String(res.headers['x-wherry-revision']);
      res.on('end', () => resolve({ status: res.statusCode ?? 0, text, revision }));
    });
    req.on('error', reject);
    req.end();
  });

async function call(client: ClientHttp2Session, path: string, headers: Record<string, string>) {
  const stream = client.request({ ':method': 'POST', ':path': path, ...headers });
  stream.end();
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

(binary === undefined ? describe.skip : describe)('control plane with Envoy', function () {
  this.timeout(60_000);
  const facts: RouterFact[] = [];
  const reports: LoadReport[] = [];
  const backends: Record<string, Backend> = {};
  let fleet: RouterFleet;
  let control: RouterControl;
  let envoy: RunningEnvoy;

  async function startControlPlane(...services: RouteChange[]): Promise<void> {
    fleet = new RouterFleet();
    control = new RouterControl({
      onFacts: (news) => {
        facts.push(...news);
        for (const fact of news) {
          if (fact.kind === 'load' && fact.report) reports.push(fact.report);
        }
        fleet.apply(news);
      },
      onFailure: (error) => {
        throw error;
      },
    });
    control.update(services);
    await control.listen(`127.0.0.1:${XDS_PORT}`);
  }

  const endpointOf = (name: string) => (backends[name] as Backend).endpoint;
  const share = (revision: number, percent?: number): Shares => ({
    [revision]: { percent, endpoints: [endpointOf(`r${revision}`)] },
  });
  const iris = (shares: Shares, route: Partial<Route> = {}) => service('iris', shares, route);

  const acknowledged = (key: string) => percents(fleet.acknowledged(key));
  const refusals = () => facts.flatMap((fact) => (fact.kind === 'refused' ? [fact.refusal] : []));
  async function publish(change: RouteChange, ...others: RouteChange[]): Promise<void> {
    const { key, entry } = change;
    const wanted = percents(entry?.route.targets);
    control.update([change, ...others]);
    await eventually('the routes are acknowledged', () =>
      isDeepStrictEqual(acknowledged(key), wanted),
    );
  }

  /** Endpoints alone are not acknowledged with the routes: before a load starts, they have to answer. */
  async function publishAndAnswer(change: RouteChange, name: string): Promise<void> {
    control.update([change]);
    await eventually(`${name} answers`, async () => (await ask()).text.startsWith(`${name} `));
  }

  before(async () => {
    for (const name of ['r1', 'r2']) backends[name] = await backend(name);
    await startControlPlane(iris(share(1, 100)));
    envoy = await startEnvoy(binary as string, { xdsPort: XDS_PORT });
  });

  after(async () => {
    envoy.stop();
    await control.close();
    for (const { server } of Object.values(backends)) server.close();
  });

  it('routes by host, and says what has no route', async () => {
    const revision = 'iris-predictor-00001';
    expect(await ask('/v2')).to.deep.equal({ status: 200, text: `r1 /v2 ${HOST}`, revision });
    for (const host of [`${HOST}:8080`, `${HOST}.`, HOST.toUpperCase()]) {
      expect((await ask('/v2', { host })).text).to.match(/^r1 \/v2 /);
    }
    const none = await ask('/v2', { host: 'other' });
    expect([none.status, JSON.parse(none.text)]).to.deep.equal([
      404,
      {
        error:
          'no service has this host or path; inside the cluster a host needs the namespace, as in iris-predictor.default, which a bare name does not tell',
      },
    ]);
    const elsewhere = await ask('/v2', { host: 'other.example.com' });
    expect([elsewhere.status, JSON.parse(elsewhere.text)]).to.deep.equal([
      404,
      { error: 'no service has this host or path' },
    ]);
  });

  it('routes by the address of a Service, of either family', async () => {
    const hosts = ['10.96.7.1', '[fd00::7:1]'];
    await publish(service('address', share(1, 100), { hosts }));
    for (const host of [...hosts, '10.96.7.1:80', '[fd00::7:1]:80']) {
      expect((await ask('/v2', { host })).text, host).to.match(/^r1 \/v2 /);
    }
    control.update([{ key: 'default/address' }]);
  });

  it('lets WebSockets through, longer than the timeout of a request, and tells of other upgrades', async () => {
    const upgrade = (kind: string) =>
      request(`http://127.0.0.1:${HTTP_PORT}/echo`, {
        headers: { host: HOST, connection: 'Upgrade', upgrade: kind },
      }).end();
    const { server } = backends.r1 as Backend;
    server.once('upgrade', (_, socket) => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      );
      socket.pipe(socket);
    });
    const [, socket] = (await once(upgrade('websocket'), 'upgrade')) as [unknown, Socket];
    await new Promise((resolve) => setTimeout(resolve, 3000));
    socket.write('ping');
    expect(String((await once(socket, 'data'))[0])).to.equal('ping');
    socket.destroy();
    const [refused] = (await once(upgrade('other'), 'response')) as [IncomingMessage];
    expect(refused.statusCode).to.equal(403);
    expect(JSON.parse(String((await once(refused, 'data'))[0]))).to.deep.equal({
      error: 'this upgrade of the connection is not supported: WebSocket is',
    });
  });

  it('takes HTTP/1.0', async () => {
    const socket = createConnection(HTTP_PORT, '127.0.0.1');
    socket.write(`GET /v2 HTTP/1.0\r\nHost: ${HOST}\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text)
      .to.match(/^HTTP\/1\.[01] 200 /)
      .and.include('r1 /v2');
  });

  it('routes by path on any other host, which the pod still sees', async () => {
    const local = service('local', share(1, 100), { pathPrefix: undefined });
    await publish(local);
    const byPath = async (path: string, headers: Record<string, string> = {}) => {
      const { status, text } = await ask(path, { host: 'localhost', ...headers });
      return status === 200 ? text : status;
    };
    expect(await byPath('/serving/default/iris/v2/x')).to.equal('r1 /v2/x localhost');
    expect(await byPath('/serving/default/iris/a%2Fb%20c?q=/z%20&e')).to.equal(
      'r1 /a%2Fb%20c?q=/z%20&e localhost',
    );
    expect(await byPath('/serving/default/iris')).to.equal('r1 / localhost');
    expect(await byPath('/serving/default/iris?q')).to.equal('r1 /?q localhost');
    for (const path of ['local/v2', 'iris2/v2', 'IRIS/v2', 'iris;x/v2', '', 'iris/../../../v2']) {
      expect(await byPath(`/serving/default/${path}`), path).to.equal(404);
    }
    expect(await byPath('/serving/a/b/serving/default/iris/v2')).to.equal(404);
    const other = service('other', share(2, 100));
    await publish(other);
    const onOther = await ask('/serving/default/iris/v2', { host: 'other-default.example.com' });
    expect(onOther.text, 'a host counts more than a path').to.match(
      /^r2 \/serving\/default\/iris\/v2 /,
    );
    control.update([{ key: 'default/other' }]);
    const spoofed = { 'x-wherry-path-host': 'evil' };
    expect(await byPath('/serving/default/iris/', spoofed)).to.equal('r1 / localhost');
    expect((await ask('/', { host: HOST, ...spoofed })).text).to.equal(`r1 / ${HOST}`);
    control.update([{ key: 'default/local' }]);
  });

  it('answers 503 as JSON while a service has no endpoint', async () => {
    control.update([iris({ 1: { percent: 100, endpoints: [] } })]);
    const { text } = await eventually('the endpoint is gone', async () => {
      const answer = await ask();
      return answer.status === 503 && answer;
    });
    expect(JSON.parse(text)).to.deep.equal({ error: 'no healthy upstream' });
  });

  it('splits by weight within 3 points and loses nothing while revisions are switched under load', async () => {
    await publishAndAnswer(iris(share(1, 100)), 'r1');
    const url = `http://127.0.0.1:${HTTP_PORT}/`;
    const load = new Load({ url, host: HOST, body: '{}', rate: 400 });
    await publish(iris({ ...share(2, 30), ...share(1, 70) }));
    const from = load.now;
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const shares = load.shares(from + 100);
    for (let i = 0; i < 20; i++) {
      await publish(iris(share(2, 100)));
      await publish(iris(share(1, 100)));
    }
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    expect(load.outcomes.length).to.be.greaterThan(1500);
    expect(shares['iris-predictor-00002']).to.be.closeTo(30, 3);
  });

  it('sends nothing new to a draining endpoint', async () => {
    const both = [{ ...endpointOf('r1'), state: 'draining' as const }, endpointOf('r2')];
    await publishAndAnswer(iris({ 1: { percent: 100, endpoints: both } }), 'r2');
    for (let i = 0; i < 30; i++) expect((await ask()).text).to.match(/^r2 /);
  });

  it('ends a request that takes longer than its timeout', async () => {
    const slow = await backend('slow', 10_000);
    await publish(iris({ 3: { percent: 100, endpoints: [slow.endpoint] } }));
    const { status, text } = await ask();
    slow.server.closeAllConnections();
    slow.server.close();
    expect([status, JSON.parse(text)]).to.deep.equal([504, { error: 'upstream request timeout' }]);
  });

  it('speaks h2c with clients, and with gRPC backends, by host and by path', async () => {
    const h2 = createH2Server();
    h2.on('stream', (stream, headers) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.end(`over h2 ${headers[':path']}`);
    });
    h2.listen(0, '127.0.0.1');
    await once(h2, 'listening');
    const { port } = h2.address() as AddressInfo;
    const { entry } = iris(share(1, 100), {
      targets: [{ ref: ref('iris', 1), percent: 100, weight: 100, grpc: true }],
    });
    if (entry === undefined) throw new Error('no entry');
    const grpc = {
      ref: ref('iris', 1),
      port: 'grpc',
      protocol: 'h2c',
      endpoints: [{ address: '127.0.0.1', port, state: 'healthy' }],
    } as const;
    await publish({ key: KEY, entry: { ...entry, clusters: [...entry.clusters, grpc] } });
    const client = connect(`http://127.0.0.1:${HTTP_PORT}`);
    const byHost = { ':authority': HOST };
    const byPath = { ':authority': 'localhost' };
    const type = { 'content-type': 'application/grpc' };
    expect(await call(client, '/x', byHost)).to.equal(`r1 /x ${HOST}`);
    expect(await call(client, '/x', { ...byHost, ...type })).to.equal('over h2 /x');
    const path = '/serving/default/iris/inference.GRPCInferenceService/ModelInfer';
    expect(await call(client, path, { ...byPath, ...type })).to.equal(
      'over h2 /inference.GRPCInferenceService/ModelInfer',
    );
    client.close();
    h2.close();
  });

  it('reports load by revision: requests of the last second, and zero when quiet', async () => {
    await publishAndAnswer(iris(share(1, 100)), 'r1');
    reports.length = 0;
    const url = `http://127.0.0.1:${HTTP_PORT}/`;
    const load = new Load({ url, host: HOST, body: '{}', rate: 100 });
    await new Promise((resolve) => setTimeout(resolve, 4000));
    await load.stop();
    const rates = reports.flatMap(({ clusters }) =>
      clusters.map(({ requests, seconds }) => requests / seconds),
    );
    expect(Math.max(...rates)).to.be.within(80, 120);
    expect(reports.at(-1)?.clusters[0]?.ref).to.deep.equal(ref('iris', 1));
    await eventually('a quiet report', () =>
      (reports.at(-1)?.clusters ?? []).every(({ requests }) => requests === 0),
    );
    expect(reports.at(-1)?.router).to.equal('router-1');
  });

  it('holds back the service that a router refuses, alone, and says so', async () => {
    await publish(service('b', share(1, 100)), iris(share(1, 100)), service('c', share(1, 100)));
    const target = { ref: ref('b', 2), percent: 100, weight: 0, grpc: false };
    facts.length = 0;
    const b = (targets: Route['targets']) => service('b', share(2), { targets });
    control.update([iris(share(2, 100)), b([target]), service('c', share(2, 100))]);
    await eventually('the refusal is told', () => fleet.refused('default/b'));
    await eventually('the others move on', () =>
      ['iris', 'c'].every((name) => {
        const shares = acknowledged(`default/${name}`);
        return shares?.[`${name}-predictor-00002`] === 100;
      }),
    );
    expect(fleet.refused('default/b')).to.match(/^virtualHosts wherry\/default\.b: Sum of weights/);
    expect(refusals().map(({ key, type }) => [key, type])).to.deep.equal([
      ['default/b', 'virtualHosts'],
    ]);
    const texts = async () => {
      const hosts = ['iris', 'b', 'c'].map((name) => ({ host: `${name}-default.example.com` }));
      const answers = await Promise.all(hosts.map((headers) => ask('/', headers)));
      return answers.map(({ text }) => text.split(' ')[0]);
    };
    expect(await texts()).to.deep.equal(['r2', 'r1', 'r2']);
    await publish(b([{ ...target, weight: 100 }]));
    expect(fleet.refused('default/b')).to.equal(undefined);
    expect(await texts()).to.deep.equal(['r2', 'r2', 'r2']);
  });

  it('refuses the second of two services with one host, and takes it when the first gives it up', async () => {
    await publish(iris(share(1, 100)));
    control.update([service('twin', share(2, 100), { hosts: [HOST] })]);
    await eventually('the refusal is told', () => fleet.refused('default/twin'));
    expect(fleet.refused('default/twin')).to.contain(HOST);
    expect((await ask()).text).to.match(/^r1 /);
    control.update([{ key: KEY }]);
    await eventually('the host moves', async () => (await ask()).text.startsWith('r2 '));
    expect(fleet.refused('default/twin')).to.equal(undefined);
    await publish(iris(share(1, 100)), { key: 'default/twin' });
    expect((await ask()).text).to.match(/^r1 /);
  });

  it('goes on without its control plane, and takes up with a new one, which learns what it has', async () => {
    await publishAndAnswer(iris(share(1, 100)), 'r1');
    const url = `http://127.0.0.1:${HTTP_PORT}/`;
    const load = new Load({ url, host: HOST, body: '{}', rate: 100 });
    await control.close();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    facts.length = 0;
    // As on a cluster: the old revision has pods until no router uses it, and so keeps its cluster.
    await startControlPlane(
      iris({ ...share(1), ...share(2, 100) }),
      service('c', share(2, 100)),
      service('b', share(2, 100)),
    );
    expect(fleet.inUse(KEY), 'not known yet').to.equal(undefined);
    await eventually('traffic has moved', async () => (await ask()).text.startsWith('r2 '));
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    const first = facts.find((fact) => fact.kind === 'routes' && fact.key === KEY);
    expect(first).to.deep.include({ routes: { unknown: true } });
    const sent = facts.filter(
      (fact) => fact.kind === 'routes' && fact.routes?.pending && fact.key !== KEY,
    );
    expect(sent, 'what has not changed is not sent').to.deep.equal([]);
    expect(acknowledged('default/c')).to.deep.equal({ 'c-predictor-00002': 100 });
    // The first report may still have requests of the old revision, from before the traffic moved.
    await eventually('reports tell of the new revision alone', () =>
      isDeepStrictEqual(fleet.inUse(KEY)?.map(revisionName), ['iris-predictor-00002']),
    );
  });

  it('waits for a second router, and tells a late consumer what it knows', async () => {
    fleet.expect(['router-1', 'router-2']);
    expect(fleet.acknowledged(KEY), 'router-2 has not told').to.equal(undefined);
    expect(fleet.inUse(KEY)).to.equal(undefined);
    const second = await startEnvoy(binary as string, {
      xdsPort: XDS_PORT,
      name: 'router-2',
      waitUntilReady: false,
    });
    try {
      await eventually('both have told', () => fleet.acknowledged(KEY) && fleet.inUse(KEY));
      expect(fleet.connected).to.equal(2);
      const late = new RouterFleet();
      late.expect(['router-1', 'router-2']);
      fleet = late;
      control.tellAgain();
      await eventually('the late one knows', () => late.acknowledged(KEY));
      expect(percents(late.acknowledged(KEY))).to.deep.equal({ 'iris-predictor-00002': 100 });
    } finally {
      second.stop();
    }
    await eventually('it is gone', () => fleet.connected === 1);
    fleet.expect(['router-1']);
    expect(acknowledged(KEY)).to.deep.equal({ 'iris-predictor-00002': 100 });
  });

  it('takes only routers with a certificate when it has one itself', async () => {
    const { operator, router } = await certificates();
    await control.close();
    fleet = new RouterFleet();
    control = new RouterControl({
      onFacts: (news) => fleet.apply(news),
      onFailure: (error) => {
        throw error;
      },
    });
    control.update([iris(share(2, 100))]);
    await control.listen(`127.0.0.1:${XDS_PORT}`, operator);
    const bare = await startEnvoy(binary as string, {
      xdsPort: XDS_PORT,
      name: 'without-certificate',
      tls: { ...router, cert: '', key: '' },
      waitUntilReady: false,
    });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    bare.stop();
    expect(fleet.connected).to.equal(0);
    const known = await startEnvoy(binary as string, {
      xdsPort: XDS_PORT,
      name: 'with-certificate',
      tls: router,
      waitUntilReady: false,
    });
    try {
      await eventually('the router is served', () => fleet.acknowledged(KEY), 20);
    } finally {
      known.stop();
    }
  });
});

/** Certificates of one authority, for the control plane and for a router. */
async function certificates() {
  const now = new Date();
  const authority = await issueAuthority(drawIssuance(now));
  const issue = async (role: Role) => {
    const leaf = await issueLeaf({ ...drawIssuance(now), role, dnsNames: [], authority });
    return { ...leaf, ca: authority.cert };
  };
  return { operator: await issue('operator'), router: await issue('router') };
}
