/** 200 services whose pods cannot be scheduled: few writes to make them, and then silence. */
import { expect } from 'chai';
import type { Status } from '../harness/kubectl.ts';
import { apiRequests, apply, conditionOf, get, isvc, kubectl } from '../harness/kubectl.ts';
import { eventually } from '../harness/load.ts';

const COUNT = 200;
const WRITES = /^(apply|apply status|create|update|scale|delete) (?!Lease)/;

describe(`${COUNT} services`, function () {
  this.timeout(420_000);
  const names = Array.from({ length: COUNT }, (_, i) => `many-${i}`);
  after(() => kubectl('delete', 'isvc', ...names, '--ignore-not-found', '--wait=false'));

  const difference = (before: Map<string, number>, after: Map<string, number>) =>
    Object.fromEntries(
      [...after]
        .map(([key, n]) => [key, n - (before.get(key) ?? 0)] as const)
        .filter(([, n]) => n > 0),
    );

  it('takes at most 6 writes each, and then, while nothing changes, none and no read', async () => {
    const before = await apiRequests();
    const items = names.map((name) => isvc(name, { nodeSelector: { nowhere: 'true' } }));
    await apply({ apiVersion: 'v1', kind: 'List', items });
    await eventually(
      'every service says that its pod cannot be scheduled',
      async () => {
        const list = await get<{ items: { metadata: { name: string }; status?: Status }[] }>(
          'isvc',
        );
        const waiting = list.items.filter(
          ({ metadata, status }) =>
            metadata.name.startsWith('many-') &&
            status &&
            conditionOf(status, 'PredictorReady')?.reason === 'Unschedulable',
        );
        return waiting.length === COUNT;
      },
      240,
    );
    const made = difference(before, await apiRequests());
    const writes = Object.entries(made)
      .filter(([key]) => WRITES.test(key))
      .reduce((sum, [, n]) => sum + n, 0);
    console.log(`      ${writes / COUNT} writes a service: ${JSON.stringify(made)}`);
    expect(writes / COUNT).to.be.at.most(6);

    await new Promise((resolve) => setTimeout(resolve, 5000));
    const quiet = await apiRequests();
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    const during = difference(quiet, await apiRequests());
    console.log(`      in 60 s: ${JSON.stringify(during)}`);
    // However many services there are, the certificates of the control plane are looked at once a minute, and KEDA, which
    // is not installed, is looked for twice.
    const ofNone = ['update Lease', 'get Secret', 'list ScaledObject'];
    const others = Object.keys(during).filter(
      (key) => !ofNone.includes(key) && !key.startsWith('watch '),
    );
    expect(others).to.deep.equal([]);
  });
});
