/** Decisions by demand: the estimates that they are made from, and what each rule does. */
import { expect } from 'chai';
import type { AutoscalerSample, AutoscalerSettings, Flow } from '../src/plan/autoscale/decision.ts';
import {
  type DemandState,
  decideByDemand,
  initialDemandState,
  lastingSeconds,
} from '../src/plan/autoscale/demand.ts';
import {
  NO_SERVICE_TIME,
  observeService,
  serviceSeconds,
} from '../src/plan/autoscale/service-time.ts';
import { warmSeconds } from '../src/plan/autoscale/warmth.ts';

const SETTINGS: AutoscalerSettings = {
  metric: 'concurrency',
  target: 7,
  capacity: 10,
  panicThreshold: 2,
  maxScaleUpRate: 1000,
  maxScaleDownRate: 2,
  stableWindowSeconds: 60,
  panicWindowSeconds: 6,
  activationScale: 1,
  scaleDownDelaySeconds: 0,
  retentionSeconds: 0,
};

interface Load {
  /** Requests a second that come, steadily, and those that are under way. */
  rate: number;
  underWay: number;
  ready: number;
  flow?: Partial<Flow>;
}

/** Decides every two seconds of the same load, and returns the state and the last decision. */
function settled(load: Load, seconds: number, from: DemandState, start = 0, settings = SETTINGS) {
  let state = from;
  let decision: ReturnType<typeof decideByDemand> | undefined;
  for (let t = start; t <= start + seconds; t += 2) {
    const sample: AutoscalerSample = {
      load: { stable: load.underWay, panic: load.underWay },
      readyPods: load.ready,
      reachable: true,
      flow: {
        underWay: load.underWay,
        arrived: load.rate * t,
        arrivals: { stable: load.rate, panic: load.rate, latest: load.rate },
        starting: [],
        unschedulable: 0,
        startSeconds: 30,
        quietSeconds: load.underWay > 0 ? 0 : 1000,
        warmSeconds: 60,
        ...load.flow,
      },
    };
    decision = decideByDemand(sample, settings, state, t * 1000);
    state = decision.state;
  }
  if (decision === undefined) throw new Error('nothing was decided');
  return { ...decision, state };
}

describe('decideByDemand', () => {
  const CALM = initialDemandState(0, -1e6);

  it('gives a lasting load what the KPA gives it', () => {
    expect(settled({ rate: 20, underWay: 20, ready: 3 }, 120, CALM).desired).to.equal(3);
  });

  it('does not take requests that wait for a lasting load', () => {
    // One pod serves 10 a second of 1 s each, 10 come, and 500 wait.
    const waiting = { rate: 10, underWay: 510, ready: 1 };
    const { state } = settled({ ...waiting, underWay: 10 }, 60, CALM);
    const { desired, reason } = settled(waiting, 10, state, 62);
    expect(desired).to.be.lessThan(510 / SETTINGS.target / 4);
    expect(reason.rule).to.equal('backlog');
  });

  it('does not ask again for pods that start', () => {
    const waiting = { rate: 30, underWay: 200, ready: 2 };
    const first = settled(waiting, 20, CALM);
    const starting = new Array((first.desired ?? 0) - 2).fill(10_000);
    const again = settled({ ...waiting, flow: { starting } }, 10, first.state, 22);
    expect(again.desired).to.equal(first.desired);
  });

  it('asks for no more pods than find a node', () => {
    const load = { rate: 200, underWay: 200, ready: 2, flow: { starting: [0], unschedulable: 1 } };
    const { desired, reason } = settled(load, 0, CALM);
    expect([desired, reason.rule]).to.deep.equal([3, 'noRoom']);
  });

  it('comes down after a burst by steps, each at most by half', () => {
    const high = settled({ rate: 200, underWay: 200, ready: 30 }, 60, CALM);
    const steps = [high.desired ?? 0];
    let { state } = high;
    for (let t = 62; t < 240; t += 2) {
      const decision = settled({ rate: 5, underWay: 5, ready: steps.at(-1) ?? 0 }, 0, state, t);
      state = decision.state;
      if (decision.desired !== steps.at(-1)) steps.push(decision.desired ?? 0);
    }
    for (const [i, pods] of steps.slice(1).entries()) {
      expect(pods).to.be.at.least(Math.floor((steps[i] ?? 0) / 2));
    }
    expect(steps.at(-1)).to.equal(1);
  });

  it('goes to zero after the pause that was learned', () => {
    const { state } = settled({ rate: 5, underWay: 5, ready: 1 }, 60, CALM);
    const quiet = { rate: 0, underWay: 0, ready: 1 };
    expect(settled(quiet, 0, state, 200).desired).to.equal(0);
  });

  it('keeps its state when too little is known', () => {
    const decision = decideByDemand({ reachable: true }, SETTINGS, CALM, 0);
    expect([decision.desired, decision.state]).to.deep.equal([undefined, CALM]);
  });

  it('averages over the start-ups of pods, up to the stable window', () => {
    const lengths = [undefined, 1, 15, 120].map((start) => lastingSeconds(SETTINGS, start));
    expect(lengths).to.deep.equal([60, 30, 45, 60]);
  });
});

describe('the service time', () => {
  it('is found beside a queue', () => {
    let estimate = NO_SERVICE_TIME;
    // Ten slots, each request takes 2 s: five end in a second, eight come, three more wait.
    for (let t = 0; t <= 120; t += 2) {
      const observation = { underWay: 10 + 3 * t, arrived: 8 * t, slots: 10 };
      estimate = observeService(estimate, observation, t * 1000);
    }
    expect(serviceSeconds(estimate)).to.be.closeTo(2, 0.2);
  });

  it('is not known before anything was served, and heeds no time between that is long', () => {
    const first = observeService(NO_SERVICE_TIME, { underWay: 5, arrived: 5, slots: 0 }, 0);
    expect(serviceSeconds(first)).to.equal(undefined);
    const later = observeService(first, { underWay: 5, arrived: 500, slots: 10 }, 3_600_000);
    expect(later.busySeconds).to.equal(0);
  });
});

describe('warmSeconds', () => {
  const times = { windowSeconds: 60, startSeconds: 30 };
  const eight = (seconds: number) => new Array<number>(8).fill(seconds);

  it('is the window as long as little is known', () => {
    expect(warmSeconds({ ...times, pauses: [5, 5, 5] })).to.equal(60);
  });

  it('survives pauses that cost no more than another start', () => {
    expect(warmSeconds({ ...times, pauses: eight(75) })).to.equal(85);
  });

  it('does not wait for what comes much later', () => {
    expect(warmSeconds({ ...times, pauses: eight(600) })).to.equal(10);
  });

  it('waits no longer than for the pauses that there are', () => {
    expect(warmSeconds({ ...times, pauses: [...eight(20), 600] })).to.equal(24);
  });
});
