/** The autoscaler's metrics, as Prometheus reads them. */
import { expect } from 'chai';
import { Registry } from 'prom-client';
import type { RevisionRef } from '../src/api/revision.ts';
import { addScaleMetrics, type RevisionScaleFacts } from '../src/controller/scale-metrics.ts';
import type { ScaleRule } from '../src/plan/autoscale/decision.ts';

const REF: RevisionRef = {
  namespace: 'shop',
  service: 'iris',
  component: 'predictor',
  revision: 2,
};

describe('scale metrics', () => {
  let scales: RevisionScaleFacts[];
  const decisions = new Map<ScaleRule, number>();
  const registry = new Registry();
  addScaleMetrics(registry, { scales: () => scales, decisions });

  async function samples(): Promise<string[]> {
    const text = await registry.metrics();
    return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  }

  it('tell the scale of each revision, and what it was decided from', async () => {
    const reason = { rule: 'load', load: 37, perPod: 10 } as const;
    scales = [{ ref: REF, ready: 2, metric: 'rps', desired: 4, reason }];
    decisions.set('load', 3);
    const revision = 'namespace="shop",service="iris",revision="iris-predictor-00002"';
    expect(await samples()).to.deep.equal([
      `wherry_revision_desired_replicas{${revision}} 4`,
      `wherry_revision_ready_replicas{${revision}} 2`,
      `wherry_revision_load{${revision},metric="rps"} 37`,
      `wherry_revision_pod_target{${revision},metric="rps"} 10`,
      'wherry_scale_decisions_total{rule="load"} 3',
    ]);
  });

  it('have no series of what is not known, or is gone', async () => {
    scales = [{ ref: REF, metric: 'concurrency' }];
    decisions.clear();
    expect(await samples()).to.deep.equal([]);
    scales = [];
    expect(await samples()).to.deep.equal([]);
  });
});
