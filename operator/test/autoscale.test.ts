/** Knative's own table (reference: knative/serving autoscaler_test.go), as inputs → wanted pods and panic. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { AutoscalerSettings } from '../src/plan/autoscale/decision.ts';
import { explain } from '../src/plan/autoscale/decision.ts';
import { decideAsKpa, initialKpaState, type KpaState } from '../src/plan/autoscale/kpa.ts';
import { componentAutoscaling } from '../src/plan/autoscale/settings.ts';
import { Window } from '../src/plan/autoscale/window.ts';
import { secondsToZero, wakeScale } from '../src/plan/autoscale/zero.ts';

const SETTINGS: AutoscalerSettings = {
  metric: 'concurrency',
  target: 10,
  capacity: 10 / 0.75,
  panicThreshold: 2,
  maxScaleUpRate: 10,
  maxScaleDownRate: 10,
  stableWindowSeconds: 60,
  panicWindowSeconds: 6,
  activationScale: 1,
  scaleDownDelaySeconds: 0,
  retentionSeconds: 0,
};
const CALM: KpaState = { maxPanicPods: 0, pastDesired: [] };

type Known = number | 'unknown';
/** [seconds, ready pods, stable average, panic average, wanted pods, in panic afterwards, changes from then on] */
type Step = [
  seconds: number,
  ready: Known,
  stable: Known,
  panic: Known,
  wanted: number | 'invalid',
  isPanic: boolean,
  changes?: { reachable?: boolean; settings?: Partial<AutoscalerSettings> },
];
interface Row {
  name: string;
  settings?: Partial<AutoscalerSettings>;
  state?: KpaState;
  reachable?: boolean;
  /** Seconds of the last time over the panic threshold, after each step; not compared where left out. */
  panicSince?: (number | undefined)[];
  steps: Step[];
}

