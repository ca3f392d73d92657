/** What is wrong is refused with a message that says what to do, or told in the status within ten seconds. */
import { expect } from 'chai';
import {
  apply,
  conditionOf,
  infer,
  isvc,
  ready,
  removeAll,
  type Status,
  statusOf,
} from '../harness/kubectl.ts';
import { eventually } from '../harness/load.ts';
import { startModelStore, stopModelStore } from '../harness/model-store.ts';

const model = { modelFormat: { name: 'onnx' }, storageUri: 'builtin://iris' };
const annotated = (annotations: Record<string, string>, predictor: object = {}) => ({
  ...isvc('bad', predictor),
  metadata: { name: 'bad', annotations },
});

describe('the API server refuses', function () {
  this.timeout(30_000);
  const cases: [string, object, RegExp][] = [
    [
      'a name that starts with a digit',
      isvc('1iris'),
      /name must consist of lower case alphanumeric characters or '-', start with a letter/,
    ],
    ['a name that is too long', isvc('a'.repeat(48)), /at most 47 characters/],
    [
      'no model source',
      { ...isvc('bad'), spec: { predictor: {} } },
      /no model source: set spec.predictor.model/,
    ],
    [
      'two model sources',
      isvc('bad', { sklearn: { storageUri: 's3://x/y' } }),
      /more than one model source: keep exactly one/,
    ],
    [
      'a model and a kserve-container',
      isvc('bad', { containers: [{ name: 'kserve-container', image: 'x' }] }),
      /more than one model source/,
    ],
    [
      'a model without a format',
      { ...isvc('bad'), spec: { predictor: { model: { storageUri: 's3://x' } } } },
      /modelFormat.name is required/,
    ],
    [
      'a percent above 100',
      isvc('bad', { canaryTrafficPercent: 101 }),
      /canaryTrafficPercent.*should be less than or equal to 100/,
    ],
    [
      'a negative percent',
      isvc('bad', { canaryTrafficPercent: -1 }),
      /canaryTrafficPercent.*should be greater than or equal to 0/,
    ],
    [
      'min above max',
      isvc('bad', { minReplicas: 3, maxReplicas: 2 }),
      /minReplicas \(1 when absent\) cannot be greater than maxReplicas/,
    ],
    [
      'a negative minReplicas',
      isvc('bad', { minReplicas: -1 }),
      /minReplicas.*should be greater than or equal to 0/,
    ],
    [
      'an unknown metric',
      isvc('bad', { scaleMetric: 'gpu' }),
      /scaleMetric: Unsupported value: "gpu"/,
    ],
    [
      'an unknown protocol',
      isvc('bad', {}, { protocolVersion: 'v3' }),
      /protocolVersion: Unsupported value: "v3"/,
    ],
    [
      'a name in the model container',
      isvc('bad', {}, { name: 'x' }),
      /'name' field is not allowed/,
    ],
    [
      'two places to store',
      isvc('bad', {}, { storage: { path: 'x' } }),
      /must provide only one of storageUri and storage.path/,
    ],
    [
      'PYTHONPATH',
      isvc('bad', {}, { env: [{ name: 'PYTHONPATH', value: '/x' }] }),
      /PYTHONPATH is not allowed: remove it/,
    ],
    [
      'an unknown field',
      isvc('bad', { minReplica: 1 }),
      /unknown field "spec.predictor.minReplica"/,
    ],
    [
      'a transformer',
      { ...isvc('bad'), spec: { predictor: { model }, transformer: { containers: [] } } },
      /spec.transformer is not supported by this version/,
    ],
    [
      'an autoscaler class that is not there',
      annotated({ 'serving.kserve.io/autoscalerClass': 'kpa' }),
      /\[kpa\] is not a supported autoscaler class type: remove the annotation/,
    ],
    [
      'a metric that Wherry does not scale by',
      annotated({}, { scaleMetric: 'cpu' }),
      /\[cpu\] is not a supported metric of Wherry's own autoscaler: use concurrency or rps/,
    ],
  ];
  for (const [name, object, message] of cases) {
    it(name, async () => {
      const error = await apply(object).then(
        () => 'it was accepted',
        (e: Error) => e.message,
      );
      expect(error).to.match(message);
    });
  }
});

describe('the status tells within ten seconds', function () {
  this.timeout(120_000);
  before(startModelStore);
  after(async () => {
    await removeAll('bad');
    await stopModelStore();
  });

  const failed = (name: string, pattern: RegExp): Promise<Status> =>
    eventually(
      `${name} fails with ${pattern}`,
      async () => {
        const status = await statusOf(name);
        const { message = '' } = status.modelStatus?.lastFailureInfo ?? {};
        return conditionOf(status, 'Ready')?.status === 'False' && pattern.test(message) && status;
      },
      10,
    );

  const cases: [string, object, RegExp, string][] = [
    [
      'a missing model file',
      { storageUri: 'http://model-store.default/none/model.onnx' },
      /fetch http:.*the server answered 404/,
      'BlockedByFailedLoad',
    ],
    [
      'a missing folder',
      { storageUri: '/no/such/folder' },
      /\/no\/such\/folder cannot be read: ENOENT/,
      'BlockedByFailedLoad',
    ],
    [
      'a corrupt model',
      { storageUri: 'http://model-store.default/corrupt/model.onnx' },
      /ONNX Runtime cannot load/,
      'BlockedByFailedLoad',
    ],
    [
      'a truncated model',
      { storageUri: 'http://model-store.default/truncated/model.onnx' },
      /ONNX Runtime cannot load/,
      'BlockedByFailedLoad',
    ],
    [
      'a wrong scheme',
      { storageUri: 'ftp://host/model' },
      /storageUri "ftp:\/\/host\/model" is not supported: use/,
      'InvalidSpec',
    ],
    [
      'an unknown format',
      { modelFormat: { name: 'catboost' } },
      /no runtime supports model format "catboost" \(known: .*onnx.*\)/,
      'InvalidSpec',
    ],
    [
      'a missing runtime',
      { runtime: 'nope' },
      /no ServingRuntime or ClusterServingRuntime is named "nope"/,
      'InvalidSpec',
    ],
  ];
  for (const [name, change, pattern, transition] of cases) {
    it(`${name}, and the old revision serves on`, async () => {
      await apply(isvc('bad'));
      await ready('bad');
      await apply(isvc('bad', {}, change));
      const status = await failed('bad', pattern);
      expect(status.modelStatus?.transitionStatus).to.equal(transition);
      expect((await infer('bad')).status).to.equal(200);
    });
  }
});
