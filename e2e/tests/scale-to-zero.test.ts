/** No pods while there are no requests, and requests that wait for the first one. */
import { type ClientRequest, request } from 'node:http';
import { expect } from 'chai';
import { inferOverGrpc } from '../harness/grpc.ts';
import {
  apply,
  IRIS_INPUT,
  idle,
  infer,
  isvc,
  kubectl,
  podsOf,
  ready,
  removeAll,
  router,
} from '../harness/kubectl.ts';

const NAME = 'seldom';
const HOST = `${NAME}-default.example.com`;

describe('scale to zero', function () {
  this.timeout(300_000);

  function ask(body: string, path = `/v2/models/${NAME}/infer`): ClientRequest {
    const headers = { host: HOST, connection: 'close' };
    const asked = request(`${router()}${path}`, { method: 'POST', headers });
    asked.on('error', () => undefined);
    return asked.end(body);
  }

  const status = (asked: ClientRequest) =>
    new Promise<number>((resolve) => {
      asked.on('error', () => resolve(0));
      asked.on('response', (res) => res.resume().on('end', () => resolve(res.statusCode ?? 0)));
    });

  /** A request of 3 MB. */
  const large = () => {
    const rows = 190_000;
    const data = new Array<number>(4 * rows).fill(1.5);
    return JSON.stringify({ inputs: [{ name: 'X', datatype: 'FP32', shape: [rows, 4], data }] });
  };

  before(async () => {
    const service = isvc(NAME, { minReplicas: 0, maxReplicas: 2, scaleTarget: 50 }) as {
      metadata: object;
    };
    const annotations = { 'autoscaling.knative.dev/window': '10s' };
    await apply({ ...service, metadata: { ...service.metadata, annotations } });
    await ready(NAME);
    expect((await infer(NAME)).status).to.equal(200);
  });

  beforeEach(() => idle(NAME));

  after(() => removeAll(NAME));

  it('answers all that come at once to no pod: small, of 3 MB, by path, and gRPC', async () => {
    const body = large();
    expect(body.length).to.be.above(3 << 19);
    const rest = [
      ...Array.from({ length: 60 }, () => status(ask(IRIS_INPUT))),
      ...Array.from({ length: 3 }, () => status(ask(body))),
    ];
    const grpc = Array.from({ length: 10 }, () =>
      inferOverGrpc(new URL(router()).host, HOST, NAME),
    );
    expect(new Set(await Promise.all(rest))).to.deep.equal(new Set([200]));
    expect(await Promise.all(grpc)).to.have.length(10);
    const events = await kubectl('get', 'events', '-o', 'json');
    expect(events).to.contain('"reason": "Woken"');
  });

  it('starts no pod for clients that leave at once', async () => {
    const leaves = (one: ClientRequest) => one.once('finish', () => one.destroy());
    for (let i = 0; i < 5; i++) leaves(ask(IRIS_INPUT));
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(await podsOf(NAME)).to.deep.equal([]);
  });

  it('loses no request of a trickle whose pauses are as long as the window', async () => {
    for (let i = 0; i < 8; i++) {
      expect((await infer(NAME)).status, `request ${i}`).to.equal(200);
      await new Promise((resolve) => setTimeout(resolve, 10_000 + i * 500));
    }
  });
});