const ROWS: Row[] = [
  { name: 'no data at zero', steps: [[0, 1, 0, 0, 0, false]] },
  { name: 'metric error', steps: [[0, 1, 'unknown', 'unknown', 'invalid', false]] },
  { name: 'pod count error', steps: [[0, 'unknown', 1000, 888, 'invalid', false]] },
  { name: 'a large target', settings: { target: 181 }, steps: [[0, 1, 21, 26, 1, false]] },
  { name: 'over the panic threshold, stable a little higher', steps: [[0, 1, 50, 49, 5, true]] },
  { name: 'stable, no change but over the panic threshold', steps: [[0, 1, 50, 50, 5, true]] },
  { name: 'already scaled', steps: [[0, 5, 50, 50, 5, false]] },
  {
    name: 'in panic the larger window wins: stable',
    settings: { target: 1 },
    state: { panicSince: -5000, maxPanicPods: 5, pastDesired: [] },
    steps: [[0, 5, 50, 30, 50, true]],
  },
  {
    name: 'in panic the larger window wins: panic',
    settings: { target: 1 },
    state: { panicSince: -5000, maxPanicPods: 5, pastDesired: [] },
    steps: [[0, 5, 20, 30, 30, true]],
  },
  {
    name: 'small scale-up rate',
    settings: { target: 1, maxScaleUpRate: 1.1 },
    steps: [[0, 2, 3, 3.1, 3, true]],
  },
  {
    name: 'small scale-down rate',
    settings: { maxScaleDownRate: 1.1 },
    steps: [[0, 100, 1, 1, 90, false]],
  },
  {
    name: 'unreachable shrinks at once',
    settings: { maxScaleDownRate: 1.1 },
    reachable: false,
    steps: [[0, 100, 1, 1, 1, false]],
  },
  { name: 'panic doubles', steps: [[0, 1, 50, 100, 10, true]] },
  {
    name: 'stable increase',
    steps: [
      [0, 5, 50, 10, 5, false],
      [2, 5, 100, 10, 10, false],
    ],
  },
  {
    name: 'leaves panic after a slow increase',
    settings: { target: 1 },
    steps: [
      [0, 10, 11, 25, 25, true],
      [30, 40, 30, 41, 41, true],
      [62, 55, 50, 56, 50, false],
    ],
    panicSince: [0, 0, undefined],
  },
  {
    name: 'the panic window is extended',
    settings: { target: 1 },
    steps: [
      [0, 10, 11, 25, 25, true],
      [30, 40, 30, 80, 80, true],
    ],
    panicSince: [0, 30],
  },
  {
    name: 'decrease',
    steps: [
      [0, 8, 100, 100, 10, false],
      [2, 8, 50, 50, 5, false],
    ],
  },
  {
    name: 'to zero',
    steps: [
      [0, 1, 1, 0, 1, false],
      [2, 1, 0, 0, 0, false],
    ],
  },
  {
    name: 'activation scale',
    settings: { activationScale: 2 },
    steps: [
      [0, 1, 0, 0, 0, false],
      [2, 1, 1, 0, 2, false],
    ],
  },
  {
    name: 'exponential growth',
    settings: { target: 1, maxScaleUpRate: 10 },
    steps: [
      [0, 1, 6, 6, 6, true],
      [1, 6, 36, 36, 36, true],
      [2, 36, 216, 216, 216, true],
      [3, 216, 1296, 1296, 1296, true],
      [4, 1296, 1296, 1296, 1296, true],
    ],
    panicSince: [0, 1, 2, 3, 3],
  },
  {
    name: 'panic, then calm',
    steps: [
      [0, 1, 100, 100, 10, true],
      [0, 10, 100, 1000, 100, true],
      [30, 10, 1, 1, 100, true],
      [61, 10, 1, 1, 1, false],
    ],
  },
  {
    name: 'rate limit up',
    steps: [
      [0, 1, 1000, 1001, 10, true],
      [0, 10, 1000, 1001, 100, true],
    ],
  },
  {
    name: 'rate limit down',
    steps: [
      [0, 100, 1, 1, 10, false],
      [2, 10, 1, 1, 1, false],
    ],
  },
  {
    name: 'another target',
    steps: [
      [0, 1, 100, 101, 10, true],
      [0, 10, 100, 101, 100, true, { settings: { target: 1 } }],
    ],
  },
  {
    name: 'requests a second',
    settings: { metric: 'rps' },
    steps: [
      [0, 1, 50, 50, 5, true],
      [0, 1, 100, 99, 10, true],
    ],
  },
  { name: 'no ready pod counts as one', steps: [[0, 0, 1000, 888, 10, true]] },
  {
    name: 'scale-down delay of 5 minutes',
    settings: { panicThreshold: 100, scaleDownDelaySeconds: 300 },
    steps: [
      [2, 0, 40, 40, 4, false],
      [300, 0, 0, 0, 4, false],
      [302, 0, 0, 0, 0, false],
    ],
  },
  {
    name: 'scale-down delay, gradually',
    settings: { panicThreshold: 100, scaleDownDelaySeconds: 300 },
    steps: [
      [540, 0, 40, 40, 4, false],
      [600, 0, 30, 30, 4, false],
      [660, 0, 0, 0, 4, false],
      [840, 0, 0, 0, 3, false],
      [900, 0, 0, 0, 0, false],
    ],
  },
  {
    name: 'scale-down delay of a revision that becomes unreachable',
    settings: { panicThreshold: 100, scaleDownDelaySeconds: 300 },
    steps: [
      [2, 0, 40, 40, 4, false],
      [60, 0, 0, 0, 4, false],
      [2, 0, 0, 0, 0, false, { reachable: false }],
    ],
  },
  {
    name: 'no delay',
    settings: { panicThreshold: 100 },
    steps: [
      [0, 0, 40, 40, 4, false],
      [0.5, 0, 20, 20, 2, false],
    ],
  },
];

