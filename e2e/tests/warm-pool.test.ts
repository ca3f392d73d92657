/** A warm pool on the cluster: its pod answers first, and nothing of it is left when the revision has its own. */
import { expect } from 'chai';
import { poolName } from '../../operator/src/plan/warm-pool.ts';
import {
  apply,
  conditionOf,
  type FoundPod,
  get,
  infer,
  isPodReady,
  kubectl,
  podsOf,
  ready,
  removeAll,
  sample,
  statusOf,
} from '../harness/kubectl.ts';
import { eventually } from '../harness/load.ts';

const NAME = 'iris-warm';
const RUNTIME = 'warm-onnx';
const POOL = poolName('ServingRuntime', RUNTIME);

describe('warm pool', function () {
  this.timeout(300_000);

  const pods = async (selector: string) => {
    const { items } = await get<{ items: FoundPod[] }>('pods', '-l', selector);
    return items;
  };
  const ofService = () => podsOf(NAME);
  const ofPool = () => pods(`serving.wherry.dev/pool=${POOL}`);
  const isIdle = async () => {
    const state = conditionOf(await statusOf(NAME), 'Ready');
    return state?.reason === 'Idle' && (await ofService()).length === 0;
  };
  const isPoolFull = async () => {
    const all = await ofPool();
    return all.length === 2 && all.every(isPodReady);
  };
  /** Pods of the pool that an operator has taken, and that serve or are about to. */
  const taken = () => pods('serving.wherry.dev/claimed');

  before(async () => {
    await apply(sample('warm-pool.yaml'));
    await ready(NAME);
    await eventually('the pool is full', isPoolFull, 120);
  });

  after(async () => {
    await removeAll(NAME);
    await kubectl('delete', 'servingruntime', RUNTIME, '--ignore-not-found');
  });

  it('answers from a pod of the pool, and leaves the service its own', async () => {
    for (let i = 0; i < 2; i++) {
      await eventually('it is idle', isIdle, 150);
      await eventually('the pool is full', isPoolFull, 120);
      const before = (await ofPool()).map(({ metadata }) => metadata.uid);
      const started = performance.now();
      const answer = await infer(NAME);
      const ms = Math.round(performance.now() - started);
      expect(answer.status).to.equal(200);
      const [standIn] = await taken();
      expect(standIn, `a pod of the pool, ${ms} ms after the request`).not.to.equal(undefined);
      expect(before).to.include(standIn?.metadata.uid);
      const labels = standIn?.metadata.labels ?? {};
      expect(labels['serving.wherry.dev/revision']).to.equal(answer.revision);
      const own = async () => (await ofService()).filter(isPodReady);
      await eventually(
        'its own pod serves alone',
        async () => {
          const found = await own();
          return (
            (await taken()).length === 0 && found.length === 1 && (await infer(NAME)).status === 200
          );
        },
        120,
      );
    }
    expect(await kubectl('get', 'events', '-o', 'json')).to.contain('"reason": "StandsIn"');
  });

  it('loses no request while its pod goes', async () => {
    await eventually('it is idle', isIdle, 150);
    await eventually('the pool is full', isPoolFull, 120);
    const statuses: number[] = [];
    const until = performance.now() + 15_000;
    while (performance.now() < until) statuses.push((await infer(NAME)).status);
    expect(new Set(statuses)).to.deep.equal(new Set([200]));
    expect(await taken()).to.deep.equal([]);
  });

  it('goes with its runtime', async () => {
    await removeAll(NAME);
    await kubectl('delete', 'servingruntime', RUNTIME);
    const isGone = async () => {
      const left = await kubectl(
        'get',
        'deployments,pods',
        '-l',
        `serving.wherry.dev/pool=${POOL}`,
        '-o',
        'name',
      );
      return left === '' && (await taken()).length === 0;
    };
    await eventually('nothing of the pool is left', isGone, 120);
  });
});
