/** The Secrets of the control plane on a real API server, with the rights that the chart gives the operator. */
import { randomUUID } from 'node:crypto';
import type { KubeConfig } from '@kubernetes/client-node';
import { expect } from 'chai';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import { availableHelm, renderChart } from '../../../e2e/harness/helm.ts';
import type { KubeObject } from '../../src/api/kube.ts';
import { Certificates } from '../../src/certificates/certificates.ts';
import type { TlsCredentials } from '../../src/certificates/issue.ts';
import { AUTHORITY_SECRET, ROUTER_SECRET } from '../../src/certificates/secrets.ts';
import { KubeClient } from '../../src/kube/client.ts';
import type { KubeError } from '../../src/kube/errors.ts';
import type { Logger } from '../../src/log.ts';
import { type LogEntry, recordedLog } from './recorded-log.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

const NAMESPACE = 'wherry-system';
const DAY_MS = 86_400_000;
const helm = await availableHelm();
const SECRETS = `/api/v1/namespaces/${NAMESPACE}/secrets`;
const DEPLOYMENTS = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

interface StoredSecret extends KubeObject {
  readonly data: Record<string, string>;
  readonly type: string;
}

(helm === undefined ? describe.skip : describeWithApiServer)('Certificates', function () {
  this.timeout(60_000);
  let server: ApiServer;
  let log: Logger;
  let entries: LogEntry[];
  let now: Date;
  /** Paths of the roles and bindings that the tests made on the shared server. */
  const roles: string[] = [];

  /** The operator's own rights, no more. */
  function operatorConfig(): KubeConfig {
    const config = server.kubeConfig();
    const [user] = config.getUsers();
    const account = `system:serviceaccount:${NAMESPACE}:wherry-operator`;
    config.loadFromOptions({
      clusters: config.getClusters(),
      users: [{ ...user, impersonateUser: account }],
      contexts: config.getContexts(),
      currentContext: config.getCurrentContext(),
    });
    return config;
  }

  function replica(
    onCredentials: (credentials: TlsCredentials) => void = () => undefined,
  ): Certificates {
    return new Certificates({
      client: new KubeClient(operatorConfig()),
      deployment: 'wherry-operator',
      address: { service: 'wherry-xds', namespace: NAMESPACE, clusterDomain: 'cluster.local' },
      now: () => now,
      onCredentials,
      log,
    });
  }

  /** Takes what a replica listens with, one after the other. */
  const into = (taken: TlsCredentials[]) => (credentials: TlsCredentials) => {
    taken.push(credentials);
  };

  const secret = async (name: string): Promise<StoredSecret> =>
    JSON.parse(await server.request('GET', `${SECRETS}/${name}`));
  const text = ({ data }: StoredSecret, file: string) =>
    Buffer.from(data[file] ?? '', 'base64').toString();
  const reasons = () =>
    entries.flatMap(({ secret: name, reason }) => (name ? [`${name}: ${reason}`] : []));

  before(async () => {
    server = await sharedApiServer();
    await server.request('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
    for (const object of await renderChart<KubeObject>(helm ?? '')) {
      const { kind, metadata } = object;
      if (!/Role/.test(kind) || kind.startsWith('ClusterServing')) continue;
      const scope = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
      const collection = `${RBAC}${scope}/${kind.toLowerCase()}s`;
      await server.request('POST', collection, object);
      roles.push(`${collection}/${metadata.name}`);
    }
  });

  after(async () => {
    for (const role of roles) await server.request('DELETE', role);
  });

  beforeEach(async () => {
    ({ log, entries } = recordedLog());
    now = new Date();
    await server.request('DELETE', SECRETS);
  });

  it('makes both Secrets once, whichever of five replicas comes first', async () => {
    const taken: TlsCredentials[] = [];
    const replicas = Array.from({ length: 5 }, () => replica(into(taken)));
    await Promise.all(replicas.map((certificates) => certificates.check()));
    const router = await secret(ROUTER_SECRET);
    expect(new Set(taken.map(({ ca }) => ca))).to.deep.equal(new Set([text(router, 'ca.crt')]));
    expect(new Set(taken.map(({ cert }) => cert)).size).to.equal(5);
    expect(reasons().sort()).to.deep.equal([
      `${AUTHORITY_SECRET}: the Secret does not exist`,
      `${ROUTER_SECRET}: the Secret does not exist`,
    ]);
    expect(router.metadata.labels).to.deep.equal({
      'app.kubernetes.io/part-of': 'wherry',
      'app.kubernetes.io/managed-by': 'wherry',
    });
  });

  it('writes nothing and keeps its credentials while all is in order', async () => {
    const taken: TlsCredentials[] = [];
    const certificates = replica(into(taken));
    await certificates.check();
    const before = await secret(ROUTER_SECRET);
    now = new Date(now.getTime() + 59 * DAY_MS);
    await certificates.check();
    expect((await secret(ROUTER_SECRET)).metadata).to.deep.equal(before.metadata);
    expect(taken).to.have.length(1);
  });

  it('renews leaves and, years later, the authority; replicas agree on each', async () => {
    const [one, other]: [TlsCredentials[], TlsCredentials[]] = [[], []];
    const replicas = [replica(into(one)), replica(into(other))];
    const check = () => Promise.all(replicas.map((certificates) => certificates.check()));
    await check();
    now = new Date(now.getTime() + 61 * DAY_MS);
    await check();
    expect(one[1]?.ca).to.equal(one[0]?.ca);
    expect(one[1]?.cert).not.to.equal(one[0]?.cert);
    now = new Date(now.getTime() + 2400 * DAY_MS);
    await check();
    const ca = text(await secret(ROUTER_SECRET), 'ca.crt');
    expect(ca.match(/BEGIN/g)).to.have.length(2);
    expect([one.at(-1)?.ca, other.at(-1)?.ca]).to.deep.equal([ca, ca]);
    expect(
      reasons()
        .slice(2)
        .map((line) => line.replace(/^[^:]*: /, '')),
    ).to.deep.equal([
      'the certificate is due for renewal',
      'the authority is due for renewal',
      'the certificate is due for renewal',
    ]);
  });

  it('repairs what somebody broke, whatever it takes', async () => {
    const certificates = replica();
    await certificates.check();
    const good = await secret(ROUTER_SECRET);
    const patch = (name: string, body: object) =>
      server.request('PATCH', `${SECRETS}/${name}`, body);
    await patch(ROUTER_SECRET, { data: { 'tls.crt': 'b29wcw==' } });
    await certificates.check();
    await patch(ROUTER_SECRET, { data: { 'tls.key': null }, immutable: true });
    await certificates.check();
    await server.request('DELETE', `${SECRETS}/${ROUTER_SECRET}`);
    await server.request('POST', SECRETS, {
      ...good,
      metadata: { name: ROUTER_SECRET },
      data: {},
      type: 'other',
    });
    await certificates.check();
    expect(reasons().slice(2)).to.deep.equal([
      `${ROUTER_SECRET}: the certificate cannot be read`,
      `${ROUTER_SECRET}: the Secret does not exist`,
      `${ROUTER_SECRET}: the certificate cannot be read`,
    ]);
    expect(text(await secret(ROUTER_SECRET), 'ca.crt')).to.equal(text(good, 'ca.crt'));

    await patch(AUTHORITY_SECRET, { data: { 'ca.crt': 'b29wcw==' } });
    await certificates.check();
    expect(reasons().slice(5)).to.deep.equal([
      `${AUTHORITY_SECRET}: no authority is in date with its key`,
      `${ROUTER_SECRET}: no current authority signed the certificate`,
    ]);
  });

  it('hands its Secrets to the Deployment, and takes over those of an installation that is gone', async () => {
    const deploy = async () => {
      const labels = { app: randomUUID() };
      const template = { metadata: { labels }, spec: { containers: [{ name: 'x', image: 'x' }] } };
      const spec = { selector: { matchLabels: labels }, template };
      const body = { metadata: { name: 'wherry-operator' }, spec };
      return JSON.parse(await server.request('POST', DEPLOYMENTS, body)) as KubeObject;
    };
    const owner = async () =>
      (await secret(ROUTER_SECRET)).metadata.ownerReferences?.map(({ uid }) => uid);
    const first = await deploy();
    await replica().check();
    expect(await owner()).to.deep.equal([first.metadata.uid]);
    const before = await secret(ROUTER_SECRET);

    await server.request('DELETE', `${DEPLOYMENTS}/wherry-operator`);
    const second = await deploy();
    await replica().check();
    expect(await owner()).to.deep.equal([second.metadata.uid]);
    expect((await secret(ROUTER_SECRET)).data).to.deep.equal(before.data);
    await server.request('DELETE', `${DEPLOYMENTS}/wherry-operator`);
  });

  it('may read no other Secret', async () => {
    const name = 'somebody-elses';
    await server.request('POST', SECRETS, { metadata: { name } });
    const client = new KubeClient(operatorConfig());
    const read = client.get({ kind: 'Secret', namespace: NAMESPACE, name });
    expect(await read.catch((error: KubeError) => error.code)).to.equal(403);
  });

  it('tells of credentials again when they could not be taken', async () => {
    const taken: TlsCredentials[] = [];
    let isBusy = true;
    const certificates = replica((credentials) => {
      if (isBusy) throw new Error('the port is taken');
      taken.push(credentials);
    });
    const failure = await certificates.check().catch((error: Error) => error.message);
    expect(failure).to.equal('the port is taken');
    isBusy = false;
    await certificates.check();
    expect(taken).to.have.length(1);
  });

  it('goes on after failures, and is ready once it has credentials', async () => {
    const stopped = new AbortController();
    const certificates = replica();
    await server.kill();
    const running = certificates.run(stopped.signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.restart();
    await certificates.ready;
    stopped.abort();
    await running;
    expect(entries[0]?.message).to.equal('certificates not checked');
  });
});
