/** From no pods at all: a canary, operators that end in the middle of it, routers that do, and a ramp. */
import { expect } from 'chai';
import { NAMESPACE } from '../harness/cluster.ts';
import {
  apply,
  IRIS_INPUT,
  idle,
  infer,
  isvc,
  kubectl,
  leaseHolder,
  ready,
  readyReplicas,
  removeAll,
  router,
  split,
} from '../harness/kubectl.ts';
import { eventually, Load } from '../harness/load.ts';

/** A service that goes to no pods after ten seconds without a request. */
function seldom(name: string, predictor: object = {}, model: object = {}): object {
  const service = isvc(name, { minReplicas: 0, maxReplicas: 2, ...predictor }, model);
  const { metadata } = service as { metadata: object };
  const annotations = { 'autoscaling.knative.dev/window': '10s' };
  return { ...service, metadata: { ...metadata, annotations } };
}

/** Sends a burst, and returns the revisions that answered, by how many requests. */
async function burst(name: string, count: number): Promise<Record<string, number>> {
  const answers = await Promise.all(Array.from({ length: count }, () => infer(name)));
  expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([200]));
  const revisions: Record<string, number> = {};
  for (const { revision } of answers) revisions[revision] = (revisions[revision] ?? 0) + 1;
  return revisions;
}

describe('a canary without pods', function () {
  this.timeout(300_000);
  const NAME = 'seldom-canary';
  after(() => removeAll(NAME));

  it('and the stable revision are woken by their own requests', async () => {
    await apply(seldom(NAME));
    await ready(NAME);
    const forest = { storageUri: 'builtin://iris-forest' };
    await apply(seldom(NAME, { canaryTrafficPercent: 40 }, forest));
    await split(NAME, { [`${NAME}-predictor-00001`]: 60, [`${NAME}-predictor-00002`]: 40 });
    await idle(NAME);
    const revisions = await burst(NAME, 60);
    expect(Object.keys(revisions).sort()).to.deep.equal([
      `${NAME}-predictor-00001`,
      `${NAME}-predictor-00002`,
    ]);
    // A share of 40 % of 60 is within 10 and 38 but for one time in a hundred thousand.
    expect(revisions[`${NAME}-predictor-00002`]).to.be.within(10, 38);
  });
});

describe('the leading operator is killed while requests wait', function () {
  this.timeout(300_000);
  const NAME = 'seldom-led';
  const OPERATOR = ['deploy/wherry-operator', '-n', NAMESPACE] as const;

  before(async () => {
    await kubectl('scale', ...OPERATOR, '--replicas=2');
    await kubectl('rollout', 'status', ...OPERATOR, '--timeout=120s');
    await apply(seldom(NAME));
    await ready(NAME);
  });
  after(async () => {
    await removeAll(NAME);
    await kubectl('scale', ...OPERATOR, '--replicas=1');
    await kubectl('rollout', 'status', ...OPERATOR, '--timeout=120s');
  });

  for (const afterMs of [100, 700]) {
    it(`for ${afterMs} ms: all of them are answered`, async () => {
      await idle(NAME);
      const held = await leaseHolder();
      const answered = burst(NAME, 40);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await kubectl('delete', 'pod', '-n', NAMESPACE, held, '--force', '--grace-period=0');
      await answered;
      await kubectl('rollout', 'status', ...OPERATOR, '--timeout=120s');
    });
  }
});

describe('the routers are replaced while requests wait', function () {
  this.timeout(300_000);
  const NAME = 'seldom-routed';
  const ROUTERS = ['deploy/wherry-router', '-n', NAMESPACE] as const;

  before(async () => {
    // Its server takes long to start, and longer than a router has to end.
    const slow = { initialDelaySeconds: 20, httpGet: { path: '/v2/health/ready', port: 8080 } };
    await apply(seldom(NAME, {}, { readinessProbe: slow }));
    await ready(NAME);
  });
  after(() => removeAll(NAME));

  it('each of them is answered, or told to come again', async () => {
    await idle(NAME);
    const answers = Array.from({ length: 20 }, () => infer(NAME));
    await new Promise((resolve) => setTimeout(resolve, 500));
    await kubectl('rollout', 'restart', ...ROUTERS);
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    expect(statuses).to.have.length(20);
    for (const status of statuses) expect(status).to.be.oneOf([200, 503]);
    await kubectl('rollout', 'status', ...ROUTERS, '--timeout=120s');
    expect((await infer(NAME)).status).to.equal(200);
  });
});

describe('a ramp', function () {
  this.timeout(400_000);
  const NAME = 'seldom-ramp';
  const loads: Load[] = [];
  after(() => removeAll(NAME));

  it('goes 0 → 5 → 0, and loses nothing', async () => {
    await apply(seldom(NAME, { maxReplicas: 5, scaleMetric: 'rps', scaleTarget: 20 }));
    await ready(NAME);
    await idle(NAME);
    for (const rate of [10, 20, 60]) {
      loads.push(
        new Load({
          url: `${router()}/v2/models/${NAME}/infer`,
          host: `${NAME}-default.example.com`,
          body: IRIS_INPUT,
          rate,
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 5000));
    }
    await eventually(
      'five replicas',
      async () => (await readyReplicas(`${NAME}-predictor-00001`)) === 5,
      120,
    );
    for (const load of loads) {
      await load.stop();
      await new Promise((resolve) => setTimeout(resolve, 5000));
    }
    await idle(NAME);
    expect(loads.flatMap(({ failures }) => failures)).to.deep.equal([]);
  });
});
