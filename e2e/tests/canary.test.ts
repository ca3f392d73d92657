/** The whole canary life under 200 requests a second through the routers: nothing is lost. */
import { expect } from 'chai';
import {
  apply,
  get,
  IRIS_INPUT,
  kubectl,
  ready,
  removeAll,
  router,
  sample,
  split,
  statusOf,
} from '../harness/kubectl.ts';
import { eventually, Load } from '../harness/load.ts';

const R1 = 'iris-predictor-00001';
const R2 = 'iris-predictor-00002';
const MEASURE = 15_000;

describe('canary', function () {
  this.timeout(300_000);
  let load: Load;

  const withPercent = (percent: number | undefined) =>
    sample('canary.yaml').replace(
      / *canaryTrafficPercent: 10\n/,
      percent === undefined ? '' : `    canaryTrafficPercent: ${percent}\n`,
    );

  async function measured(): Promise<Record<string, number>> {
    const from = load.now;
    await new Promise((resolve) => setTimeout(resolve, MEASURE));
    return load.shares(from);
  }

  before(async () => {
    await apply(sample('iris.yaml'));
    await ready('iris');
    load = new Load({
      url: `${router()}/v2/models/iris/infer`,
      host: 'iris-default.example.com',
      body: IRIS_INPUT,
      rate: 200,
    });
  });
  after(async () => {
    await load.stop();
    await removeAll('iris');
  });

  it('gives the new revision 10 % once its model is loaded', async () => {
    await apply(withPercent(10));
    await split('iris', { [R1]: 90, [R2]: 10 });
    const shares = await measured();
    expect(shares[R2]).to.be.closeTo(10, 3);
    const [, row] = (await kubectl('get', 'isvc', 'iris')).split('\n');
    expect(row).to.match(new RegExp(`True\\s+90\\s+10\\s+${R1}\\s+${R2}`));
  });

  it('moves to 50 %', async () => {
    await apply(withPercent(50));
    await split('iris', { [R1]: 50, [R2]: 50 });
    expect((await measured())[R2]).to.be.closeTo(50, 3);
  });

  it('goes back to 0 % and leaves the canary in the dark', async () => {
    await apply(withPercent(0));
    await split('iris', { [R1]: 100, [R2]: 0 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const from = load.now;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(load.shares(from)).to.deep.equal({ [R1]: 100 });
  });

  it('promotes when the percent is removed; the old revision drains and goes to 0', async () => {
    await apply(withPercent(undefined));
    await split('iris', { [R2]: 100 });
    await ready('iris');
    await eventually('the old revision has no pod', async () => {
      const { spec } = await get<{ spec: { replicas: number } }>('deployment', R1);
      return spec.replicas === 0;
    });
    const { components } = await statusOf('iris');
    expect(components?.predictor).to.include({
      latestRolledoutRevision: R2,
      previousRolledoutRevision: R1,
    });
  });

  it('rolls back to the kept revision by applying the old model', async () => {
    await apply(sample('iris.yaml'));
    await split('iris', { [R1]: 100 });
    await eventually('the rolled-back revision has no pod', async () => {
      const { spec } = await get<{ spec: { replicas: number } }>('deployment', R2);
      return spec.replicas === 0;
    });
    const { items } = await get<{ items: unknown[] }>('deployments');
    expect(items, 'no third revision').to.have.length(2);
  });

  it('lost no request in all of that', async () => {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await load.stop();
    expect(load.outcomes.length).to.be.greaterThan(8000);
    expect(load.failures).to.deep.equal([]);
  });

  it('leaves nothing behind when the service is deleted', async () => {
    await removeAll('iris');
    const response = await fetch(`${router()}/serving/default/iris/v2`);
    expect([response.status, await response.json()]).to.deep.equal([
      404,
      { error: 'no service has this host or path' },
    ]);
  });
});
