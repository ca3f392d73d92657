/** The client against a real API server: what it says of refusals, and how long it waits. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import { type FaultProxy, startFaultProxy } from '../../../e2e/harness/fault-proxy.ts';
import type { KubeObject } from '../../src/api/kube.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound, KubeError } from '../../src/kube/errors.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

describeWithApiServer('client of the API server', function () {
  this.timeout(20_000);
  let server: ApiServer;
  let client: KubeClient;
  let proxy: FaultProxy;
  let namespace: string;

  before(async () => {
    server = await sharedApiServer();
    client = new KubeClient(server.kubeConfig());
  });

  beforeEach(async () => {
    proxy = await startFaultProxy(server.url, server.certificate);
    namespace = await server.namespace('client');
  });

  afterEach(() => proxy.close());

  function account(name: string, metadata: object = {}): KubeObject {
    const whole = { name, namespace, ...metadata };
    return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: whole };
  }

  function deployment(name: string, container: object = {}, podSpec: object = {}): KubeObject {
    const labels = { app: name };
    const spec = {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'c', image: 'i', ...container }], ...podSpec },
      },
    };
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec,
    } as KubeObject;
  }

  const named = (kind: string, name: string) => ({ kind, namespace, name });

  /** The error of a call that must fail, and the milliseconds it took to. */
  async function failing(call: Promise<unknown>): Promise<{ error: Error; ms: number }> {
    const startedAt = performance.now();
    const error = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof Error)) throw new Error('the call succeeded');
    return { error, ms: performance.now() - startedAt };
  }

  async function refusal(call: Promise<unknown>): Promise<KubeError> {
    const { error } = await failing(call);
    if (error instanceof KubeError) return error;
    throw error;
  }

  describe('writes', () => {
    it('applies over fields that another manager owns, and leaves its other fields', async () => {
      await server.request('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, {
        metadata: { name: 'a', labels: { shared: 'theirs', their: 'own' } },
      });
      const stored = await client.apply(account('a', { labels: { shared: 'ours' } }));
      expect(stored.metadata.labels).to.deep.equal({ shared: 'ours', their: 'own' });
    });

    it('takes back by apply what it no longer names', async () => {
      await client.apply(account('a', { labels: { one: '1', two: '2' } }));
      const { metadata } = await client.apply(account('a', { labels: { one: '1' } }));
      expect(metadata.labels).to.deep.equal({ one: '1' });
    });

    it('tells a conflict with a version or a uid that is not the present one', async () => {
      const { metadata } = await client.create<KubeObject>(account('a'));
      await client.apply(account('a', { labels: { changed: 'yes' } }));
      const { resourceVersion } = metadata;
      const stale = account('a', { resourceVersion, labels: { mine: 'yes' } });
      for (const write of [() => client.apply(stale), () => client.replace(stale)]) {
        const error = await refusal(write());
        expect([error.code, error.reason]).to.deep.equal([409, 'Conflict']);
        expect(isConflict(error)).to.equal(true);
        expect(isAlreadyExists(error)).to.equal(false);
      }
    });

    it('tells that a name is taken', async () => {
      await client.create(account('a'));
      const error = await refusal(client.create(account('a')));
      expect(isAlreadyExists(error)).to.equal(true);
      expect(error.serverMessage).to.equal('serviceaccounts "a" already exists');
    });

    it('scales, and tells that there is nothing to scale', async () => {
      await client.create(deployment('a'));
      await client.scale(named('Deployment', 'a'), 3);
      const { spec } = await client.get<{ spec: object }>(named('Deployment', 'a'));
      expect(spec).to.include({ replicas: 3 });
      const error = await refusal(client.scale(named('Deployment', 'none'), 3));
      expect(isNotFound(error)).to.equal(true);
    });

    it('tells that the object of a status is gone', async () => {
      const status = { conditions: [] };
      const apiVersion = 'serving.kserve.io/v1beta1';
      const isvc = {
        apiVersion,
        kind: 'InferenceService',
        metadata: { name: 'x', namespace },
        status,
      };
      const error = await refusal(client.apply(isvc, 'status'));
      expect(isNotFound(error)).to.equal(true);
      expect(error.message).to.match(/^apply status \/apis\/serving/);
    });

    it('deletes an object by its uid, and no other of its name', async () => {
      const { metadata } = await client.create<KubeObject>(account('a'));
      const other = { ...account('a'), metadata: { ...metadata, uid: 'another' } };
      expect(isConflict(await refusal(client.delete(other)))).to.equal(true);
      const { error } = await failing(client.delete(account('a')));
      expect(error.message).to.equal('delete ServiceAccount a: the object has no uid');
      await client.delete(account('a', { uid: metadata.uid }));
      expect(isNotFound(await refusal(client.get(named('ServiceAccount', 'a'))))).to.equal(true);
    });
  });

  describe('refusals', () => {
    it("keep the API server's message whole, apart from the request", async () => {
      const bad = { env: Array.from({ length: 40 }, (_, i) => ({ name: `not a name ${i}=` })) };
      const { code, reason, serverMessage, message } = await refusal(
        client.apply(deployment('a', bad, { tolerations: [{ operator: 'Is' }] })),
      );
      expect([code, reason]).to.deep.equal([422, 'Invalid']);
      expect(serverMessage).to.match(/^Deployment.apps "a" is invalid: \[/);
      expect(serverMessage).to.include('not a name 39=').and.include('tolerations[0].operator');
      const request = `apply /apis/apps/v1/namespaces/${namespace}/deployments/a: 422 `;
      expect(message).to.equal(request + serverMessage);
    });

    for (const [what, container, expected] of [
      ['a wrong quantity', { resources: { limits: { memory: '2GB' } } }, /quantities must match/],
      ['a wrong type', { ports: [{ containerPort: '80' }] }, /containerPort/],
    ] as const) {
      it(`tell ${what}: 400 on create, and 500 on apply, which the API server reads elsewhere`, async () => {
        const created = await refusal(client.create(deployment('a', container)));
        const applied = await refusal(client.apply(deployment('a', container)));
        expect([created.code, applied.code]).to.deep.equal([400, 500]);
        expect(created.serverMessage).to.match(expected);
        expect(applied.serverMessage).to.match(expected);
      });
    }

    it('are told when the answer is no Status object', async () => {
      proxy.decide = () => ({ status: 404, body: '404 page not found\n' });
      const through = new KubeClient(server.kubeConfig(proxy.url));
      const error = await refusal(through.get(named('Pod', 'a')));
      expect([error.code, error.reason, error.serverMessage]).to.deep.equal([
        ...[404, '', '404 page not found'],
      ]);
    });
  });

  describe('waits', () => {
    const answers = (statuses: [number, Record<string, string>][]) => {
      let i = 0;
      proxy.decide = () => {
        const [status, headers] = statuses[i++] ?? [];
        return status === undefined ? undefined : { status, headers, body: { message: 'busy' } };
      };
    };
    const through = (requestTimeoutMs = 10_000) =>
      new KubeClient(server.kubeConfig(proxy.url), { requestTimeoutMs });

    for (const code of [429, 503]) {
      it(`as long as Retry-After says after a ${code}, and sends the whole request again`, async () => {
        answers([
          [code, { 'retry-after': '1' }],
          [code, { 'retry-after': '1' }],
        ]);
        const startedAt = performance.now();
        const { metadata } = await through().create<KubeObject>(account('a'));
        expect(metadata.name).to.equal('a');
        expect(performance.now() - startedAt).to.be.within(2000, 3500);
        expect(proxy.requests).to.have.length(3);
      });
    }

    it('no longer than its time limit, however long the API server wants it to', async () => {
      answers([[429, { 'retry-after': '3600' }]]);
      const { error, ms } = await failing(through().get(named('Pod', 'a')));
      expect((error as KubeError).code).to.equal(429);
      expect(ms).to.be.below(500);
    });

    it('in five attempts at most', async () => {
      answers(Array.from({ length: 9 }, () => [429, { 'retry-after': '0' }]));
      const { error } = await failing(through().get(named('Pod', 'a')));
      expect((error as KubeError).code).to.equal(429);
      expect(proxy.requests).to.have.length(5);
    });

    it('not at all after an error that says nothing about trying again', async () => {
      answers([[500, {}]]);
      const { error } = await failing(through().get(named('Pod', 'a')));
      expect((error as KubeError).code).to.equal(500);
      expect(proxy.requests).to.have.length(1);
    });

    it('until its time limit for an answer, or for the rest of one', async () => {
      proxy.decide = () => new Promise(() => undefined);
      const unanswered = await failing(through(500).get(named('Pod', 'a')));
      const halting = createServer((_, answer) => answer.write('{"items": ['));
      halting.listen(0, '127.0.0.1');
      await once(halting, 'listening');
      const { port } = halting.address() as AddressInfo;
      const config = server.kubeConfig(`http://127.0.0.1:${port}`);
      const half = new KubeClient(config, { requestTimeoutMs: 500 });
      const halted = await failing(half.get(named('Pod', 'a')));
      halting.close();
      halting.closeAllConnections();
      for (const { error, ms } of [unanswered, halted]) {
        expect(error.message).to.match(/^get \/api\/v1\/namespaces\/[^/]+\/pods\/a: .*timeout/);
        expect(ms).to.be.within(450, 1500);
      }
    });

    it('until its caller aborts', async () => {
      answers([[429, { 'retry-after': '5' }]]);
      const signal = AbortSignal.timeout(200);
      const { ms } = await failing(through().get(named('Pod', 'a'), { signal }));
      expect(ms).to.be.below(1000);
    });
  });

  it('tells its observer every answer', async () => {
    const seen: string[] = [];
    const observed = new KubeClient(server.kubeConfig(), {
      observe: (...answer) => seen.push(answer.join(' ')),
    });
    await observed.create(account('a'));
    await failing(observed.create(account('a')));
    expect(seen).to.deep.equal(['create ServiceAccount 201', 'create ServiceAccount 409']);
  });
});
