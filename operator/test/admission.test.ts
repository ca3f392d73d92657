/** Settings that would be accepted without effect are refused by name, and those that ask for nothing are not. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { dump, loadAll } from 'js-yaml';
import type { KubeObject } from '../src/api/kube.ts';
import { chartAdmission } from '../src/local/admission.ts';
import { planFiles } from '../src/local/plan-files.ts';
import { componentAutoscaling } from '../src/plan/autoscale/settings.ts';

const admission = chartAdmission();
const MODEL = { modelFormat: { name: 'sklearn' }, storageUri: 's3://b/m' };

type Verdict = RegExp | 'accepted';

function isvc(predictor: object, metadata: object = {}): object {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'x', ...metadata },
    spec: { predictor },
  };
}

function expectVerdict(object: object, verdict: Verdict): void {
  const problems = admission.problems(object as KubeObject).join('\n');
  if (verdict === 'accepted') expect(problems).to.equal('');
  else expect(problems).to.match(verdict);
}

describe('admission of annotations', () => {
  for (const [key, value, verdict] of [
    ['serving.kserve.io/enable-prometheus-scraping', 'true', 'accepted'],
    ['serving.kserve.io/enable-metric-aggregation', 'true', /no effect with the value \[true\]/],
    ['serving.kserve.io/enable-metric-aggregation', 'false', 'accepted'],
    ['serving.kserve.io/enable-tag-routing', 'true', /remove it, or set it to false/],
    ['serving.kserve.io/disable-auto-update', 'true', 'accepted'],
    ['serving.kserve.io/disable-localmodel', 'true', 'accepted'],
    ['serving.kserve.io/nodegroup', 'n', /nodegroup has no effect with Wherry: remove it/],
    ['serving.kserve.io/logger-secret-name', 's', /logger-secret-name has no effect/],
    ['serving.kserve.io/gpu-resource-types', '[]', /gpu-resource-types has no effect/],
    ['serving.kserve.io/autoscalerclass', 'none', /autoscalerclass has no effect/],
    ['serving.kserve.io/storage-initializer-uid', '1337', 'accepted'],
    ['serving.kserve.io/storage-initializer-uid', '0', /is \[0\]: set the number of a user/],
    ['serving.kserve.io/stop', 'True', 'accepted'],
    ['serving.kserve.io/stop', 'yes', /no effect with the value \[yes\].* true or false/],
    ['storage.kserve.io/readonly', 'nope', /no effect with the value \[nope\]/],
    ['serving.wherry.dev/disruption-budget', 'off', /set it to none/],
    ['serving.wherry.dev/warm-pool', '2', /has no effect here: set it on the ServingRuntime/],
    ['serving.knative.dev/progress-deadline', '600s', /progress-deadline has no effect/],
    ['networking.knative.dev/visibility', 'cluster-local', /visibility has no effect/],
    ['sidecar.opentelemetry.io/inject', 'collector', 'accepted'],
    ['sidecar.istio.io/inject', 'false', 'accepted'],
  ] as [string, string, Verdict][]) {
    it(`${key}: ${value}`, () =>
      expectVerdict(isvc({ model: MODEL }, { annotations: { [key]: value } }), verdict));
  }

  for (const key of ['serving.kserve.io/deploymentMode', 'serving.kserve.io/stop']) {
    it(`${key} of the predictor`, () => {
      const annotations = { [key]: key.endsWith('stop') ? 'true' : 'Standard' };
      expectVerdict(isvc({ model: MODEL, annotations }), /set it in metadata.annotations/);
    });
  }
});

/** What each autoscaler class carries out, and what it would pass over. */
describe('admission of autoscaler classes', () => {
  const resource = (name: string, target: object) => ({
    type: 'Resource',
    resource: { name, target },
  });
  const HALF = resource('cpu', { type: 'Utilization', averageUtilization: 50 });
  const query = (metric: object = {}, target: object = { type: 'Value', value: '100' }) => ({
    type: 'External',
    external: {
      metric: { backend: 'prometheus', serverAddress: 'http://p:9090', query: 'sum(x)', ...metric },
      target,
    },
  });
  const QUERY = query();
  const autoScaling = (...metrics: object[]) => ({ autoScaling: { metrics } });
  const knative = { annotations: { 'autoscaling.knative.dev/window': '60s' } };
  for (const [autoscaler, predictor, verdict] of [
    ['kpa', {}, /\[kpa\] is not a supported autoscaler class type: .* hpa, keda, none or external/],
    ['', { scaleMetric: 'cpu' }, /\[cpu\] is not a supported metric of Wherry's own .* to hpa/],
    ['', autoScaling(HALF), /autoScaling has no effect with Wherry's own autoscaler/],
    ['', { autoScaling: {} }, 'accepted'],
    ['', { autoScaling: { metrics: [], behavior: {} } }, 'accepted'],
    ['none', autoScaling(HALF), /no effect with the autoscaler class none: remove it/],
    ['external', { autoScaling: { behavior: { scaleUp: {} } } }, /class external: remove it/],
    ['external', { scaleMetric: 'cpu', scaleTarget: 500 }, 'accepted'],
    ['hpa', {}, 'accepted'],
    ['hpa', { minReplicas: 0, maxReplicas: 3 }, 'accepted'],
    ['hpa', { scaleMetric: '', scaleTarget: 0, scaleMetricType: '' }, 'accepted'],
    ['hpa', { scaleMetric: 'cpu', scaleTarget: 100, scaleMetricType: 'Utilization' }, 'accepted'],
    ['hpa', { scaleMetric: 'memory', scaleTarget: 1 }, 'accepted'],
    ['hpa', { scaleMetric: 'rps' }, /\[rps\] is not a supported metric of the .* class hpa/],
    ['hpa', { scaleMetric: 'concurrency', scaleTarget: 5 }, /\[concurrency\] is not a supported/],
    ['hpa', { scaleTarget: 101 }, /scaleTarget is \[101\]: .* a percentage, from 1 to 100/],
    ['hpa', { scaleMetric: 'memory' }, /scaleMetric memory needs a scaleTarget/],
    ['hpa', { scaleMetricType: 'AverageValue' }, /\[AverageValue\] is not a supported type/],
    ['hpa', { scaleTarget: 50, ...autoScaling(HALF) }, /no effect beside autoScaling.metrics/],
    ['hpa', { scaleMetric: 'cpu', ...autoScaling(HALF) }, /no effect beside autoScaling.metrics/],
    ['hpa', knative, /autoscaling.knative.dev\/window has no effect with the autoscaler class hpa/],
    ['hpa', autoScaling(HALF, resource('cpu', { type: 'Utilization' })), 'accepted'],
    [
      'hpa',
      autoScaling(resource('cpu', { type: 'AverageValue', averageValue: '500m' })),
      'accepted',
    ],
    [
      'hpa',
      autoScaling(resource('memory', { type: 'AverageValue', averageValue: 1e9 })),
      'accepted',
    ],
    [
      'hpa',
      autoScaling(resource('memory', { type: 'AverageValue', averageValue: '2GB' })),
      /pattern/,
    ],
    [
      'hpa',
      autoScaling(resource('memory', { type: 'AverageValue', averageValue: '-1' })),
      /pattern/,
    ],
    ['hpa', autoScaling(resource('memory', { type: 'Utilization' })), /needs averageUtilization/],
    [
      'hpa',
      autoScaling(resource('cpu', { type: 'AverageValue' })),
      /AverageValue needs averageValue/,
    ],
    [
      'hpa',
      autoScaling(resource('cpu', { type: 'Value', value: '1' })),
      /Utilization or AverageValue/,
    ],
    [
      'hpa',
      autoScaling(
        resource('cpu', { type: 'AverageValue', averageValue: '1', averageUtilization: 5 }),
      ),
      /and no other field/,
    ],
    ['hpa', autoScaling(resource('gpu', { type: 'Utilization' })), /name: must be equal/],
    ['hpa', autoScaling({ type: 'Resource' }), /type Resource needs the field resource/],
    ['hpa', autoScaling({ ...HALF, podmetric: {} }), /the field of its type alone/],
    ['hpa', autoScaling({ type: 'PodMetric', podmetric: {} }), /an OpenTelemetry collector/],
    ['keda', autoScaling(HALF), 'accepted'],
    ['keda', { ...autoScaling(HALF), minReplicas: 0 }, /minReplicas 0 has no effect with metrics/],
    ['keda', { ...autoScaling(HALF, QUERY), minReplicas: 0 }, 'accepted'],
    ['keda', { scaleMetric: 'concurrency', scaleTarget: 5, minReplicas: 0 }, 'accepted'],
    ['keda', { scaleMetric: 'rps', scaleMetricType: 'AverageValue' }, 'accepted'],
    ['keda', { scaleMetric: 'rps', ...autoScaling(HALF) }, 'accepted'],
    ['keda', { ...knative, scaleMetric: 'concurrency' }, 'accepted'],
    ['keda', { ...knative, ...autoScaling(QUERY), minReplicas: 0 }, 'accepted'],
    ['keda', {}, /class keda needs at least one metric: set scaleMetric to concurrency or rps/],
    ['keda', { autoScaling: { behavior: { scaleUp: {} } } }, /keda needs at least one metric/],
    ['keda', { scaleMetric: 'cpu' }, /\[cpu\] is not a supported scaleMetric of the .* class keda/],
    [
      'keda',
      { scaleTarget: 5, ...autoScaling(HALF) },
      /scaleTarget has no effect with the .* keda/,
    ],
    [
      'keda',
      { ...autoScaling(HALF), scaleMetricType: 'Value' },
      /\[Value\] is not a .* class keda/,
    ],
    [
      'keda',
      { scaleMetric: 'rps', scaleMetricType: 'Utilization' },
      /scaleMetricType, scaleTarget is/,
    ],
    [
      'keda',
      autoScaling(resource('memory', { type: 'Utilization', averageUtilization: 101 })),
      /averageUtilization is a percentage/,
    ],
    ['keda', { ...knative, ...autoScaling(HALF) }, /window has no effect with the .* class keda/],
    [
      'keda',
      autoScaling(query({ backend: 'graphite' })),
      /no query of Graphite without a queryTime/,
    ],
    ['keda', autoScaling(query({ query: '' })), /query: must NOT have fewer than 1/],
    [
      'keda',
      autoScaling(query({}, { type: 'AverageValue', averageValue: '1' })),
      /type Value and a/,
    ],
    ['keda', autoScaling(query({}, { type: 'Value' })), /has the type Value and a value/],
    ['hpa', autoScaling(QUERY), /type that the autoscaler class hpa does not know/],
    ['hpa', { autoScaling: { behavior: { scaleUp: { tolerance: '0.1' } } } }, /tolerance is not/],
    ['hpa', { autoScaling: { behavior: { scaleDown: { selectPolicy: 'Disabled' } } } }, 'accepted'],
  ] as [string, object, Verdict][]) {
    it(`${autoscaler || 'no class'}: ${JSON.stringify(predictor)}`, () => {
      const annotations = autoscaler && { 'serving.kserve.io/autoscalerClass': autoscaler };
      expectVerdict(
        isvc({ model: MODEL, ...predictor }, annotations ? { annotations } : {}),
        verdict,
      );
    });
  }
});

describe('admission of the samples', () => {
  const samples = new URL('../../config/samples/', import.meta.url);
  for (const name of readdirSync(samples)) {
    it(name, () => {
      const objects = loadAll(readFileSync(new URL(name, samples), 'utf8')) as object[];
      for (const object of objects) expectVerdict(object, 'accepted');
    });
  }
});

describe('the command plan', () => {
  let folder: string;
  const plan = (objects: object[]) => {
    const file = join(folder, 'x.yaml');
    writeFileSync(file, objects.map((object) => dump(object)).join('---\n'));
    return planFiles([file], '2026-01-01T00:00:00Z');
  };
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'plan-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('plans what the API server takes', () => {
    expect(plan([isvc({ model: MODEL })])).to.include('name: x-predictor-00001');
  });

  it('refuses what it refuses, each with its name', () => {
    const old = { ...isvc({ model: MODEL }), apiVersion: 'serving.kubeflow.org/v1beta1' };
    const unread = isvc({ model: MODEL }, { annotations: { 'serving.kserve.io/nodegroup': 'n' } });
    expect(() => plan([old, unread])).to.throw(
      /InferenceService x: apiVersion.*\n.*nodegroup has no/,
    );
  });
});

