/** What is told of a change of scale: the words, what the status keeps, and how often an event is written. */
import { expect } from 'chai';
import type { ObjectEvent } from '../src/api/cluster.ts';
import type { ComponentStatus, InferenceServiceData } from '../src/api/inferenceservice.ts';
import type { KubeObject } from '../src/api/kube.ts';
import { parseRevision } from '../src/api/revision.ts';
import { applyPlan } from '../src/controller/apply.ts';
import { NewsBudget } from '../src/controller/news-budget.ts';
import { ScaleEvents } from '../src/controller/scale-events.ts';
import { MemoryCluster } from '../src/local/memory-cluster.ts';
import { createLogger } from '../src/log.ts';
import { components } from '../src/plan/component.ts';
import type { ReplicasOptions } from '../src/plan/scale.ts';
import { scaleChanges, scaleReason } from '../src/plan/scale-change.ts';

const NAME = 'iris-predictor-00001';
const NOW = '2026-01-01T00:00:00.000Z';
const EARLIER = '2025-12-31T00:00:00.000Z';

function service(predictor: object = {}, annotations = {}): InferenceServiceData {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { namespace: 'default', name: 'iris', uid: 'u', annotations },
    spec: { predictor: { minReplicas: 1, maxReplicas: 5, ...predictor } },
  } as InferenceServiceData;
}

describe('reason for a scale', () => {
  const load = { rule: 'load', load: 37, perPod: 10 } as const;

  interface Scale {
    readonly replicas: number;
    /** Replicas that the revision has. */
    readonly has?: number;
    /** Replicas that the autoscaler desires. */
    readonly desired?: number;
    readonly predictor?: object;
    readonly annotations?: Record<string, string>;
    readonly options?: Partial<ReplicasOptions>;
  }

  function reason({ replicas, has = 2, desired, predictor, annotations, options }: Scale): string {
    const [component] = components(service(predictor, annotations));
    const ref = parseRevision('default', NAME);
    if (component === undefined || ref === undefined) throw new Error('there is a predictor');
    const revision = { name: NAME, ref, replicas: has } as ReplicasOptions['revision'];
    const opinion = desired === undefined ? undefined : { replicas: desired, reason: load };
    const usual = { isActive: true, isStarting: false, bounds: component.bounds };
    const asked = { ...usual, revision, component, desired: opinion, ...options };
    return scaleReason(asked, replicas);
  }

  const idle = { minReplicas: 0 };
  const share = { bounds: { min: 4, max: 5 } };
  const hpa = { 'serving.kserve.io/autoscalerClass': 'hpa' };
  const stopped = { 'serving.kserve.io/stop': 'true' };
  const cases: readonly (Scale & { readonly says: string })[] = [
    { replicas: 4, desired: 4, says: '37 under way, 10 a pod' },
    { replicas: 5, desired: 7, says: '37 under way, 10 a pod, at most 5' },
    { replicas: 1, desired: 0, says: '37 under way, 10 a pod, at least 1' },
    { replicas: 5, has: 9, says: 'at most 5' },
    { replicas: 1, has: 0, says: 'at least 1' },
    { replicas: 4, options: share, says: 'for its share of the traffic' },
    {
      replicas: 1,
      desired: 0,
      predictor: idle,
      says: '37 under way, 10 a pod, the last pod stays until every router holds requests',
    },
    {
      replicas: 1,
      has: 0,
      predictor: idle,
      options: { isStarting: true },
      says: 'the service is no longer stopped',
    },
    { replicas: 0, annotations: stopped, says: 'the service is stopped' },
    { replicas: 0, options: { isActive: false }, says: 'another revision takes its place' },
    // What Wherry measures decides nothing here.
    { replicas: 1, has: 0, desired: 4, annotations: hpa, says: 'at least 1' },
  ];
  for (const { says, ...scale } of cases) {
    it(`is ${says}`, () => expect(reason(scale)).to.equal(says));
  }
});

