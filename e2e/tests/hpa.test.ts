/** The class hpa on a real metrics-server: Kubernetes scales by CPU, and the requests go to what is ready. */
import { expect } from 'chai';
import {
  apply,
  IRIS_INPUT,
  isvc,
  ready,
  readyReplicas,
  removeAll,
  router,
} from '../harness/kubectl.ts';
import { eventually, Load } from '../harness/load.ts';
import { startMetricsServer } from '../harness/metrics-server.ts';

const NAME = 'iris-by-cpu';
const REVISION = `${NAME}-predictor-00001`;

describe('class hpa', function () {
  this.timeout(400_000);

  before(async () => {
    await startMetricsServer();
    const target = { type: 'Utilization', averageUtilization: 50 };
    const service = isvc(
      NAME,
      {
        minReplicas: 1,
        maxReplicas: 3,
        autoScaling: {
          metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }],
          behavior: { scaleDown: { stabilizationWindowSeconds: 15 } },
        },
      },
      { resources: { requests: { cpu: '40m' } } },
    ) as { metadata: object };
    const annotations = { 'serving.kserve.io/autoscalerClass': 'hpa' };
    await apply({ ...service, metadata: { ...service.metadata, annotations } });
    await ready(NAME);
  });
  after(() => removeAll(NAME));

  it('scales 1 → 3 → 1 by CPU, and loses nothing', async () => {
    const load = new Load({
      url: `${router()}/v2/models/${NAME}/infer`,
      host: `${NAME}-default.example.com`,
      body: IRIS_INPUT,
      rate: 150,
    });
    await eventually('three replicas', async () => (await readyReplicas(REVISION)) === 3, 150);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await load.stop();
    await eventually('one replica', async () => (await readyReplicas(REVISION)) === 1, 150);
    expect(load.failures).to.deep.equal([]);
  });
});
