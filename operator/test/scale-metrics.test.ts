/** The autoscaler's metrics, as Prometheus reads them. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { RevisionRef } from '../src/api/revision.ts';
import { OperatorMetrics } from '../src/controller/metrics.ts';
import type { RevisionScaleFacts } from '../src/controller/scale-metrics.ts';
import type { ScaleRule } from '../src/plan/autoscale/decision.ts';

const REF: RevisionRef = {
  namespace: 'shop',
  service: 'iris',
  component: 'predictor',
  revision: 2,
};

describe('scale metrics', () => {
  let scales: RevisionScaleFacts[] = [];
  let server: Server;
  const decisions = new Map<ScaleRule, number>();

  before(async () => {
    const metrics = new OperatorMetrics();
    metrics.watchScales({ scales: () => scales, decisions });
    server = metrics.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });

  after(() => server.close());

  async function samples(): Promise<string[]> {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect(response.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    return text.split('\n').filter((line) => /^wherry_(revision|scale)/.test(line));
  }

  it('tell the scale of each revision, and what it was decided from', async () => {
    const reason = { rule: 'load', load: 37, perPod: 10 } as const;
    scales = [{ ref: REF, ready: 2, metric: 'rps', desired: 4, reason }];
    decisions.set('load', 3);
    const revision = 'namespace="shop",service="iris",revision="iris-predictor-00002"';
    expect(await samples()).to.deep.equal([
      'wherry_scale_decisions_total{rule="load"} 3',
      `wherry_revision_desired_replicas{${revision}} 4`,
      `wherry_revision_ready_replicas{${revision}} 2`,
      `wherry_revision_load{${revision},metric="rps"} 37`,
      `wherry_revision_pod_target{${revision},metric="rps"} 10`,
    ]);
  });

  it('are whole where there are thousands of revisions', async () => {
    scales = Array.from({ length: 3000 }, (_, revision) => {
      return { ref: { ...REF, revision }, ready: 1, metric: 'rps' };
    });
    const ready = (await samples()).filter((line) => line.startsWith('wherry_revision_ready'));
    expect(new Set(ready).size).to.equal(3000);
  });

  it('have no series of what is not known, or is gone', async () => {
    scales = [{ ref: REF, metric: 'concurrency' }];
    decisions.clear();
    expect(await samples()).to.deep.equal([]);
    scales = [];
    expect(await samples()).to.deep.equal([]);
  });
});