describe('changes of scale in the status', () => {
  const told = (from: number, to: number) => ({
    ...{ revisionName: NAME, from, to, time: EARLIER },
    message: `${from} → ${to}: told before`,
  });

  function changes(from: number, to: number, before: ComponentStatus = {}): string[] {
    const revision = { name: NAME, replicas: from };
    const scale = { revision, replicas: to, reason: 'because' };
    return scaleChanges([scale], before, NOW).map(({ message, time }) => `${message} @${time}`);
  }

  for (const [what, expected, from, to, before] of [
    ['nothing of a scale that has not changed', [], 2, 2, {}],
    ['a change', [`2 → 4: because @${NOW}`], 2, 4, {}],
    ['the last change of two', [`4 → 3: because @${NOW}`], 4, 3, { scaleChanges: [told(2, 4)] }],
    [
      'one that the caches do not show yet as it was told',
      [`2 → 4: told before @${EARLIER}`],
      2,
      4,
      { scaleChanges: [told(2, 4)] },
    ],
    [
      'one that is past as it was told',
      [`2 → 4: told before @${EARLIER}`],
      4,
      4,
      { scaleChanges: [told(2, 4)] },
    ],
    ['nothing of a scale that somebody else has set', [], 7, 7, { scaleChanges: [told(2, 4)] }],
    [
      'who has started pods of a revision without any',
      [`0 → 2: woken by requests that waited @${NOW}`],
      2,
      2,
      { scaleChanges: [told(1, 0)], heldRevisions: [NAME] },
    ],
    [
      'nothing of pods that were started though no requests were held',
      [],
      2,
      2,
      { scaleChanges: [told(1, 0)] },
    ],
  ] as const) {
    it(`tell ${what}`, () => {
      expect(changes(from, to, before as ComponentStatus)).to.deep.equal(expected);
    });
  }

  it('forget a revision that is gone', () => {
    expect(scaleChanges([], { scaleChanges: [told(2, 4)] }, NOW)).to.deep.equal([]);
  });
});

describe('events about a scale', () => {
  function events() {
    const messages: string[] = [];
    let now = 0;
    const cluster = new MemoryCluster((_, event: ObjectEvent) => messages.push(event.message));
    const scaleEvents = new ScaleEvents(cluster, () => now);
    return {
      ...{ cluster, scaleEvents, messages },
      tell: (text: string) => scaleEvents.tell(service(), 'Scaled', text),
      wait: (seconds: number) => {
        now += seconds * 1000;
      },
    };
  }

  const deployment = (replicas: number): KubeObject =>
    ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace: 'default', name: NAME },
      spec: { replicas },
    }) as KubeObject;

  it('are one a change', async () => {
    const { messages, tell } = events();
    await tell('1 → 2');
    await tell('2 → 4');
    expect(messages).to.deep.equal(['1 → 2', '2 → 4']);
  });

  it('become seldom while the scale goes up and down, and say how many changes they are for', async () => {
    const { messages, tell, wait } = events();
    for (let change = 0; change < 300; change++) {
      await tell(String(change));
      wait(2);
    }
    // Ten at once and one a minute.
    expect(messages).to.have.length(19);
    expect(messages.at(-1)).to.equal('270 (29 changes before it have no event)');
  });

  for (const [what, actual, expected] of [
    ['are written when the scale is changed', 2, [`${NAME}: 2 → 4: because`]],
    ['are not written of a change that has been made, or is overtaken', 3, []],
  ] as const) {
    it(what, async () => {
      const { cluster, scaleEvents, messages } = events();
      const parent = service();
      cluster.submit(parent);
      cluster.put(deployment(actual));
      const revision = { name: NAME, replicas: 2 };
      const scale = { revision, replicas: 4, reason: 'because' };
      const predictor = { scaleChanges: scaleChanges([scale], undefined, NOW) };
      const own = { controller: true, uid: 'u', kind: parent.kind, name: 'iris', apiVersion: '' };
      const metadata = { ...deployment(2).metadata, ownerReferences: [own] };
      const applied = await applyPlan({
        plan: { children: [deployment(4)], status: { components: { predictor } }, events: [] },
        input: { parent, children: [{ ...deployment(2), metadata }] } as never,
        ...{ writer: cluster, news: new NewsBudget(), scaleEvents },
        log: createLogger('error', 'json'),
      });
      expect(messages).to.deep.equal(expected);
      expect(applied.isStale).to.equal(actual !== 2);
    });
  }
});
