/** What the scalers of the cluster say of themselves, and what of it is a failure. */
import { expect } from 'chai';
import type { ScalerCondition } from '../src/api/kube.ts';
import { components } from '../src/plan/component.ts';
import { owner } from '../src/plan/owner.ts';
import { failingScaler } from '../src/plan/scaler.ts';

const NAME = 'iris-predictor-00001';

function failure(autoscalerClass: 'hpa' | 'keda', { reason = '', ...condition }: ScalerCondition) {
  const metadata = {
    ...{ name: 'iris', namespace: 'default', uid: 'u' },
    annotations: { 'serving.kserve.io/autoscalerClass': autoscalerClass },
  };
  const parent = { metadata, spec: { predictor: {} } } as never;
  const [component] = components(parent);
  if (component === undefined) throw new Error('a service has a predictor');
  const scaler = {
    apiVersion: '',
    kind: autoscalerClass === 'hpa' ? 'HorizontalPodAutoscaler' : 'ScaledObject',
    metadata: { name: NAME, ownerReferences: [owner(parent)] },
  };
  const conditions = [
    { type: 'Other', status: 'True' },
    { ...condition, reason },
  ];
  const observed = { ...scaler, status: { conditions } };
  return failingScaler(component, [scaler], { parent, children: [observed] } as never);
}

describe('failure of a scaler', () => {
  const cases: readonly ['hpa' | 'keda', string, string, string, boolean][] = [
    ['hpa', 'ScalingActive', 'False', 'FailedGetResourceMetric', true],
    ['hpa', 'AbleToScale', 'False', 'FailedGetScale', true],
    ['hpa', 'ScalingActive', 'False', 'ScalingDisabled', false],
    ['hpa', 'ScalingActive', 'True', 'ValidMetricFound', false],
    ['hpa', 'ScalingLimited', 'True', 'TooManyReplicas', false],
    ['keda', 'Ready', 'False', 'ScaledObjectCheckFailed', true],
    ['keda', 'Ready', 'Unknown', 'PartialTriggerError', true],
    ['keda', 'Fallback', 'True', 'FallbackExists', true],
    ['keda', 'Ready', 'Unknown', '', false],
    ['keda', 'Ready', 'True', 'ScaledObjectReady', false],
    ['keda', 'Active', 'False', 'ScalerNotActive', false],
    ['keda', 'Fallback', 'False', 'NoFallbackFound', false],
  ];
  for (const [scaler, type, status, reason, isFailure] of cases) {
    it(`${scaler}: ${type} ${status} ${reason} is ${isFailure ? 'one' : 'none'}`, () => {
      const told = failure(scaler, { type, status, reason, message: 'why' });
      if (!isFailure) expect(told).to.equal(undefined);
      else expect(told).to.include({ status: 'False', severity: 'Warning', reason });
    });
  }

  it('is told in its own words, with its name', () => {
    const told = failure('hpa', { type: 'AbleToScale', status: 'False', message: 'no scale' });
    expect(told?.message).to.equal(`HorizontalPodAutoscaler "${NAME}": no scale`);
  });
});
