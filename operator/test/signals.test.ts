/** Signals of revisions: sums, rates, percentiles, windows of time, and the translation of Envoy's metrics. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { RevisionRef } from '../src/api/revision.ts';
import { LATENCY_BOUNDS, type SignalReport, type Signals } from '../src/api/revision-signals.ts';
import { clusterName } from '../src/api/route-table.ts';
import { signalMetrics } from '../src/controller/signal-metrics.ts';
import { SignalTotals } from '../src/plan/signals/signal-totals.ts';
import { SignalWindows } from '../src/plan/signals/signal-windows.ts';
import {
  latencyPercentile,
  NO_SIGNALS,
  successes,
  sumSignals,
} from '../src/plan/signals/signals.ts';
import { EnvoyProtos, METRICS_MESSAGE } from '../src/router/protos.ts';
import { dropIdle, revisionSignals } from '../src/router/signals.ts';

const REF: RevisionRef = {
  namespace: 'default',
  service: 'iris',
  component: 'predictor',
  revision: 1,
};
const CANARY = { ...REF, revision: 2 };

/** Index of the bucket whose upper bound is `milliseconds`. */
const bucket = (milliseconds: number) => LATENCY_BOUNDS.indexOf(milliseconds * 1000);

const signals = (more: Partial<Signals>): Signals => ({ ...NO_SIGNALS, ...more });

