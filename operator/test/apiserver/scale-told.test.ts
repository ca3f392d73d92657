/** Each change of a scale on a real API server: what the status and the events tell of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import type { FaultProxy } from '../../../e2e/harness/fault-proxy.ts';
import { eventually } from '../../../e2e/harness/load.ts';
import type { InferenceServiceData, ScaleChange } from '../../src/api/inferenceservice.ts';
import type { KubeObject } from '../../src/api/kube.ts';
import { parseRevision } from '../../src/api/revision.ts';
import { Waker } from '../../src/controller/waker.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { claimedRouting } from '../../src/local/local.ts';
import { recordedLog } from './recorded-log.ts';
import {
  installRuntime,
  namespaceWithAccount,
  proxyOf,
  QUIET_MS,
  type RunningOperator,
  runPod,
  settled,
  startOperator,
} from './running-operator.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

const REVISION = 'iris-predictor-00001';

describeWithApiServer('a change of scale is told', function () {
  this.timeout(60_000);
  let server: ApiServer;
  let client: KubeClient;
  let proxy: FaultProxy;
  let namespace: string;
  let operator: RunningOperator;
  let reports: NodeJS.Timeout | undefined;

  before(async () => {
    server = await sharedApiServer();
    client = new KubeClient(server.kubeConfig());
    await installRuntime(client);
  });

  beforeEach(async () => {
    proxy = await proxyOf(server);
    namespace = await namespaceWithAccount(server, 'told');
    operator = await startOperator(server, proxy, { routingOf: claimedRouting });
  });

  afterEach(async () => {
    clearInterval(reports);
    await operator.stop();
    proxy.close();
    const services = `/apis/serving.kserve.io/v1beta1/namespaces/${namespace}/inferenceservices`;
    await server.request('DELETE', services).catch(() => undefined);
  });

  const revision = () => {
    const ref = parseRevision(namespace, REVISION);
    if (ref === undefined) throw new Error(`${REVISION} is a revision's name`);
    return ref;
  };

  /** Makes a service with one ready pod, which is to bear 10 requests at once. */
  async function createService(): Promise<void> {
    const model = { modelFormat: { name: 'onnx' }, storageUri: 'builtin://iris' };
    await client.create({
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata: {
        name: 'iris',
        namespace,
        annotations: {
          'autoscaling.knative.dev/window': '6s',
          'autoscaling.knative.dev/target-utilization-percentage': '100',
        },
      },
      spec: { predictor: { model, minReplicas: 0, maxReplicas: 9, scaleTarget: 10 } },
    } as KubeObject);
    await eventually('the revision is there', () =>
      client.get({ kind: 'Deployment', namespace, name: REVISION }).catch(() => false),
    );
    await runPod(server, { namespace, name: REVISION });
    await settled(operator);
  }

  /** Lets something be reported every second from now on. */
  function everySecond(report: () => void): void {
    report();
    clearInterval(reports);
    reports = setInterval(report, 1000);
  }

  /** Lets a router tell of this load from now on. */
  function underWay(inFlight: number): void {
    const load = { ref: revision(), seconds: 1, inFlight, requests: inFlight };
    const clusters = inFlight === 0 ? [] : [load];
    everySecond(() => operator.reconciliation.onLoad({ router: 'a', clusters }));
  }

  async function change(): Promise<ScaleChange | undefined> {
    const { status } = await client.get<InferenceServiceData>({
      ...{ kind: 'InferenceService', namespace, name: 'iris' },
    });
    return status?.components?.predictor?.scaleChanges?.[0];
  }

  /** Waits until the status tells of a change, and returns its words. */
  function told(what: string, words: RegExp): Promise<string> {
    return eventually(
      what,
      async () => {
        const message = (await change())?.message;
        return message !== undefined && words.test(message) && message;
      },
      30,
    );
  }

  async function events(): Promise<string[]> {
    const text = await server.request('GET', `/api/v1/namespaces/${namespace}/events`);
    const { items } = JSON.parse(text) as { items: { reason: string; message: string }[] };
    return items
      .filter(({ reason }) => reason === 'Scaled' || reason === 'Woken')
      .map(({ reason, message }) => `${reason} ${message}`)
      .sort();
  }

  it('up, to zero and woken: once each, and not again by the next operator', async () => {
    await createService();
    expect(await change()).to.equal(undefined);

    underWay(37);
    const up = await told('it is scaled up', /^1 → \d: [\d.]+ under way, 10 a pod/);
    underWay(0);
    const zero = await told('it is at zero', /^1 → 0: 0 under way, 10 a pod$/);
    await server.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${REVISION}-x`);

    const { log } = recordedLog();
    const waker = new Waker({ lister: operator.cluster, writer: operator.cluster, log });
    everySecond(() => {
      operator.reconciliation.onWaiting([{ ref: revision(), count: 12 }]);
      void waker.wake(revision(), 12);
    });
    await told('it is woken', /^0 → 2: woken by requests that waited$/);
    await settled(operator);
    clearInterval(reports);
    const all = await events();
    expect(all).to.include.members([
      `Scaled ${REVISION}: ${up}`,
      `Scaled ${REVISION}: ${zero}`,
      `Woken ${REVISION}: 0 → 2, for 12 waiting requests`,
    ]);
    expect(new Set(all).size).to.equal(all.length);

    await operator.stop();
    operator = await startOperator(server, proxy, { routingOf: claimedRouting });
    await sleep(QUIET_MS);
    expect(operator.requests).to.deep.equal([]);
    expect(await events()).to.deep.equal(all);
  });
});
