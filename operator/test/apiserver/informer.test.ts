/** The informer against a real API server, and what it tells its listener when things break. */
import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { type ApiServer, startApiServer } from '../../../e2e/harness/api-server.ts';
import { type FaultProxy, startFaultProxy } from '../../../e2e/harness/fault-proxy.ts';
import { eventually } from '../../../e2e/harness/load.ts';
import { type KubeObject, keyOf, type ObjectMeta } from '../../src/api/kube.ts';
import { LABELS } from '../../src/api/names.ts';
import { KubeClient, type KubeClientOptions, type WatchEvent } from '../../src/kube/client.ts';
import type { FailureStatus } from '../../src/kube/errors.ts';
import { Informer, type InformerOptions } from '../../src/kube/informer.ts';
import { type LogEntry, recordedLog } from './recorded-log.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

const GONE = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };

describeWithApiServer('informer', function () {
  this.timeout(30_000);
  let server: ApiServer;
  let client: KubeClient;
  let proxy: FaultProxy;
  let namespace: string;
  let stopped: AbortController;

  before(async () => {
    server = await sharedApiServer();
    client = new KubeClient(server.kubeConfig());
  });

  beforeEach(async () => {
    proxy = await startFaultProxy(server.url, server.certificate);
    namespace = await server.namespace('informer');
    stopped = new AbortController();
  });

  afterEach(() => {
    server.thaw();
    stopped.abort();
    proxy.close();
  });

  /** A kind that no controller and no admission plugin has a say in. */
  function account(name: string, metadata: Partial<ObjectMeta> = {}): KubeObject {
    const whole = { name, namespace, ...metadata };
    return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: whole };
  }

  interface Followed {
    readonly informer: Informer;
    /** What the listener was told, as `+name` or `-name`. */
    readonly told: string[];
    readonly entries: LogEntry[];
    readonly ended: Promise<void>;
  }

  /** Follows the ServiceAccounts of the test's namespace through the proxy. */
  function follow(
    options: Partial<InformerOptions> = {},
    timeouts: KubeClientOptions = {},
  ): Followed {
    const told: string[] = [];
    const { log, entries } = recordedLog();
    const informer = new Informer({
      client: new KubeClient(server.kubeConfig(proxy.url), timeouts),
      kind: 'ServiceAccount',
      namespace,
      log,
      onChange: ({ metadata }, deleted) => told.push(`${deleted ? '-' : '+'}${metadata.name}`),
      random: () => 0,
      ...options,
    });
    return { informer, told, entries, ended: informer.run(stopped.signal) };
  }

  const accounts = () => `/api/v1/namespaces/${namespace}/serviceaccounts`;
  const isWatch = (url: URL) => url.searchParams.has('watch') && url.pathname === accounts();
  const lists = () => proxy.requests.filter((url) => !url.searchParams.has('watch'));
  const watches = () => proxy.requests.filter(isWatch);
  const watching = (count = 1) =>
    eventually(`${count} watches have begun`, () => watches().length >= count);
  const versionOf = (url: URL | undefined) => url?.searchParams.get('resourceVersion') ?? '';
  const remove = (name: string) => server.request('DELETE', `${accounts()}/${name}`);
  const label = (name: string, labels: Record<string, string | null>) =>
    server.request('PATCH', `${accounts()}/${name}`, { metadata: { labels } });

  async function tells(followed: Followed, ...expected: string[]): Promise<void> {
    await eventually(`told ${expected.join(' ')}`, () => followed.told.length >= expected.length);
    expect(followed.told).to.deep.equal(expected);
  }

  it('lists page by page, and then tells what is added, changed and deleted', async () => {
    const names = Array.from({ length: 620 }, (_, i) => `a${i}`);
    await Promise.all(names.map((name) => client.create(account(name))));
    const followed = follow();
    await followed.informer.synced;
    expect(new Set(followed.told)).to.deep.equal(new Set(names.map((name) => `+${name}`)));
    expect(followed.told).to.have.length(620);
    expect(followed.informer.list()).to.have.length(620);
    expect(lists().length).to.be.greaterThan(1);
    followed.told.length = 0;

    await client.create(account('b'));
    await label('b', { tier: 'gold' });
    await remove('b');
    await tells(followed, '+b', '+b', '-b');
    expect(followed.informer.get(`${namespace}/b`)).to.equal(undefined);
    expect(followed.informer.list('another-namespace')).to.deep.equal([]);
  });

  it('keeps kind and version of listed objects, drops managedFields, and trims further', async () => {
    await client.create(account('a', { annotations: { note: 'long' } }));
    const followed = follow({
      trim: ({ metadata: { annotations: _, ...metadata }, ...object }) => ({ ...object, metadata }),
    });
    await followed.informer.synced;
    await watching();
    await client.create(account('b', { annotations: { note: 'long' } }));
    await tells(followed, '+a', '+b');
    for (const { apiVersion, kind, metadata } of followed.informer.list()) {
      expect({ apiVersion, kind }).to.deep.equal({ apiVersion: 'v1', kind: 'ServiceAccount' });
      expect(metadata).to.have.all.keys(
        ...['name', 'namespace', 'uid', 'resourceVersion', 'creationTimestamp'],
      );
    }
    // What changes is nothing that is kept, but for the version.
    const { metadata } = await client.apply<KubeObject>(
      account('b', { annotations: { note: 's' } }),
    );
    await client.create(account('c'));
    await tells(followed, '+a', '+b', '+c');
    const known = followed.informer.get(`${namespace}/b`)?.metadata.resourceVersion;
    expect(known).to.equal(metadata.resourceVersion);
  });

  it('tells an object that leaves the selector as deleted, and one that enters it as added', async () => {
    await client.create(account('a', { labels: { tier: 'gold' } }));
    await client.create(account('b'));
    const followed = follow({ labelSelector: 'tier=gold' });
    await tells(followed, '+a');
    await watching();
    await label('a', { tier: 'iron' });
    await tells(followed, '+a', '-a');
    await label('b', { tier: 'gold' });
    await tells(followed, '+a', '-a', '+b');
    expect(followed.informer.list().map(keyOf)).to.deep.equal([`${namespace}/b`]);
  });

  it('finds objects by their service, also after they were handed to another one', async () => {
    await client.create(account('a', { labels: { [LABELS.inferenceService]: 'iris' } }));
    const followed = follow();
    const owned = (service: string) =>
      followed.informer.listOwned(`${namespace}/${service}`).map(({ metadata }) => metadata.name);
    await tells(followed, '+a');
    await watching();
    expect(owned('iris')).to.deep.equal(['a']);
    await label('a', { [LABELS.inferenceService]: 'wine' });
    await tells(followed, '+a', '-a', '+a');
    expect([owned('iris'), owned('wine')]).to.deep.equal([[], ['a']]);
    await remove('a');
    await tells(followed, '+a', '-a', '+a', '-a');
    expect(owned('wine')).to.deep.equal([]);
  });

  it('goes on from a bookmark when its watch ends, without a list', async () => {
    // The API server sends a bookmark two seconds before a watch's time is up.
    const followed = follow({ labelSelector: 'tier=gold', timeoutSeconds: 6 });
    await followed.informer.synced;
    let created = 0;
    await eventually('a later watch begins further on', async () => {
      // What was made before a watch began earns no bookmark in it: something must happen all the time.
      await client.create(account(`unseen${created++}`));
      const [first, last] = [watches()[0], watches().at(-1)].map(versionOf);
      return Number(last) > Number(first);
    });
    expect(followed.told).to.deep.equal([]);
    expect(lists()).to.have.length(1);
  });

  it('watches on from where it was when the line is cut', async () => {
    await client.create(account('a'));
    const followed = follow();
    await tells(followed, '+a');
    await watching();
    proxy.cut();
    await client.create(account('b'));
    await remove('a');
    await tells(followed, '+a', '+b', '-a');
    expect(lists()).to.have.length(1);
  });

  it('watches on from where it was when the API server is busy', async () => {
    const followed = follow();
    await followed.informer.synced;
    await watching();
    let refusals = 0;
    proxy.decide = () =>
      refusals++ < 2 ? { status: 503, body: 'apiserver is shutting down' } : undefined;
    proxy.cut();
    await client.create(account('a'));
    await tells(followed, '+a');
    expect(refusals).to.be.greaterThan(2);
    expect(lists()).to.have.length(1);
  });

  it('lists again after a 410 in the watch, and tells what was deleted and made anew meanwhile', async () => {
    for (const name of ['stays', 'goes', 'again']) await client.create(account(name));
    const followed = follow();
    await tells(followed, ...['again', 'goes', 'stays'].map((name) => `+${name}`));
    await watching();
    const from = versionOf(watches()[0]);
    followed.told.length = 0;
    proxy.decide = () => ({ status: 503, body: 'away' });
    proxy.cut();
    await remove('goes');
    await remove('again');
    await client.create(account('again'));
    await client.create(account('new'));
    await server.compact();
    await server.restart();
    const { value } = await client
      .watch<FailureStatus>('ServiceAccount', {
        namespace,
        resourceVersion: from,
        timeoutSeconds: 5,
        signal: stopped.signal,
      })
      .next();
    const { type, object } = value as WatchEvent<FailureStatus>;
    expect([type, object.code, object.reason]).to.deep.equal(['ERROR', 410, 'Expired']);
    proxy.decide = () => undefined;
    await tells(followed, '-again', '+again', '+new', '-goes');
    expect(lists().filter(({ pathname }) => pathname === accounts()).length).to.be.greaterThan(1);
  });

  it('lists again at once after a 410 in place of the watch, and with a back-off if that repeats', async () => {
    await client.create(account('a'));
    let refusals = 0;
    proxy.decide = (url) =>
      isWatch(url) && refusals++ < 3 ? { status: 410, body: GONE } : undefined;
    const followed = follow();
    await watching(4);
    await client.create(account('b'));
    await tells(followed, '+a', '+b');
    expect(lists()).to.have.length(4);
    const backoffs = followed.entries.map(({ message, backoffMs }) => [message, backoffMs]);
    expect(backoffs).to.deep.equal([
      ['watch interrupted', 800],
      ['watch interrupted', 1600],
    ]);
  });

  it('begins a list anew when its next page has become too old', async () => {
    await Promise.all(Array.from({ length: 620 }, (_, i) => client.create(account(`a${i}`))));
    let outdated = false;
    proxy.decide = async (url) => {
      if (!url.searchParams.has('continue') || outdated) return undefined;
      outdated = true;
      await remove('a0');
      await client.create(account('b'));
      await server.compact();
      await server.restart();
      return undefined;
    };
    const followed = follow();
    await followed.informer.synced;
    const names = followed.informer.list().map(({ metadata }) => metadata.name);
    expect(names).to.have.length(620).and.to.include('b').and.not.to.include('a0');
    expect(lists().filter((url) => !url.searchParams.has('continue'))).to.have.length(2);
    expect(followed.told.filter((text) => text === '+a1')).to.have.length(1);
  });

  it('outlives an API server that is killed and started again, and tells nothing twice', async () => {
    await client.create(account('a'));
    const followed = follow();
    await tells(followed, '+a');
    await watching();
    await server.kill();
    await eventually('the watch is interrupted', () => followed.entries.length > 0);
    await server.restart();
    await client.create(account('b'));
    await tells(followed, '+a', '+b');
  });

  it('tells no deletion of custom resources when the API server starts again', async () => {
    const runtime = {
      apiVersion: 'serving.kserve.io/v1alpha1',
      kind: 'ServingRuntime',
      metadata: { name: 'r', namespace },
      spec: { containers: [{ name: 'kserve-container', image: 'i' }] },
    };
    await client.create(runtime);
    const followed = follow({ kind: 'ServingRuntime', optional: true });
    await tells(followed, '+r');
    await server.restart();
    await client.create({ ...runtime, metadata: { name: 's', namespace } });
    await tells(followed, '+r', '+s');
  });

  it('gives up a watch that has gone silent', async () => {
    const followed = follow({}, { watchSilenceMs: 1000, requestTimeoutMs: 1000 });
    await followed.informer.synced;
    await watching();
    server.freeze();
    await eventually('the silence is noticed', () => watches().length > 1, 10);
    server.thaw();
    await client.create(account('a'));
    await tells(followed, '+a');
  });

  it('outlives a listener that throws', async () => {
    const seen: string[] = [];
    const followed = follow({
      onChange: ({ metadata: { name } }) => {
        seen.push(name);
        throw new Error(`no ${name}`);
      },
    });
    await followed.informer.synced;
    await watching();
    await client.create(account('a'));
    await client.create(account('b'));
    await eventually('both are told', () => seen.length === 2);
    expect(seen).to.deep.equal(['a', 'b']);
    const failures = followed.entries.filter(({ message }) => message === 'listener failed');
    expect(failures).to.have.length(2);
    expect(failures[0]?.error).to.match(/^Error: no a\n/);
  });

  it('ends at once when it is told to, also while the API server hangs, and leaves no listener', async () => {
    const followed = follow({}, { requestTimeoutMs: 1000 });
    await followed.informer.synced;
    await watching();
    server.freeze();
    proxy.cut();
    await eventually('it has failed a few times', () => followed.entries.length > 2, 15);
    expect(getEventListeners(stopped.signal, 'abort').length).to.be.at.most(1);
    const abortedAt = performance.now();
    stopped.abort();
    await followed.ended;
    expect(performance.now() - abortedAt).to.be.below(100);
  });
});

