/** Parts of Wherry die under load: what the remaining parts can serve is served. */

import { join } from 'node:path';
import { expect } from 'chai';
import { NAMESPACE, ROOT } from '../harness/cluster.ts';
import {
  apply,
  get,
  IRIS_INPUT,
  infer,
  isvc,
  kubectl,
  leaseHolder,
  podsOf,
  ready,
  readyReplicas,
  removeAll,
  router,
} from '../harness/kubectl.ts';
import { eventually, Load } from '../harness/load.ts';
import { run } from '../harness/shell.ts';

describe('faults under load', function () {
  this.timeout(240_000);
  let load: Load;
  beforeEach(async () => {
    await apply(isvc('steady'));
    await ready('steady');
    load = new Load({
      url: `${router()}/v2/models/steady/infer`,
      host: 'steady-default.example.com',
      body: IRIS_INPUT,
      rate: 200,
    });
  });
  afterEach(() => load.stop());
  after(() => removeAll('steady', 'late'));

  it('the operator is killed: warm traffic goes on, and then the operator does its work again', async () => {
    await kubectl('scale', 'deploy/wherry-operator', '-n', NAMESPACE, '--replicas=0');
    await kubectl(
      'delete',
      'pods',
      '-n',
      NAMESPACE,
      '-l',
      'app.kubernetes.io/name=wherry-operator',
      '--force',
      '--grace-period=0',
      '--ignore-not-found',
    );
    const from = load.outcomes.length;
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    expect(load.outcomes.length - from, 'answers while there is no operator').to.be.greaterThan(
      1500,
    );
    await apply(isvc('late'));
    await kubectl('scale', 'deploy/wherry-operator', '-n', NAMESPACE, '--replicas=1');
    await ready('late');
    expect((await infer('late')).status).to.equal(200);
    await load.stop();
    expect(load.failures).to.deep.equal([]);
  });

  it('the routers are restarted one after the other', async () => {
    await kubectl('rollout', 'restart', 'deploy/wherry-router', '-n', NAMESPACE);
    await kubectl('rollout', 'status', 'deploy/wherry-router', '-n', NAMESPACE, '--timeout=120s');
    await eventually('the old routers are gone', async () => {
      const { items } = await get<{ items: unknown[] }>(
        'pods',
        '-n',
        NAMESPACE,
        '-l',
        'app.kubernetes.io/name=wherry-router',
      );
      return items.length === 2;
    });
    await load.stop();
    expect(load.outcomes.length).to.be.greaterThan(2000);
    expect(load.failures).to.deep.equal([]);
  });

  it('a router pod is deleted', async () => {
    const { items } = await get<{ items: { metadata: { name: string } }[] }>(
      'pods',
      '-n',
      NAMESPACE,
      '-l',
      'app.kubernetes.io/name=wherry-router',
    );
    await kubectl('delete', 'pod', '-n', NAMESPACE, items[0]?.metadata.name ?? '');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await load.stop();
    expect(load.failures).to.deep.equal([]);
  });

  it('a predictor pod is deleted while another serves', async () => {
    await apply(isvc('steady', { minReplicas: 2 }));
    await eventually('two pods', async () => (await readyReplicas('steady-predictor-00001')) === 2);
    const [pod] = await podsOf('steady');
    await kubectl('delete', 'pod', pod?.metadata.name ?? '');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await load.stop();
    expect(load.failures).to.deep.equal([]);
  });

  it('the API server is killed and comes back: the operator follows it again', async function () {
    if (process.env.WHERRY_PROVIDER !== 'test-node') this.skip();
    await run(join(ROOT, 'e2e/cluster/restart-apiserver'), ['3']);
    await apply(isvc('after-restart'));
    await ready('after-restart');
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    await removeAll('after-restart');
  });

  it('the leading one of two operators is killed: the other takes over', async () => {
    await kubectl('scale', 'deploy/wherry-operator', '-n', NAMESPACE, '--replicas=2');
    await kubectl('rollout', 'status', 'deploy/wherry-operator', '-n', NAMESPACE, '--timeout=60s');
    const leader = await leaseHolder();
    await kubectl('delete', 'pod', '-n', NAMESPACE, leader, '--force', '--grace-period=0');
    await apply(isvc('after-takeover'));
    await ready('after-takeover');
    expect(await leaseHolder()).not.to.equal(leader);
    expect((await infer('after-takeover')).status).to.equal(200);
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    await kubectl('scale', 'deploy/wherry-operator', '-n', NAMESPACE, '--replicas=1');
    await removeAll('after-takeover');
  });

  it('a service is deleted and made again at once', async () => {
    await apply(isvc('again'));
    await ready('again');
    await kubectl('delete', 'isvc', 'again', '--wait=false');
    await eventually(
      'it is gone',
      async () => (await kubectl('get', 'isvc', '-o', 'name')).includes('/again') === false,
    );
    await apply(isvc('again'));
    const status = await ready('again');
    expect(status.components?.predictor?.latestRolledoutRevision).to.equal('again-predictor-00001');
    await eventually('it answers', async () => (await infer('again')).status === 200);
    await removeAll('again');
  });
});
