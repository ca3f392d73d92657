/** One to three replicas and back under changing load, from what the routers report. */
import { expect } from 'chai';
import {
  apply,
  IRIS_INPUT,
  ready,
  readyReplicas,
  removeAll,
  router,
  sample,
} from '../harness/kubectl.ts';
import { eventually, Load } from '../harness/load.ts';

const NAME = 'iris-autoscale';
const REVISION = `${NAME}-predictor-00001`;

describe('autoscaling', function () {
  this.timeout(240_000);
  const loads: Load[] = [];
  const start = (rate: number) => {
    const load = new Load({
      url: `${router()}/v2/models/${NAME}/infer`,
      host: `${NAME}-default.example.com`,
      body: IRIS_INPUT,
      rate,
    });
    loads.push(load);
    return load;
  };
  before(async () => {
    await apply(sample('autoscale.yaml'));
    await ready(NAME);
  });
  after(() => removeAll(NAME));

  it('goes 1 → 3 → 1 with the load, and loses nothing', async () => {
    const low = start(20);
    await new Promise((resolve) => setTimeout(resolve, 8000));
    expect(await readyReplicas(REVISION)).to.equal(1);
    const high = start(110);
    await eventually('three replicas', async () => (await readyReplicas(REVISION)) === 3);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await high.stop();
    await eventually('one replica', async () => (await readyReplicas(REVISION)) === 1, 90);
    await low.stop();
    expect(loads.flatMap(({ failures }) => failures)).to.deep.equal([]);
  });
});