describe('decideAsKpa', () => {
  for (const {
    name,
    settings,
    state: initial = CALM,
    reachable = true,
    steps,
    panicSince,
  } of ROWS) {
    it(name, () => {
      let state = initial;
      let used = { ...SETTINGS, ...settings };
      let isReachable = reachable;
      const since: (number | undefined)[] = [];
      const results = steps.map(([seconds, ready, stable, panic, , , changes]) => {
        used = { ...used, ...changes?.settings };
        isReachable = changes?.reachable ?? isReachable;
        const sample = {
          ...(stable === 'unknown' || panic === 'unknown' ? {} : { load: { stable, panic } }),
          ...(ready === 'unknown' ? {} : { readyPods: ready }),
          reachable: isReachable,
        };
        const decision = decideAsKpa(sample, used, state, seconds * 1000);
        state = decision.state;
        since.push(state.panicSince && state.panicSince / 1000);
        return [decision.desired ?? 'invalid', state.panicSince !== undefined];
      });
      expect(results).to.deep.equal(steps.map(([, , , , wanted, panics]) => [wanted, panics]));
      if (panicSince !== undefined) expect(since).to.deep.equal(panicSince);
    });
  }

  it('starts in panic with the pods it finds when there are several', () => {
    const calm = { pastDesired: [] };
    expect(initialKpaState(undefined, 5)).to.deep.equal({ ...calm, maxPanicPods: 0 });
    expect(initialKpaState(0, 5)).to.deep.equal({ ...calm, maxPanicPods: 0 });
    expect(initialKpaState(1, 5)).to.deep.equal({ ...calm, maxPanicPods: 1 });
    expect(initialKpaState(2, 5)).to.deep.equal({ ...calm, maxPanicPods: 2, panicSince: 5 });
  });

  it('keeps its state when too little is known', () => {
    const state = { maxPanicPods: 7, pastDesired: [{ at: 1, pods: 7 }], panicSince: 1 };
    const {
      desired,
      state: after,
      reason,
    } = decideAsKpa({ reachable: true }, SETTINGS, state, 9e5);
    expect([desired, after, reason.rule]).to.deep.equal([undefined, state, 'unknown']);
  });

  it('tells the rule that had the last word', () => {
    const rule = (sample: { stable: number; panic: number; ready: number }, settings = {}) => {
      const { stable, panic, ready: readyPods } = sample;
      const used = { ...SETTINGS, ...settings };
      const whole = { load: { stable, panic }, readyPods, reachable: true };
      return decideAsKpa(whole, used, CALM, 0).reason.rule;
    };
    expect(rule({ stable: 37, panic: 37, ready: 4 })).to.equal('load');
    expect(rule({ stable: 10, panic: 90, ready: 1 })).to.equal('burst');
    expect(rule({ stable: 10, panic: 10, ready: 100 })).to.equal('rate');
    expect(rule({ stable: 1, panic: 1, ready: 1 }, { activationScale: 3 })).to.equal('activation');
  });
});

describe('explain', () => {
  it('says the load, what a pod bears and the rule', () => {
    const reason = { rule: 'load', load: 37, perPod: 10 } as const;
    expect(explain(reason, 'concurrency')).to.equal('37 under way, 10 a pod');
    const burst = { ...reason, rule: 'burst', load: 1234.56 } as const;
    expect(explain(burst, 'rps')).to.equal('1230 requests a second, 10 a pod, a burst');
  });
});

describe('decisions about zero', () => {
  it('let the last pod go after the stable window and the retention period', () => {
    const settings = { stableWindowSeconds: 60, retentionSeconds: 30 };
    expect([0, 59, 89, 90, 1e6].map((quiet) => secondsToZero(settings, quiet))).to.deep.equal([
      90, 31, 1, 0, 0,
    ]);
  });

  it('wake for the requests that wait', () => {
    const settings = { target: 7, activationScale: 2 };
    expect([0, 1, 14, 15, 1000].map((n) => wakeScale(settings, n, 10))).to.deep.equal([
      0, 2, 2, 3, 10,
    ]);
  });
});