describeWithApiServer('informer of a kind that the cluster may not have', function () {
  this.timeout(30_000);
  let server: ApiServer;
  const stopped = new AbortController();

  before(async () => {
    server = await startApiServer({ crds: false });
  });

  after(async () => {
    stopped.abort();
    await server.stop();
  });

  it('is synced without the kind, finds it when it is installed, and misses it when it is removed', async () => {
    const client = new KubeClient(server.kubeConfig());
    const told: string[] = [];
    const { log, entries } = recordedLog();
    const informer = new Informer({
      client,
      kind: 'ClusterServingRuntime',
      log,
      onChange: ({ metadata }, deleted) => told.push(`${deleted ? '-' : '+'}${metadata.name}`),
      optional: true,
      absentPollMs: 500,
      onServed: (served) => told.push(`served ${served}`),
    });
    void informer.run(stopped.signal);
    await informer.synced;
    expect([informer.served, told]).to.deep.equal([false, []]);

    await server.installCrds();
    await eventually('the kind is found', () => informer.served);
    const spec = { containers: [{ name: 'kserve-container', image: 'i' }] };
    const { apiVersion, kind } = {
      apiVersion: 'serving.kserve.io/v1alpha1',
      kind: 'ClusterServingRuntime',
    };
    await client.create({ apiVersion, kind, metadata: { name: 'r' }, spec } as KubeObject);
    await eventually('the object is told', () => told.length === 2);

    const crd = 'clusterservingruntimes.serving.kserve.io';
    await server.request(
      'DELETE',
      `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd}`,
    );
    await eventually('the kind is missed', () => !informer.served);
    expect(told).to.deep.equal(['served true', '+r', '-r', 'served false']);
    expect(entries.filter(({ level }) => level === 'error')).to.deep.equal([]);
  });
});
