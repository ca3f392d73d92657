/** Which revisions the pods of a warm pool can stand in for, and for how long. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { load } from 'js-yaml';
import { DEFAULT_CONFIG } from '../src/api/config.ts';
import type { ComponentSpec, ServingRuntimeData } from '../src/api/inferenceservice.ts';
import type { KubeObject, Observed, Pod, PodSpec, ServiceAccount } from '../src/api/kube.ts';
import { ISVC_API_VERSION } from '../src/api/names.ts';
import { components } from '../src/plan/component.ts';
import { podTemplate } from '../src/plan/pod.ts';
import {
  endedStandIns,
  isFree,
  serverArguments,
  staleClaims,
  whyUnfit,
} from '../src/plan/stand-in.ts';
import { poolDeployments } from '../src/plan/warm-pool.ts';

const ROOT = new URL('../../', import.meta.url);

function runtime(): ServingRuntimeData {
  const text = readFileSync(new URL('charts/wherry/files/runtime.yaml', ROOT), 'utf8');
  const found = load(text) as ServingRuntimeData;
  const annotations = {
    ...found.metadata.annotations,
    'serving.wherry.dev/warm-pool': 'default=1',
  };
  return { ...found, metadata: { ...found.metadata, annotations } };
}

function poolPod(): PodSpec {
  const made = poolDeployments({ runtime: runtime(), config: DEFAULT_CONFIG, authorities: 'PEM' });
  if (!made.ok) throw new Error(made.problem.message);
  return made.value[0]?.spec?.template.spec as PodSpec;
}

interface Wishes {
  readonly predictor?: Partial<ComponentSpec>;
  readonly model?: Partial<NonNullable<ComponentSpec['model']>>;
  readonly annotations?: Record<string, string>;
  readonly serviceAccount?: Partial<ServiceAccount>;
}

/** The pod of a revision of a service with some wishes. */
function revisionPod({ predictor, model, annotations, serviceAccount }: Wishes): PodSpec {
  const [component] = components({
    apiVersion: ISVC_API_VERSION,
    kind: 'InferenceService',
    metadata: { name: 'iris', namespace: 'default', annotations },
    spec: {
      predictor: {
        ...predictor,
        model: { modelFormat: { name: 'onnx' }, storageUri: 'builtin://iris', ...model },
      },
    },
  });
  if (component === undefined) throw new Error('a service has a component');
  const made = podTemplate({
    component,
    runtime: runtime(),
    revision: 'iris-predictor-00001',
    config: DEFAULT_CONFIG,
    serviceAccount: serviceAccount as Observed<ServiceAccount>,
  });
  if (!made.ok) throw new Error(made.problem.message);
  return JSON.parse(JSON.stringify(made.value.spec)) as PodSpec;
}

const resources = (memory: string, cpu = '100m') => ({
  requests: { cpu, memory: '256Mi' },
  limits: { memory },
});

describe('pods of a warm pool', () => {
  const pool = JSON.parse(JSON.stringify(poolPod())) as PodSpec;

  for (const [what, wishes] of [
    ['a service without wishes', {}],
    ['a model on a web server', { model: { storageUri: 'https://example.com/model.onnx' } }],
    ['arguments of its own', { model: { args: ['--max_batch_size=8'] } }],
    ['a probe of its own', { model: { readinessProbe: { tcpSocket: { port: 8080 } } } }],
    ['less memory', { model: { resources: resources('1Gi') } }],
    ['labels and annotations', { predictor: { labels: { team: 'a' }, annotations: { a: 'b' } } }],
    ['a timeout that is short', { predictor: { timeout: 10 } }],
  ] as const satisfies readonly [string, Wishes][]) {
    it(`stand in for ${what}`, () => {
      expect(whyUnfit(revisionPod(wishes), pool)).to.equal(undefined);
    });
  }

  for (const [what, reason, wishes] of [
    ['more memory', "the pool's pods have less memory", { model: { resources: resources('3Gi') } }],
    [
      'more CPU',
      "the pool's pods have less cpu",
      { model: { resources: resources('2Gi', '200m') } },
    ],
    [
      'a GPU',
      /^its pods differ in |less nvidia/,
      { model: { resources: { limits: { 'nvidia.com/gpu': '1' } } } },
    ],
    ['another image', 'its pods differ in image', { model: { image: 'own:1' } }],
    [
      'another version of the runtime',
      'its pods differ in image',
      { model: { runtimeVersion: '2' } },
    ],
    [
      'a variable',
      'its pods differ in env',
      { model: { env: [{ name: 'PREDICT_PROBA', value: 'true' }] } },
    ],
    [
      'an argument with a variable',
      'its arguments take variables',
      { model: { args: ['--max_batch_size=$(SIZE)'] } },
    ],
    [
      'a ServiceAccount',
      'its pods differ in serviceAccountName',
      { predictor: { serviceAccountName: 'reader' } },
    ],
    ['nodes', 'its pods differ in nodeSelector', { predictor: { nodeSelector: { gpu: 'a' } } }],
    [
      'credentials of a Secret',
      'its pods differ in env',
      {
        model: { storageUri: 's3://bucket/model' },
        annotations: { 'serving.kserve.io/storageSecretName': 'keys' },
      },
    ],
    [
      'credentials of its account',
      'its pods differ in envFrom',
      { serviceAccount: { secrets: [{ name: 'keys' }] } },
    ],
    [
      'a volume with the model',
      'its pods differ in volumes',
      { model: { storageUri: 'pvc://claim/model' } },
    ],
    [
      'a container beside the server',
      'its pods have other containers',
      { predictor: { containers: [{ name: 'beside', image: 'b' }] } },
    ],
    [
      'an init container',
      'its pods differ in initContainers',
      { predictor: { initContainers: [{ name: 'first', image: 'f' }] } },
    ],
    [
      'a security context',
      'its pods differ in securityContext',
      { model: { securityContext: { runAsUser: 7 } } },
    ],
    ['a long timeout', 'its pods may take longer to end', { predictor: { timeout: 600 } }],
  ] as const satisfies readonly [string, string | RegExp, Wishes][]) {
    it(`do not stand in for ${what}`, () => {
      expect(whyUnfit(revisionPod(wishes), pool)).to.match(
        typeof reason === 'string' ? new RegExp(`^${reason}$`) : reason,
      );
    });
  }

  it('have no model, and no flag that names one', () => {
    const [container] = pool.containers;
    expect(container?.args?.join(' ')).to.not.match(/--model_name|--storage_uri/);
  });

  it('get the arguments as the kubelet would make them', () => {
    const uri = 'https://example.com/$model.onnx';
    const args = serverArguments(revisionPod({ model: { storageUri: uri } }));
    expect(args).to.include('--model_name=iris').and.to.include(`--storage_uri=${uri}`);
  });
});