describe('Window', () => {
  const second = (n: number) => n * 1000;

  it('averages as Knative: gaps count as zero, a missing tail does not count', () => {
    const window = new Window(5);
    for (let t = 0; t < 5; t++) window.record(second(t), t + 1);
    expect(window.average(second(4))).to.equal(3);
    expect(window.average(second(6))).to.equal(4);
    expect(window.average(second(10))).to.equal(0);
    window.record(second(6), 91);
    expect(window.average(second(6))).to.equal(20.6);
  });

  it('averages over a part of its length', () => {
    const window = new Window(10);
    for (let t = 0; t < 10; t++) window.record(second(t), t);
    expect(window.average(second(9), 2)).to.equal(8.5);
    expect(window.average(second(10), 2)).to.equal(9);
    expect(window.average(second(11), 2)).to.equal(0);
    expect(window.average(second(9), 100)).to.equal(4.5);
  });

  it('adds what is written in one second', () => {
    const window = new Window(6);
    window.record(100, 2);
    window.record(900, 3);
    expect(window.average(950)).to.equal(5);
  });

  it('equals a plain average over the seconds since the first write', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 40 }),
        (values) => {
          const window = new Window(10);
          values.forEach((value, t) => {
            window.record(second(t), value);
          });
          const last = values.slice(-10);
          const mean = last.reduce((a, b) => a + b, 0) / last.length;
          expect(window.average(second(values.length - 1))).to.be.closeTo(mean, 1e-6);
        },
      ),
    );
  });

  it('is empty before the first write and after a longer silence than the window', () => {
    const window = new Window(6);
    expect(window.isEmpty(0)).to.equal(true);
    window.record(0, 0);
    expect(window.isEmpty(second(6))).to.equal(false);
    expect(window.isEmpty(second(7))).to.equal(true);
  });
});

describe('componentAutoscaling', () => {
  const settings = (predictor: object, annotations: Record<string, string> = {}) =>
    componentAutoscaling({ name: 'iris', annotations }, predictor);

  it('has KPA defaults: 70 % of 100 concurrent requests, windows of 60 and 6 seconds', () => {
    const { settings: s } = settings({});
    expect([s.metric, s.target, s.stableWindowSeconds, s.panicWindowSeconds]).to.deep.equal([
      'concurrency',
      70,
      60,
      6,
    ]);
  });

  it('takes a scaleTarget of 0, which clients write, for none', () => {
    const target = { 'autoscaling.knative.dev/target': '50' };
    expect(settings({ scaleTarget: 0 }).settings.target).to.equal(70);
    expect(settings({ scaleTarget: 0 }, target).settings.target).to.equal(35);
  });

  it('takes KServe fields and Knative annotations', () => {
    const read = settings(
      { scaleMetric: 'rps', scaleTarget: 50 },
      {
        'autoscaling.knative.dev/window': '1m30s',
        'autoscaling.knative.dev/target-utilization-percentage': '0.5',
        'autoscaling.knative.dev/scale-down-delay': '15s',
      },
    );
    expect([
      read.settings.metric,
      read.settings.target,
      read.settings.panicWindowSeconds,
    ]).to.deep.equal(['rps', 25, 9]);
    expect(read.settings.scaleDownDelaySeconds).to.equal(15);
  });

  it('limits the target to containerConcurrency', () => {
    expect(settings({ containerConcurrency: 10 }).settings.target).to.equal(7);
    expect(settings({ containerConcurrency: 10, scaleTarget: 4 }).settings.target).to.be.closeTo(
      2.8,
      1e-9,
    );
  });

  it('ignores values out of range', () => {
    const read = settings(
      {},
      { 'autoscaling.knative.dev/window': '2s', 'autoscaling.knative.dev/target': 'many' },
    );
    expect([read.settings.stableWindowSeconds, read.settings.target]).to.deep.equal([60, 70]);
  });
});
