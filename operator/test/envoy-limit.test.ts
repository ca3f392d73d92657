/** Pods whose requests a real Envoy limits. Skipped unless WHERRY_ENVOY names the binary. */
import { once } from 'node:events';
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type Server,
} from 'node:http';
import { connect, createServer as createH2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { type RunningEnvoy, startEnvoy } from '../../e2e/harness/envoy.ts';
import { eventually } from '../../e2e/harness/load.ts';
import type { RevisionRef } from '../src/api/revision.ts';
import type { Endpoint, LoadReport, RouteChange } from '../src/api/route-table.ts';
import type { RouterFact } from '../src/api/router-fact.ts';
import { connectionLimit } from '../src/plan/request-limit.ts';
import { RouterControl } from '../src/router/router-control.ts';
import { HTTP_PORT } from '../src/router/shared-resources.ts';

const binary = process.env.WHERRY_ENVOY;
const HOST = 'own-default.example.com';
const KEY = 'default/own';
const XDS_PORT = 18_014;
const WORKERS = 2;
const REF: RevisionRef = {
  namespace: 'default',
  service: 'own',
  component: 'predictor',
  revision: 1,
};

/** A server that counts how many requests it has at once. */
class CountingServer {
  most = 0;
  #underWay = 0;

  /** Takes a request, and resolves when it is to be answered. */
  async handle(ms: number): Promise<void> {
    this.most = Math.max(this.most, ++this.#underWay);
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#underWay--;
  }
}

(binary === undefined ? describe.skip : describe)('Envoy that limits requests', function () {
  this.timeout(60_000);
  const counting = new CountingServer();
  const reports: LoadReport[] = [];
  let control: RouterControl;
  let envoy: RunningEnvoy;
  let http: Server;
  let grpc: ReturnType<typeof createH2Server>;
  let endpoints: Readonly<Record<'http' | 'grpc', Endpoint>>;

  function own(limit: number, routers: number): RouteChange {
    const annotations = { 'serving.wherry.dev/request-limit': String(limit) };
    const metadata = { name: 'own-predictor-00001', annotations };
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata };
    const limited = {
      connectionLimit: connectionLimit(deployment, { count: routers, workers: WORKERS }),
    };
    return {
      key: KEY,
      entry: {
        route: {
          key: KEY,
          hosts: [HOST],
          timeoutSeconds: 50,
          targets: [{ ref: REF, percent: 100, weight: 100, grpc: true }],
        },
        clusters: [
          { ref: REF, port: 'http', protocol: 'http1', ...limited, endpoints: [endpoints.http] },
          { ref: REF, port: 'grpc', protocol: 'h2c', ...limited, endpoints: [endpoints.grpc] },
        ],
      },
    };
  }

  async function listen(server: Server | typeof grpc): Promise<Endpoint> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return { address: '127.0.0.1', port, state: 'healthy' };
  }

  /** Asks over a connection of its own, so that the workers share what comes. @param ms what the answer takes */
  function start(ms: number): ClientRequest {
    const options = { method: 'POST', agent: false, headers: { host: HOST, 'x-ms': String(ms) } };
    const asked = request(`http://127.0.0.1:${HTTP_PORT}/v2`, options);
    asked.on('error', () => undefined);
    return asked.end('question');
  }

  async function ask(ms: number): Promise<IncomingMessage> {
    const [answer] = (await once(start(ms), 'response')) as [IncomingMessage];
    return answer.resume();
  }

  async function askGrpc(): Promise<string> {
    const client = connect(`http://127.0.0.1:${HTTP_PORT}`);
    const stream = client.request({
      ...{ ':method': 'POST', ':path': '/inference/ModelInfer', ':authority': HOST },
      ...{ 'content-type': 'application/grpc', te: 'trailers' },
    });
    stream.end('question');
    let text = '';
    for await (const chunk of stream) text += chunk;
    client.close();
    return text;
  }

  const inFlight = () => reports.at(-1)?.clusters[0]?.inFlight ?? 0;

  const parallel = <T>(count: number, ask: () => Promise<T>) =>
    Promise.all(Array.from({ length: count }, ask));

  before(async () => {
    http = createServer(async (req, res) => {
      req.resume();
      await counting.handle(Number(req.headers['x-ms']));
      res.end();
    });
    grpc = createH2Server();
    grpc.on('stream', async (stream: ServerHttp2Stream) => {
      await counting.handle(20);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.end('grpc answer');
    });
    endpoints = { http: await listen(http), grpc: await listen(grpc) };
    control = new RouterControl({
      onFacts: (facts: readonly RouterFact[]) => {
        for (const fact of facts)
          if (fact.kind === 'load' && fact.report) reports.push(fact.report);
      },
      onFailure: (error) => {
        throw error;
      },
    });
    control.update([own(6, 1)]);
    await control.listen(`127.0.0.1:${XDS_PORT}`);
    envoy = await startEnvoy(binary as string, { xdsPort: XDS_PORT, workers: WORKERS });
  });

  beforeEach(() => {
    counting.most = 0;
  });

  after(async () => {
    envoy.stop();
    await control.close();
    http.close();
    http.closeAllConnections();
    grpc.close();
  });

  it('sends no more at once than its share over HTTP/1.1, and loses nothing', async () => {
    const answers = await parallel(100, () => ask(20));
    expect(new Set(answers.map(({ statusCode }) => statusCode))).to.deep.equal(new Set([200]));
    // What one worker may not open is left to the other's first.
    expect(counting.most).to.be.within(5, 6);
  });

  it('does so over HTTP/2', async () => {
    const answers = await parallel(100, askGrpc);
    expect(new Set(answers)).to.deep.equal(new Set(['grpc answer']));
    expect(counting.most).to.be.within(5, 6);
  });

  it('loses no request that waits when there are more or fewer routers', async () => {
    const answers = parallel(60, () => ask(200));
    await eventually('some are under way', () => counting.most >= 5);
    for (const routers of [2, 3, 1]) {
      control.update([own(6, routers)]);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    for (const { statusCode } of await answers) expect(statusCode).to.equal(200);
    counting.most = 0;
    expect(await parallel(50, () => ask(20))).to.have.length(50);
    expect(counting.most).to.be.within(5, 6);
  });

  it('reports what is under way in the pods, and not what waits for them', async () => {
    const answers = parallel(40, () => ask(500));
    await eventually('it is reported', () => inFlight() >= 5);
    expect(inFlight()).to.be.at.most(6);
    await answers;
  });

  it('sends those away that are too many', async () => {
    const statuses: string[] = [];
    const asked = Array.from({ length: 1100 }, () => {
      const one = start(5000);
      one.on('response', ({ statusCode, headers }) =>
        statuses.push(`${statusCode}, retry after ${headers['retry-after']}`),
      );
      return one;
    });
    await eventually('some are refused', () => statuses.length > 10, 30);
    for (const one of asked) one.destroy();
    expect(new Set(statuses)).to.deep.equal(new Set(['429, retry after 1']));
  });
});
