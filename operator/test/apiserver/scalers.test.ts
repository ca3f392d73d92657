/**
 * Who sets the scale, before a real API server: the scalers that Wherry makes, and what becomes of them and of the
 * pods when the autoscaler class changes. No controller of Kubernetes runs: what a scaler would do, a test does itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import type { FaultProxy } from '../../../e2e/harness/fault-proxy.ts';
import { eventually } from '../../../e2e/harness/load.ts';
import type { InferenceServiceData } from '../../src/api/inferenceservice.ts';
import type { HorizontalPodAutoscaler, KubeObject, Observed } from '../../src/api/kube.ts';
import { Waker } from '../../src/controller/waker.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { isNotFound } from '../../src/kube/errors.ts';
import { canonicalQuantity } from '../../src/plan/quantity.ts';
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

describeWithApiServer('scalers', function () {
  this.timeout(60_000);
  let server: ApiServer;
  let client: KubeClient;
  let proxy: FaultProxy;
  let namespace: string;
  let operator: RunningOperator;

  before(async () => {
    server = await sharedApiServer();
    client = new KubeClient(server.kubeConfig());
    await installRuntime(client);
  });

  beforeEach(async () => {
    proxy = await proxyOf(server);
    namespace = await namespaceWithAccount(server, 'scalers');
    operator = await startOperator(server, proxy);
  });

  afterEach(async () => {
    await operator.stop();
    proxy.close();
    await server.request('DELETE', services()).catch(() => undefined);
  });

  const services = () =>
    `/apis/serving.kserve.io/v1beta1/namespaces/${namespace}/inferenceservices`;

  const read = <T = KubeObject>(kind: string, name: string) =>
    client.get<T>({ kind, namespace, name });

  const exists = (kind: string, name: string) =>
    read(kind, name).then(
      () => true,
      (error) => {
        if (isNotFound(error)) return false;
        throw error;
      },
    );

  async function createService(autoscaler: string, predictor: object): Promise<void> {
    await client.create({
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata: { name: 'iris', namespace, annotations: classOf(autoscaler) },
      spec: {
        predictor: {
          model: { modelFormat: { name: 'onnx' }, storageUri: 'builtin://iris' },
          ...predictor,
        },
      },
    } as KubeObject);
    await eventually('the revision is there', () => exists('Deployment', REVISION));
    await settled(operator);
  }

  /** Null takes the annotation away. */
  function classOf(autoscaler: string): Record<string, string> {
    return { 'serving.kserve.io/autoscalerClass': (autoscaler || null) as string };
  }

  async function setClass(autoscaler: string, predictor: object = {}): Promise<void> {
    const patch = { metadata: { annotations: classOf(autoscaler) }, spec: { predictor } };
    await server.request('PATCH', `${services()}/iris`, patch);
    await settled(operator);
  }

  async function replicas(): Promise<number | undefined> {
    const { spec } = await read<{ spec: { replicas?: number } }>('Deployment', REVISION);
    return spec.replicas;
  }

  it('makes one HorizontalPodAutoscaler of a revision, as the API server stores it, and then rests', async () => {
    const average = (averageValue: string) => ({ type: 'AverageValue', averageValue });
    await createService('hpa', {
      minReplicas: 0,
      maxReplicas: 4,
      autoScaling: {
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: average('0.5') } },
          { type: 'Resource', resource: { name: 'memory', target: average('2048Mi') } },
        ],
        behavior: { scaleDown: { policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } },
      },
    });
    const { metadata, spec } = await read<Observed<HorizontalPodAutoscaler>>(
      'HorizontalPodAutoscaler',
      REVISION,
    );
    expect([spec?.minReplicas, spec?.maxReplicas]).to.deep.equal([1, 4]);
    expect(spec?.scaleTargetRef).to.deep.equal({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      name: REVISION,
    });
    expect(metadata.labels).to.include({ 'serving.kserve.io/inferenceservice': 'iris' });
    expect(metadata.ownerReferences?.[0]?.kind).to.equal('InferenceService');
    expect(operator.requests.filter((request) => / [45]\d\d$/.test(request))).to.deep.equal([]);

    operator.requests.length = 0;
    operator.reconciliation.enqueueAll();
    await sleep(QUIET_MS);
    expect(operator.requests).to.deep.equal([]);
  });

  it('keeps the pods that a class had for the next one, and leaves no scaler behind', async () => {
    await createService('hpa', { minReplicas: 2, maxReplicas: 6 });
    expect(await replicas()).to.equal(2);
    await client.scale({ kind: 'Deployment', namespace, name: REVISION }, 5);
    await settled(operator);
    expect(await replicas(), 'what the HorizontalPodAutoscaler sets stays').to.equal(5);
    for (const [autoscaler, hasScaler] of [
      ['external', false],
      ['hpa', true],
      ['', false],
      ['hpa', true],
    ] as const) {
      await setClass(autoscaler);
      const is = await exists('HorizontalPodAutoscaler', REVISION);
      expect([is, await replicas()], autoscaler || 'no class').to.deep.equal([hasScaler, 5]);
    }
    // The class none is minReplicas pods by what it means.
    await setClass('none');
    const is = await exists('HorizontalPodAutoscaler', REVISION);
    expect([is, await replicas()]).to.deep.equal([false, 2]);
  });

  describe('of KEDA', () => {
    const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const CRD = `${CRDS}/scaledobjects.keda.sh`;
    const target = { type: 'Utilization', averageUtilization: 60 };
    const KEDA = {
      maxReplicas: 6,
      autoScaling: { metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }] },
    };

    /** Makes the kind as a cluster with KEDA has it, without its schema. */
    async function installKeda(): Promise<void> {
      const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
      await server.request('POST', CRDS, {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: 'scaledobjects.keda.sh' },
        spec: {
          group: 'keda.sh',
          scope: 'Namespaced',
          names: { kind: 'ScaledObject', plural: 'scaledobjects' },
          versions: [
            {
              ...{ name: 'v1alpha1', served: true, storage: true },
              ...{ schema: { openAPIV3Schema: schema }, subresources: { status: {} } },
            },
          ],
        },
      });
    }

    afterEach(() => server.request('DELETE', CRD).catch(() => undefined));

    const predictorReady = async () => {
      const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
      return status?.conditions?.find(({ type }) => type === 'PredictorReady');
    };

    it('tells that the kind is missing, serves, and makes the ScaledObject when KEDA is installed', async () => {
      await createService('keda', KEDA);
      await runPod(server, { namespace, name: REVISION });
      await eventually('it is told', async () => {
        return (await predictorReady())?.reason === 'AutoscalerMissing';
      });
      expect((await predictorReady())?.message).to.match(/class keda needs the kind ScaledObject/);
      expect(operator.requests.filter((request) => /ScaledObject/.test(request))).to.deep.equal([]);

      await installKeda();
      await eventually('the ScaledObject is there', () => exists('ScaledObject', REVISION));
      await eventually('all is well', async () => (await predictorReady())?.status === 'True');
      await settled(operator);
      operator.requests.length = 0;
      operator.reconciliation.enqueueAll();
      await sleep(QUIET_MS);
      expect(operator.requests).to.deep.equal([]);
    });

    it('keeps the pods when the class changes between keda and hpa, and never has both scalers', async () => {
      await installKeda();
      await createService('keda', KEDA);
      await eventually('the ScaledObject is there', () => exists('ScaledObject', REVISION));
      await client.scale({ kind: 'Deployment', namespace, name: REVISION }, 4);
      await settled(operator);
      for (const [autoscaler, before, after] of [
        ['hpa', 'ScaledObject', 'HorizontalPodAutoscaler'],
        ['keda', 'HorizontalPodAutoscaler', 'ScaledObject'],
      ] as const) {
        operator.requests.length = 0;
        await setClass(autoscaler);
        const writes = operator.requests.filter((request) => /Scale/i.test(request));
        expect(writes).to.deep.equal([`delete ${before} 200`, `apply ${after} 201`]);
        expect(await replicas(), autoscaler).to.equal(4);
      }
      await setClass('', { autoScaling: null });
      expect(await exists('ScaledObject', REVISION)).to.equal(false);
      expect(await replicas()).to.equal(4);
    });

    it('starts pods for requests at zero, as many as are needed, and leaves them to KEDA', async () => {
      await installKeda();
      await operator.stop();
      operator = await startOperator(server, proxy, {
        config: { externalScaler: 'scaler:18001' },
      });
      await createService('keda', {
        minReplicas: 0,
        maxReplicas: 6,
        scaleMetric: 'concurrency',
        scaleTarget: 10,
      });
      const { spec } = await read<{ spec: { triggers: object[] } }>('ScaledObject', REVISION);
      expect(spec.triggers).to.deep.equal([
        {
          type: 'external-push',
          metadata: {
            scalerAddress: 'scaler:18001',
            revision: REVISION,
            metric: 'concurrency',
            target: '7',
          },
        },
      ]);
      await runPod(server, { namespace, name: REVISION });
      await eventually('all is well', async () => (await predictorReady())?.status === 'True');
      await client.scale({ kind: 'Deployment', namespace, name: REVISION }, 0);
      await server.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${REVISION}-x`);
      await eventually('it is idle', async () => (await predictorReady())?.reason === 'Idle');

      const { log } = recordedLog();
      const { cluster } = operator;
      const waker = new Waker({ lister: cluster, writer: cluster, log });
      const ref = { namespace, service: 'iris', component: 'predictor', revision: 1 } as const;
      await eventually('it wakes', async () => {
        await waker.wake(ref, 12);
        return (await replicas()) === 2;
      });
      await client.scale({ kind: 'Deployment', namespace, name: REVISION }, 5);
      await settled(operator);
      expect(await replicas()).to.equal(5);
    });

    it('leaves what KEDA has scaled to zero at zero', async () => {
      await installKeda();
      await createService('keda', KEDA);
      await runPod(server, { namespace, name: REVISION });
      await eventually('all is well', async () => (await predictorReady())?.status === 'True');
      await client.scale({ kind: 'Deployment', namespace, name: REVISION }, 0);
      await server.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${REVISION}-x`);
      await eventually('it is told', async () => {
        return (await predictorReady())?.reason === 'ScaledToZero';
      });
      await settled(operator);
      expect(await replicas()).to.equal(0);
      expect(await exists('ScaledObject', REVISION)).to.equal(true);
    });
  });

  it('tells that a scaler cannot scale, in its words, while the service is ready', async () => {
    await createService('hpa', { maxReplicas: 6 });
    await runPod(server, { namespace, name: REVISION });
    const path = `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers/${REVISION}`;
    /** Writes what Kubernetes' controller would say of the metric. */
    const say = (status: string, reason: string, message: string) => {
      const condition = { type: 'ScalingActive', status, reason, message };
      const conditions = [{ ...condition, lastTransitionTime: new Date().toISOString() }];
      const measured = { desiredReplicas: 1, currentReplicas: 1, currentMetrics: null };
      return server.request('PATCH', `${path}/status`, { status: { ...measured, conditions } });
    };
    const conditions = async () => {
      const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
      const all = status?.conditions?.map((condition) => [condition.type, condition] as const);
      return new Map(all);
    };
    await say('False', 'FailedGetResourceMetric', 'no metrics returned from resource metrics API');
    await eventually('it is told', async () => (await conditions()).has('ScalerReady'), 10);
    const told = await conditions();
    expect(told.get('ScalerReady')).to.include({
      status: 'False',
      severity: 'Warning',
      reason: 'FailedGetResourceMetric',
      message: `HorizontalPodAutoscaler "${REVISION}": no metrics returned from resource metrics API`,
    });
    expect(told.get('PredictorReady')?.status).to.equal('True');
    await say('True', 'ValidMetricFound', 'the HPA was able to calculate a replica count');
    await eventually('it is well', async () => !(await conditions()).has('ScalerReady'), 10);
  });

  it('takes the scaler away before it stops the pods', async () => {
    await createService('hpa', { maxReplicas: 6 });
    const stop = (value: string | null) =>
      server.request('PATCH', `${services()}/iris`, {
        metadata: { annotations: { 'serving.kserve.io/stop': value } },
      });
    operator.requests.length = 0;
    await stop('true');
    await settled(operator);
    expect(await replicas()).to.equal(0);
    expect(await exists('HorizontalPodAutoscaler', REVISION)).to.equal(false);
    const writes = operator.requests.filter((request) => / (Hori|Depl)/.test(request));
    expect(writes).to.deep.equal(['delete HorizontalPodAutoscaler 200', 'scale Deployment 200']);
    await stop(null);
    await settled(operator);
    expect(await replicas()).to.equal(1);
    expect(await exists('HorizontalPodAutoscaler', REVISION)).to.equal(true);
  });

  it('leaves a scaler of somebody else alone, and tells of it', async () => {
    const theirs = {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: REVISION, namespace, labels: { 'app.kubernetes.io/managed-by': 'shop' } },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' },
        maxReplicas: 2,
      },
    };
    await client.create(theirs);
    await createService('hpa', { maxReplicas: 6 });
    const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
    const told = status?.conditions?.find(({ type }) => type === 'PredictorReady');
    expect(told?.reason).to.equal('NameTaken');
    expect(told?.message).to.include(`HorizontalPodAutoscaler "${REVISION}" exists`);
    expect(told?.message).to.include('managed by shop');
  });

  it('tells what the API server refuses of a scaler', async () => {
    const target = { type: 'AverageValue', averageValue: '0' };
    const metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
    await createService('hpa', { maxReplicas: 6, autoScaling: { metrics } });
    const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
    const told = status?.conditions?.find(({ type }) => type === 'PredictorReady');
    expect(told?.reason).to.equal('ApplyRefused');
    expect(told?.message).to.match(/averageValue.*must be positive/);
  });

  it('writes quantities so that the API server stores them as they are', async () => {
    const quantities = [
      ...[
        '1',
        '0.5',
        '.5',
        '5.',
        '500m',
        '0.0005',
        '1500m',
        '1000',
        '1e3',
        '1E3',
        '12e-1',
        '1.5e6',
      ],
      ...['1000m', '1k', '1.5k', '2048Mi', '1536Mi', '0.5Gi', '1.5Gi', '1000Mi', '1Ki', '1000Ki'],
      ...['0.1Ki', '0.3Mi', '1023', '1024', '1048576', '123456789', '1n', '0.1n', '1500u', '3E'],
      ...['2Ei', '100M', '0.9Ki', '1.0001Ki', '10e3', '1e0', '100e-3', '1e-9', '007'],
    ];
    const stored = async (averageValue: string) => {
      const target = { type: 'AverageValue', averageValue };
      const { spec } = await client.apply<Observed<HorizontalPodAutoscaler>>({
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name: 'quantity', namespace },
        spec: {
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' },
          maxReplicas: 2,
          metrics: [{ type: 'Resource', resource: { name: 'memory', target } }],
        },
      });
      return String(spec?.metrics?.[0]?.resource?.target.averageValue);
    };
    for (const quantity of quantities) {
      const canonical = canonicalQuantity(quantity);
      expect(await stored(canonical), quantity).to.equal(canonical);
      const asked = await stored(quantity);
      expect(canonicalQuantity(asked), `${quantity} is ${asked}`).to.equal(canonical);
    }
  });
});