describe('admission of labels', () => {
  const key = 'networking.kserve.io/visibility';
  for (const [value, verdict] of [
    ['cluster-local', 'accepted'],
    ['exposed', 'accepted'],
    ['local', /no effect with the value \[local\]/],
  ] as [string, Verdict][]) {
    it(`${key}: ${value}`, () =>
      expectVerdict(isvc({ model: MODEL }, { labels: { [key]: value } }), verdict));
  }

  it('visibility in the predictor', () => {
    const labels = { [key]: 'cluster-local' };
    expectVerdict(isvc({ model: MODEL, labels }), /set it in metadata.labels/);
    const ofKnative = { 'networking.knative.dev/visibility': 'cluster-local' };
    expectVerdict(isvc({ model: MODEL, labels: ofKnative }), /use networking.kserve.io/);
  });
});

/** Values that are carried out, and such that the planner could only pass over. */
describe('admission of Knative’s numbers and durations', () => {
  for (const [name, carriedOut, passedOver] of [
    ['window', ['6s', '1h', '1m30s', '0.5h'], ['abc', '60', '5s', '2h', '-90s', '']],
    ['scale-down-delay', ['90s', '1h'], ['x', '2h', '1d']],
    ['target', ['0.01', '50'], ['abc', '0', '-1', '50%', '12abc', '']],
    ['activation-scale', ['2', '10'], ['0', '1.5', 'x']],
    ['min-scale', ['0', '3'], ['-1', '1.5', 'x', '']],
    ['max-scale', ['1', '30'], ['0', '-1', '1e3']],
    ['initial-scale', ['2', '10'], ['0', '-1', '1.5']],
    ['scale-to-zero-pod-retention-period', ['30s', '1h'], ['30', '2h', '-1s']],
    ['panic-window-percentage', ['2', '100'], ['0', '101', 'x']],
    ['panic-threshold-percentage', ['110', '1000'], ['109', '1001', 'x']],
    ['target-utilization-percentage', ['0.5', '100'], ['0', '101', 'x']],
  ] as [string, string[], string[]][]) {
    const annotations = (value: string) => ({ [`autoscaling.knative.dev/${name}`]: value });
    const settings = (value: string) =>
      JSON.stringify(componentAutoscaling({ name: 'x', annotations: annotations(value) }, {}));
    for (const value of carriedOut) {
      it(`${name}: ${value}`, () => {
        expectVerdict(isvc({ model: MODEL }, { annotations: annotations(value) }), 'accepted');
        expect(settings(value)).not.to.equal(
          JSON.stringify(componentAutoscaling({ name: 'x' }, {})),
        );
      });
    }
    for (const value of passedOver) {
      it(`${name}: "${value}" is refused wherever it is`, () => {
        const problem = new RegExp(`${name} is \\[.*\\]: set a`);
        expectVerdict(isvc({ model: MODEL }, { annotations: annotations(value) }), problem);
        expectVerdict(isvc({ model: MODEL, annotations: annotations(value) }), problem);
      });
    }
  }
});

