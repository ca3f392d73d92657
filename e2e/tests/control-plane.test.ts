/** The routers' control plane: what one service's routes or one operator's end holds up, and what it does not. */
import { expect } from 'chai';
import type { KubeObject } from '../../operator/src/api/kube.ts';
import { NAMESPACE } from '../harness/cluster.ts';
import {
  apply,
  conditionOf,
  get,
  IRIS_INPUT,
  infer,
  isPodReady,
  isvc,
  kubectl,
  leaseHolder,
  podsOf,
  ready,
  removeAll,
  router,
  split,
  statusOf,
} from '../harness/kubectl.ts';
import { eventually, Load } from '../harness/load.ts';

const OPERATOR = ['deploy/wherry-operator', '-n', NAMESPACE] as const;

/** Sets a variable of the operator, as `NAME=value`, or removes it, as `NAME-`. */
async function setVariable(change: string): Promise<void> {
  await kubectl('set', 'env', ...OPERATOR, change);
  await kubectl('rollout', 'status', ...OPERATOR, '--timeout=120s');
}

/** Waits until all operators are ready and one of them leads, and names it. */
async function leader(): Promise<string> {
  await kubectl('rollout', 'status', ...OPERATOR, '--timeout=120s');
  return eventually('an operator leads', async () => {
    const selector = 'app.kubernetes.io/name=wherry-operator';
    const { items } = await get<{ items: KubeObject[] }>('pods', '-n', NAMESPACE, '-l', selector);
    const held = await leaseHolder();
    return items.some(({ metadata }) => metadata.name === held) && held;
  });
}

describe('a service whose routes the routers refuse', function () {
  this.timeout(240_000);
  before(() => setVariable('WHERRY_TEST_REFUSED_ROUTE=default/refused-route'));
  after(async () => {
    await removeAll('refused-route', 'other-route');
    await setVariable('WHERRY_TEST_REFUSED_ROUTE-');
  });

  it('says so, and keeps no other from changing', async () => {
    await apply(isvc('refused-route'));
    await eventually(
      'it says that its routes are refused',
      async () => conditionOf(await statusOf('refused-route'), 'Ready')?.reason === 'RouteRefused',
      60,
    );
    await apply(isvc('other-route'));
    await ready('other-route');
    expect((await infer('other-route')).status).to.equal(200);
    const forest = { storageUri: 'builtin://iris-forest' };
    await apply(isvc('other-route', { canaryTrafficPercent: 30 }, forest));
    await split('other-route', {
      'other-route-predictor-00001': 70,
      'other-route-predictor-00002': 30,
    });
    await apply(isvc('other-route', {}, forest));
    await split('other-route', { 'other-route-predictor-00002': 100 });
    const { revision } = await infer('other-route');
    expect(revision).to.equal('other-route-predictor-00002');
    const { status } = await infer('refused-route');
    expect(status, 'a host that no router has').to.equal(404);
  });
});

describe('the leading operator is killed', function () {
  this.timeout(300_000);
  before(async () => {
    await kubectl('scale', ...OPERATOR, '--replicas=2');
    await kubectl('rollout', 'status', ...OPERATOR, '--timeout=120s');
    await apply(isvc('moving', { minReplicas: 2 }));
    await ready('moving');
    await eventually(
      'two pods are ready',
      async () => (await readyPods('moving')).length === 2,
      60,
    );
  });
  after(async () => {
    await removeAll('moving');
    await kubectl('scale', ...OPERATOR, '--replicas=1');
  });

  const readyPods = async (service: string) =>
    (await podsOf(service)).filter(
      (pod) => pod.metadata.deletionTimestamp === undefined && isPodReady(pod),
    );

  it('and a pod is replaced in the same second: no request fails, and its end is known at once', async () => {
    const load = new Load({
      url: `${router()}/v2/models/moving/infer`,
      host: 'moving-default.example.com',
      body: IRIS_INPUT,
      rate: 200,
    });
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const held = await leader();
    const [pod] = await readyPods('moving');
    await Promise.all([
      kubectl('delete', 'pod', '-n', NAMESPACE, held, '--force', '--grace-period=0'),
      kubectl('delete', 'pod', pod?.metadata.name ?? '', '--wait=false'),
    ]);
    // A pod that is being deleted takes connections for 5 s; a router that has not heard of it would fail then.
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    expect(load.outcomes.length).to.be.greaterThan(2500);
  });

  it('and endpoints still reach the routers within a second, though nobody leads', async () => {
    await eventually(
      'two pods are ready',
      async () => (await readyPods('moving')).length === 2,
      60,
    );
    const held = await leader();
    await kubectl('delete', 'pod', '-n', NAMESPACE, held, '--force', '--grace-period=0');
    const [first, second] = await readyPods('moving');
    const names = [first, second].map((p) => p?.metadata.name ?? '');
    await kubectl('delete', 'pod', ...names, '--force', '--grace-period=0', '--wait=false');
    const from = Date.now();
    await eventually('the routers know that no pod is left', async () => {
      const { status, body } = await infer('moving');
      return status === 503 && body.includes('no healthy upstream');
    });
    expect(Date.now() - from, 'milliseconds').to.be.below(1000 + 500);
    expect([held, ''], 'nobody else leads yet').to.include(await leaseHolder());
    await eventually('a new pod is ready', async () => (await readyPods('moving')).length > 0, 60);
    const readyAt = Date.now();
    await eventually('it answers', async () => (await infer('moving')).status === 200);
    expect(Date.now() - readyAt, 'milliseconds').to.be.below(1000 + 500);
  });
});