describe('signals', () => {
  it('bounds latencies in ascending steps of at most a third', () => {
    expect([LATENCY_BOUNDS[0], LATENCY_BOUNDS.at(-1)]).to.deep.equal([100, 1e9]);
    for (const [i, bound] of LATENCY_BOUNDS.entries()) {
      const ratio = bound / (LATENCY_BOUNDS[i - 1] ?? bound / 1.25);
      expect(ratio, `bound ${bound}`).to.be.within(1.2, 1.34);
    }
  });

  it('add up', () => {
    const a = signals({ outcomes: { success: 2, reset: 1 }, latency: { 3: 2 }, latencySeconds: 1 });
    const b = signals({ outcomes: { success: 1 }, latency: { 3: 1, 9: 4 }, latencySeconds: 0.5 });
    expect(sumSignals([a, b, NO_SIGNALS])).to.deep.equal({
      outcomes: { success: 3, reset: 1 },
      latency: { 3: 3, 9: 4 },
      latencySeconds: 1.5,
    });
    expect(sumSignals([])).to.deep.equal(NO_SIGNALS);
  });

  for (const { name, outcomes, expected } of [
    { name: 'no request', outcomes: {}, expected: { requests: 0, failures: 0, rate: undefined } },
    {
      name: 'answers that blame the caller',
      outcomes: { success: 3, client_error: 1 },
      expected: { requests: 4, failures: 0, rate: 1 },
    },
    {
      name: 'each kind of failure',
      outcomes: { success: 4, server_error: 1, timeout: 1, reset: 1, no_pod: 1 },
      expected: { requests: 8, failures: 4, rate: 0.5 },
    },
    {
      name: 'requests that say nothing',
      outcomes: { success: 1, refused: 5, cancelled: 5 },
      expected: { requests: 1, failures: 0, rate: 1 },
    },
  ]) {
    it(`count successes of ${name}`, () => {
      expect(successes(outcomes)).to.deep.equal(expected);
    });
  }

  for (const { latency, percent, expected } of [
    { latency: {}, percent: 50, expected: undefined },
    { latency: { [bucket(10)]: 4 }, percent: 50, expected: 9 },
    { latency: { [bucket(10)]: 4 }, percent: 100, expected: 10 },
    { latency: { 0: 2 }, percent: 50, expected: 0.05 },
    { latency: { [bucket(10)]: 99, [bucket(100)]: 1 }, percent: 99, expected: 10 },
    { latency: { [bucket(10)]: 98, [bucket(100)]: 2 }, percent: 99, expected: 90 },
    { latency: { [bucket(10)]: 998, [bucket(100)]: 2 }, percent: 99.9, expected: 90 },
    { latency: { [LATENCY_BOUNDS.length]: 1 }, percent: 99, expected: 1e6 },
  ]) {
    it(`find ${expected} ms at ${percent} % of ${JSON.stringify(latency)}`, () => {
      const found = latencyPercentile(latency, percent);
      if (expected === undefined) expect(found).to.equal(undefined);
      else expect(found).to.be.closeTo(expected, 1e-9);
    });
  }

  it('have percentiles in the bucket of the true one, which rise', () => {
    const latencies = fc.array(fc.double({ min: 0.2, max: 900_000, noNaN: true }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(latencies, fc.double({ min: 1, max: 100, noNaN: true }), (values, percent) => {
        const sorted = values.toSorted((a, b) => a - b);
        const indexOf = (ms: number) => LATENCY_BOUNDS.findIndex((bound) => bound >= ms * 1000);
        const counts = sumSignals(values.map((ms) => signals({ latency: { [indexOf(ms)]: 1 } })));
        const rank = Math.max(0, Math.ceil((percent / 100) * values.length) - 1);
        const index = indexOf(sorted[rank] as number);
        const found = latencyPercentile(counts.latency, percent) as number;
        expect(found).to.be.within(
          ((LATENCY_BOUNDS[index - 1] ?? 0) / 1000) * 0.999,
          ((LATENCY_BOUNDS[index] as number) / 1000) * 1.001,
        );
        expect(latencyPercentile(counts.latency, 100)).to.be.at.least(found);
      }),
    );
  });
});

describe('windows of signals', () => {
  const ROUTERS = ['a', 'b'];
  const SUCCESS = signals({ outcomes: { success: 1 } });
  const report = (router: string, more: Partial<SignalReport> = {}): SignalReport => {
    return { router, stream: router, sequence: 0, revisions: [], ...more };
  };
  let windows: SignalWindows;

  /** Lets both routers report each second, one success each; `isLost` says which reports do not come. */
  function run(from: number, to: number, isLost: (router: string, now: number) => boolean) {
    for (let now = from; now <= to; now += 1000) {
      for (const router of ROUTERS) {
        const sequence = now / 1000;
        const revisions = [{ ref: REF, ...SUCCESS }];
        if (!isLost(router, now)) windows.record(report(router, { sequence, revisions }), now);
      }
    }
  }

  const successesBetween = (from: number, to: number, ref = REF) => {
    const found = windows.between(ref, { from, to, routers: ROUTERS });
    return found && (found.outcomes.success ?? 0);
  };

  beforeEach(() => {
    windows = new SignalWindows({ length: 60_000, resolution: 5000 });
  });

  it('sum what all routers reported in whole periods', () => {
    run(0, 60_000, () => false);
    expect(successesBetween(10_000, 20_000)).to.equal(20);
    expect(successesBetween(11_000, 24_000)).to.equal(20);
    expect(successesBetween(20_000, 20_000)).to.equal(0);
  });

  it('know that a revision had no request', () => {
    run(0, 60_000, () => false);
    expect(successesBetween(10_000, 20_000, CANARY)).to.equal(0);
  });

  it('know nothing of the time before the first report, nor after the last one', () => {
    run(10_000, 30_000, () => false);
    expect(successesBetween(5000, 20_000)).to.equal(undefined);
    expect(successesBetween(10_000, 20_000)).to.equal(20);
    expect(successesBetween(20_000, 35_000)).to.equal(undefined);
  });

  it('know nothing while one of the routers is silent, and again once it is back', () => {
    run(0, 60_000, (router, now) => router === 'b' && now > 20_000 && now < 40_000);
    expect(successesBetween(10_000, 20_000)).to.equal(20);
    expect(successesBetween(15_000, 25_000)).to.equal(undefined);
    expect(successesBetween(30_000, 45_000)).to.equal(undefined);
    expect(successesBetween(40_000, 50_000)).to.equal(20);
    const onlyA = windows.between(REF, { from: 15_000, to: 25_000, routers: ['a'] });
    expect(onlyA?.outcomes.success).to.be.above(0);
  });

  it('know nothing where a single report is missing, or the router connected anew', () => {
    run(0, 20_000, (router, now) => router === 'a' && now === 7000);
    expect(successesBetween(5000, 10_000)).to.equal(undefined);
    expect(successesBetween(10_000, 15_000)).to.equal(10);
    windows.record(report('a', { stream: 'anew', sequence: 21 }), 21_000);
    windows.record(report('a', { stream: 'anew', sequence: 22 }), 25_000);
    const onlyA = { to: 25_000, routers: ['a'] };
    expect(windows.between(REF, { from: 20_000, ...onlyA })).to.equal(undefined);
  });

  it('bear a report that is late', () => {
    windows.record(report('a', { sequence: 0 }), 0);
    const revisions = [{ ref: REF, ...SUCCESS }];
    windows.record(report('a', { sequence: 1, revisions }), 9000);
    windows.record(report('a', { sequence: 2 }), 10_000);
    expect(windows.between(REF, { from: 0, to: 10_000, routers: ['a'] })).to.deep.equal(SUCCESS);
  });

  it('know nothing of a time that is too long ago', () => {
    run(0, 200_000, () => false);
    expect(successesBetween(100_000, 120_000)).to.equal(undefined);
    expect(successesBetween(150_000, 160_000)).to.equal(20);
  });

  it('begin anew when the clock was set back', () => {
    run(100_000, 120_000, () => false);
    run(50_000, 80_000, () => false);
    expect(successesBetween(45_000, 55_000)).to.equal(undefined);
    expect(successesBetween(60_000, 70_000)).to.equal(20);
  });

  it('forget a service that is gone, and revisions without requests', () => {
    const other = { ...REF, service: 'other' };
    const revisions = [REF, other].map((ref) => ({ ref, ...SUCCESS }));
    windows.record(report('a', { revisions }), 0);
    windows.forget('default/iris');
    expect(windows.between(REF, { from: 0, to: 0, routers: [] })).to.deep.equal(NO_SIGNALS);
    expect(windows.size).to.equal(1);
    windows.record(report('a'), 70_000);
    expect(windows.size).to.equal(0);
  });
});

describe('metrics of Envoy', () => {
  const protos = new EnvoyProtos();
  const cluster = (value: string) => ({ name: 'cluster', value });
  const requests = (name: string, outcome: string, value: number) => ({
    name: 'revision.requests',
    metric: [{ label: [cluster(name), { name: 'outcome', value: outcome }], counter: { value } }],
  });
  const latency = (name: string, bounds: Record<number, number>, count: number) => ({
    name: 'revision.latency',
    metric: [
      {
        label: [cluster(name)],
        histogram: {
          sample_count: count,
          sample_sum: 2_000_000,
          bucket: Object.entries(bounds).map(([upper_bound, cumulative_count]) => {
            return { upper_bound: Number(upper_bound), cumulative_count };
          }),
        },
      },
    ],
  });
  const translate = (...envoy_metrics: object[]) => {
    const bytes = protos.encode(METRICS_MESSAGE, { envoy_metrics });
    const message = protos.decode(METRICS_MESSAGE, bytes, dropIdle);
    const names = [clusterName(REF), clusterName(REF, 'grpc')];
    const revision = (name: string) => (names.includes(name) ? REF : undefined);
    return revisionSignals(message, revision);
  };

  it('add up over the ports of a revision', () => {
    expect(
      translate(
        requests(clusterName(REF), 'success', 3),
        requests(clusterName(REF, 'grpc'), 'success', 2),
        requests(clusterName(REF), 'timeout', 1),
        latency(clusterName(REF), { 100: 0, 120: 1, 160: 3, 1e9: 3 }, 4),
        latency(clusterName(REF, 'grpc'), { 100: 0, 120: 0, 160: 1, 1e9: 1 }, 1),
      ),
    ).to.deep.equal([
      {
        ref: REF,
        outcomes: { success: 5, timeout: 1 },
        latency: { 1: 1, 2: 3, [LATENCY_BOUNDS.length]: 1 },
        latencySeconds: 4,
      },
    ]);
  });

  it('tell nothing of revisions without a request, clusters without a revision, and other metrics', () => {
    expect(
      translate(
        requests(clusterName(REF), 'success', 0),
        latency(clusterName(REF), { 100: 0, 1e9: 0 }, 0),
        requests('gone/gone-predictor-00001', 'success', 3),
        { name: 'control_plane.connected_state', metric: [{ counter: { value: 1 } }] },
      ),
    ).to.deep.equal([]);
  });

  it('count a bound of another release for the next larger one', () => {
    const [found] = translate(latency(clusterName(REF), { 110: 2, 2e9: 3 }, 3));
    expect(found?.latency).to.deep.equal({ 1: 2, [LATENCY_BOUNDS.length]: 1 });
  });
});

describe('metrics of signals', () => {
  it('have series of revisions that had requests, until they are gone', async () => {
    const totals = new SignalTotals();
    const scrape = async () => {
      let text = '';
      for await (const part of signalMetrics(() => totals.all())) text += part;
      return text;
    };
    const counted = {
      outcomes: { success: 3, timeout: 1 },
      latency: { [bucket(1)]: 1, [bucket(1.2)]: 1, [LATENCY_BOUNDS.length]: 1 },
      latencySeconds: 2000.5,
    };
    const report = { router: 'a', stream: 's', sequence: 0 };
    totals.record({ ...report, revisions: [{ ref: REF, ...counted }] });
    totals.record({ ...report, revisions: [REF, CANARY].map((ref) => ({ ref, ...counted })) });
    totals.forget(CANARY);
    const text = await scrape();
    const labels = 'namespace="default",service="iris",revision="iris-predictor-00001"';
    const name = 'wherry_revision_request_duration_seconds';
    expect(text.split('\n')).to.include.members([
      `wherry_revision_requests_total{${labels},outcome="success"} 6`,
      `wherry_revision_requests_total{${labels},outcome="timeout"} 2`,
      `# TYPE ${name} histogram`,
      `${name}_bucket{${labels},le="0.001"} 2`,
      `${name}_bucket{${labels},le="0.0025"} 4`,
      `${name}_bucket{${labels},le="100"} 4`,
      `${name}_bucket{${labels},le="+Inf"} 6`,
      `${name}_sum{${labels}} 4001`,
      `${name}_count{${labels}} 6`,
    ]);
    expect(text).to.not.contain('iris-predictor-00002');
    totals.forgetService('default/iris');
    expect(await scrape()).to.not.contain('iris');
  });
});