describe('admission of Knative’s annotations for the autoscaler', () => {
  const annotated = (annotations: Record<string, string>, ofPredictor = {}) =>
    isvc({ model: MODEL, annotations: named(ofPredictor) }, { annotations: named(annotations) });
  const named = (annotations: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(annotations).map(([key, value]) => [`autoscaling.knative.dev/${key}`, value]),
    );
  const OLDER = [
    ['min-scale', 'minScale', '3', 'x'],
    ['max-scale', 'maxScale', '3', 'x'],
    ['initial-scale', 'initialScale', '3', 'x'],
    ['activation-scale', 'activationScale', '3', 'x'],
    ['scale-down-delay', 'scaleDownDelay', '3s', '3'],
    ['scale-to-zero-pod-retention-period', 'scaleToZeroPodRetentionPeriod', '3s', '3'],
    ['panic-window-percentage', 'panicWindowPercentage', '3', 'x'],
    ['panic-threshold-percentage', 'panicThresholdPercentage', '300', 'x'],
    ['target-utilization-percentage', 'targetUtilizationPercentage', '30', 'x'],
  ] as const;
  for (const [name, older, value, wrong] of OLDER) {
    it(`${older} is ${name}`, () => {
      const read = (key: string) =>
        componentAutoscaling({ name: 'x', annotations: named({ [key]: value }) }, {});
      expect(read(older)).to.deep.equal(read(name));
      expectVerdict(annotated({ [older]: value }), 'accepted');
      expectVerdict(annotated({ [older]: wrong }), new RegExp(`${older} is \\[${wrong}\\]: set a`));
    });
  }

  for (const [title, object, verdict] of [
    ['no fewer than max-scale', annotated({ 'min-scale': '3', maxScale: '3' }), 'accepted'],
    [
      'more than max-scale',
      annotated({ 'min-scale': '4', 'max-scale': '3' }),
      /max-scale is \[3\]/,
    ],
    ['a limit of the predictor', annotated({ 'min-scale': '4' }, { 'max-scale': '3' }), /is \[4\]/],
    ['one that counts more', annotated({ 'min-scale': '4' }, { minScale: '1' }), 'accepted'],
    ['the KPA', annotated({ class: 'kpa.autoscaling.knative.dev' }), 'accepted'],
    ['the mode by demand', annotated({ class: 'demand.autoscaling.wherry.dev' }), 'accepted'],
    ['another class', annotated({ class: 'hpa.autoscaling.knative.dev' }), /not a supported auto/],
    ['a burst capacity', annotated({ 'target-burst-capacity': '-1' }), /capacity has no effect/],
    [
      'another way to average',
      annotated({ 'metric-aggregation-algorithm': 'weighted-exponential' }),
      /algorithm has no effect/,
    ],
  ] as [string, object, Verdict][]) {
    it(title, () => expectVerdict(object, verdict));
  }

  it('class chooses the mode', () => {
    const mode = (annotations: Record<string, string>) =>
      componentAutoscaling({ name: 'x', annotations: named(annotations) }, {}).mode;
    expect(mode({ class: 'demand.autoscaling.wherry.dev' })).to.equal('demand');
    expect(mode({ class: 'kpa.autoscaling.knative.dev' })).to.equal('kpa');
  });
});

