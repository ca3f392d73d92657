/** Pods that are started for waiting requests, on a real API server: by any operator, and by one only. */
import { expect } from 'chai';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import { eventually } from '../../../e2e/harness/load.ts';
import type { KubeObject } from '../../src/api/kube.ts';
import { Waker } from '../../src/controller/waker.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { KubeCluster } from '../../src/kube/cluster.ts';
import { recordedLog } from './recorded-log.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

const NAME = 'iris-predictor-00001';

describeWithApiServer('waker', function () {
  this.timeout(40_000);
  let server: ApiServer;
  let client: KubeClient;
  let namespace: string;
  let stopped: AbortController;

  before(async () => {
    server = await sharedApiServer();
    client = new KubeClient(server.kubeConfig());
  });

  beforeEach(async () => {
    namespace = await server.namespace('waker');
    stopped = new AbortController();
  });

  afterEach(() => stopped.abort());

  async function cluster(): Promise<KubeCluster> {
    const { log } = recordedLog();
    const own = new KubeClient(server.kubeConfig());
    const started = new KubeCluster({ client: own, log, onChange: () => undefined });
    await started.start(stopped.signal);
    return started;
  }

  async function deployment(replicas: number): Promise<void> {
    const labels = { app: NAME };
    const owned = {
      'app.kubernetes.io/managed-by': 'wherry',
      'serving.kserve.io/inferenceservice': 'iris',
    };
    await client.create({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: NAME, namespace, labels: owned },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: 'kserve-container', image: 'i' }] },
        },
      },
    } as KubeObject);
  }

  async function service(heldRevisions: string[], annotations = {}): Promise<void> {
    const metadata = { name: 'iris', namespace };
    const type = { apiVersion: 'serving.kserve.io/v1beta1', kind: 'InferenceService' };
    const model = { modelFormat: { name: 'onnx' }, storageUri: 'builtin://iris' };
    const predictor = { minReplicas: 0, maxReplicas: 3, scaleTarget: 10, model };
    await client.create({
      ...type,
      metadata: { ...metadata, annotations },
      spec: { predictor },
    } as KubeObject);
    const status = { components: { predictor: { heldRevisions } } };
    await client.apply({ ...type, metadata, status } as KubeObject, 'status');
  }

  const replicas = async () => {
    const { spec } = await client.get<{ spec: { replicas: number } }>({
      ...{ kind: 'Deployment', namespace, name: NAME },
    });
    return spec.replicas;
  };

  async function waker() {
    const { log, entries } = recordedLog();
    const writer = await cluster();
    const made = new Waker({ lister: writer, writer, log });
    const ref = { namespace, service: 'iris', component: 'predictor', revision: 1 } as const;
    return { entries, wake: (waiting: number) => made.wake(ref, waiting) };
  }

  it('lets one of several operators that try at once succeed', async () => {
    await deployment(0);
    const clusters = await Promise.all([cluster(), cluster(), cluster()]);
    const woken = await Promise.all(
      clusters.map((c, i) => c.scale({ namespace, name: NAME }, { from: 0, to: i + 1 })),
    );
    expect(woken.filter(Boolean)).to.have.length(1);
    expect(await replicas()).to.equal(woken.indexOf(true) + 1);
    expect(await clusters[0].scale({ namespace, name: NAME }, { from: 0, to: 5 })).to.equal(false);
  });

  it('is not kept from it by a change that the caches do not show yet', async () => {
    await deployment(0);
    const one = await cluster();
    // Nothing is followed any more.
    stopped.abort();
    await client.patch(
      { kind: 'Deployment', namespace, name: NAME },
      { metadata: { annotations: { changed: 'meanwhile' } } },
    );
    expect(await one.scale({ namespace, name: NAME }, { from: 0, to: 2 })).to.equal(true);
    expect(await replicas()).to.equal(2);
  });

  it('starts as many pods as those that wait need, and tells of it', async () => {
    await deployment(0);
    await service([NAME]);
    const { wake, entries } = await waker();
    await wake(12);
    expect(await replicas()).to.equal(2);
    expect(entries.map(({ message, to }) => [message, to])).to.deep.equal([['woken', 2]]);
    const events = `/api/v1/namespaces/${namespace}/events`;
    await eventually('it is told', async () => {
      return (await server.request('GET', events)).includes(
        `${NAME}: 0 → 2, for 12 waiting requests`,
      );
    });
    await wake(500);
    expect(await replicas()).to.equal(2);
  });

  it('starts no more than there may be', async () => {
    await deployment(0);
    await service([NAME]);
    await (await waker()).wake(500);
    expect(await replicas()).to.equal(3);
  });

  it('starts none of a revision that is not held, or of a service that is stopped', async () => {
    await deployment(0);
    await service([]);
    await (await waker()).wake(1);
    expect(await replicas()).to.equal(0);
    await client.delete(await client.get({ kind: 'InferenceService', namespace, name: 'iris' }));
    await service([NAME], { 'serving.kserve.io/stop': 'true' });
    await (await waker()).wake(1);
    expect(await replicas()).to.equal(0);
  });
});