describe('life of a stand-in', () => {
  const POOL = 'serving.wherry.dev/pool';
  const CLAIMED = 'serving.wherry.dev/claimed';
  const REVISION = 'serving.wherry.dev/revision';

  function pod(name: string, labels: Record<string, string>, status: Pod['status'] = ready) {
    return {
      ...{ apiVersion: 'v1', kind: 'Pod' },
      ...{ metadata: { name, namespace: 'default', labels }, status },
    } as Observed<Pod>;
  }
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
  const starting = { conditions: [{ type: 'Ready', status: 'False' }] };
  const own = (status = ready) => pod('own', { [REVISION]: 'r', app: 'isvc.r' }, status);
  const standIn = (status?: Pod['status']) =>
    pod('stand-in', { [REVISION]: 'r', [CLAIMED]: '100' }, status);
  const scaled = (replicas: number) =>
    ({
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'r' } },
      spec: { replicas },
    }) as KubeObject;
  const namesOf = (pods: readonly Observed<Pod>[]) => pods.map(({ metadata }) => metadata.name);

  it('begins with a pod that is ready and nobody has taken', () => {
    expect(isFree(pod('a', { [POOL]: 'p' }))).to.equal(true);
    expect(isFree(pod('a', { [POOL]: 'p' }, starting))).to.equal(false);
    expect(isFree(pod('a', { [POOL]: 'p', [CLAIMED]: '100' }))).to.equal(false);
    expect(isFree(standIn())).to.equal(false);
    expect(isFree(own())).to.equal(false);
    const leaving = pod('a', { [POOL]: 'p' });
    leaving.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    expect(isFree(leaving)).to.equal(false);
  });

  for (const [what, pods, replicas, ended] of [
    ['stays while no pod of the revision is ready', [own(starting), standIn()], 1, []],
    ['stays while it is not ready itself for once', [own(starting), standIn(starting)], 1, []],
    ['ends when one is', [own(), standIn()], 1, ['stand-in']],
    ['ends when the revision is to have none', [standIn()], 0, ['stand-in']],
    [
      'ends when its process was started again',
      [standIn({ ...ready, containerStatuses: [{ restartCount: 1 } as never] })],
      1,
      ['stand-in'],
    ],
    ['ends when it was evicted', [standIn({ phase: 'Failed' })], 1, ['stand-in']],
    ['is no pod that its Deployment has made', [own()], 0, []],
  ] as const) {
    it(what, () => {
      expect(namesOf(endedStandIns(pods, [scaled(replicas)]))).to.deep.equal(ended);
    });
  }

  it('is given up when whoever claimed it has not used it for three minutes', () => {
    const claimed = (name: string, at: number) => pod(name, { [POOL]: 'p', [CLAIMED]: String(at) });
    const pods = [claimed('old', 100), claimed('new', 200), pod('free', { [POOL]: 'p' })];
    const found = staleClaims(pods, 280_000);
    expect(namesOf(found.stale)).to.deep.equal(['old']);
    expect(found.nextLook).to.equal(380_000);
    expect(staleClaims([pod('free', { [POOL]: 'p' })], 0)).to.deep.equal({ stale: [] });
  });
});