describe('admission of versions of the API', () => {
  for (const [apiVersion, verdict] of [
    ['serving.kserve.io/v1beta1', 'accepted'],
    ['serving.kubeflow.org/v1beta1', /"serving.kubeflow.org\/v1beta1" is not served here/],
    ['serving.kserve.io/v1alpha2', /expected serving.kserve.io\/v1beta1/],
  ] as [string, Verdict][]) {
    it(apiVersion, () => expectVerdict({ ...isvc({ model: MODEL }), apiVersion }, verdict));
  }
});

describe('admission of fields', () => {
  const ofModel = (fields: object) => isvc({ model: { ...MODEL, ...fields } });
  const stored = (storage: object) =>
    isvc({ model: { modelFormat: { name: 'sklearn' }, storage: { path: 'm', ...storage } } });
  const ofServer = (env: object[]) => isvc({ containers: [{ name: 'mine', image: 'm:1', env }] });
  const PYTHONPATH = [{ name: 'PYTHONPATH', value: '/x' }];
  for (const [title, object, verdict] of [
    ['confidential that is off', ofModel({ confidential: { enabled: false } }), 'accepted'],
    ['confidential', ofModel({ confidential: { enabled: true } }), /confidential models are not/],
    ['scaleTarget 0', isvc({ model: MODEL, scaleTarget: 0 }), 'accepted'],
    ['a scaleTarget below', isvc({ model: MODEL, scaleTarget: -1 }), /scaleTarget: must be >= 0/],
    ['a name of the predictor', isvc({ model: MODEL, name: 'p' }), /spec.predictor.name is not/],
    ['no name of the predictor', isvc({ model: MODEL, name: '' }), 'accepted'],
    ['a storage container', ofModel({ storageContainerName: 's' }), /storageContainerName is not/],
    ['rules of restarts', ofModel({ restartPolicyRules: [{ action: 'Restart' }] }), 'accepted'],
    ['the place in S3', stored({ parameters: { region: 'r', endpoint_url: 'e' } }), 'accepted'],
    ['another store', stored({ parameters: { type: 'gs', bucket: 'b' } }), /type is s3 or absent/],
    ['an unknown parameter', stored({ parameters: { verify_ssl: '0' } }), /has no effect but by/],
    [
      'a key for another store',
      ofModel({ storageUri: 'hf://a/b', storage: { key: 'k' } }),
      /alone/,
    ],
    ['a key for S3', ofModel({ storage: { key: 'k' } }), 'accepted'],
    [
      'PYTHONPATH in an init container',
      isvc({ model: MODEL, initContainers: [{ name: 'i', image: 'i:1', env: PYTHONPATH }] }),
      /PYTHONPATH is not allowed/,
    ],
    ['an unknown protocol', ofServer([{ name: 'PROTOCOL', value: 'foo' }]), /PROTOCOL .* v1 or v2/],
    ['a protocol', ofServer([{ name: 'PROTOCOL', value: 'v2' }]), 'accepted'],
    [
      'a variable of a sidecar',
      isvc({
        containers: [
          { name: 'kserve-container', image: 'm:1' },
          { name: 'proxy', image: 'p:1', env: [{ name: 'PROTOCOL', value: 'tcp' }] },
        ],
      }),
      'accepted',
    ],
  ] as [string, object, Verdict][]) {
    it(title, () => expectVerdict(object, verdict));
  }
});

describe('admission of runtimes', () => {
  const format = (version: string, priority?: number, autoSelect = true) => ({
    ...{ name: 'onnx', version, autoSelect },
    ...(priority === undefined ? {} : { priority }),
  });
  const runtime = (formats: object[], env: object[] = []) => ({
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'ServingRuntime',
    metadata: { name: 'r' },
    spec: {
      supportedModelFormats: formats,
      containers: [{ name: 'kserve-container', image: 'r:1', env }],
    },
  });
  for (const [title, object, verdict] of [
    ['one priority', runtime([format('1', 1), format('2', 1)]), 'accepted'],
    ['two priorities', runtime([format('1', 1), format('2', 2)]), /must have one priority/],
    ['a priority and none', runtime([format('1', 1), format('2')]), /must have one priority/],
    ['a version that is named', runtime([format('1', 1), format('2', 2, false)]), 'accepted'],
    ['PYTHONPATH', runtime([], [{ name: 'PYTHONPATH', value: '/x' }]), /PYTHONPATH is not allowed/],
  ] as [string, object, Verdict][]) {
    it(title, () => expectVerdict(object, verdict));
  }
});
