/** The simulator's laws, and a short simulation of both modes whose outcome is known. */
import { expect } from 'chai';
import { poisson, seeded } from './arrivals.ts';
import { linePlot } from './line-plot.ts';
import { type Mode, run, type Scenario } from './scenarios.ts';

const ARRIVALS = poisson((t) => (t >= 300 && t < 360 ? 40 : 4), 40, 900, seeded(7));
const BURST: Scenario = {
  name: 'burst',
  seconds: 1200,
  services: [ARRIVALS],
  serviceSeconds: 0.4,
  minPods: 0,
};

describe('the simulator', () => {
  const outcome = (mode: Mode) => {
    const { podSeconds, p50, p99, requests, outcomes } = run({
      scenario: BURST,
      startSeconds: 10,
      mode,
      seed: 7,
    });
    const pods = outcomes[0]?.pods.map((point) => point.pods) ?? [];
    const rounded = (value: number) => Math.round(value * 100) / 100;
    return {
      podSeconds: Math.round(podSeconds),
      p50: rounded(p50),
      p99: rounded(p99),
      requests,
      most: Math.max(...pods),
      atEnd: pods.at(-1),
    };
  };

  it('gives the same outcome for the same seed, and answers every request', () => {
    expect(outcome('kpa')).to.deep.equal(outcome('kpa'));
    expect([outcome('kpa').requests, outcome('demand').requests]).to.deep.equal([
      ARRIVALS.length,
      ARRIVALS.length,
    ]);
  });

  it('knows what both modes make of a burst, and both come back to zero', () => {
    expect({ kpa: outcome('kpa'), demand: outcome('demand') }).to.deep.equal({
      kpa: { podSeconds: 3456, p50: 0.33, p99: 6.27, requests: 5686, most: 30, atEnd: 0 },
      demand: { podSeconds: 2248, p50: 0.33, p99: 8.08, requests: 5686, most: 30, atEnd: 0 },
    });
  });

  it('draws lines as steps', () => {
    const points = [
      { at: 0, pods: 1 },
      { at: 60, pods: 3 },
    ];
    const svg = linePlot('x', [{ name: 'a', color: 'red', points }]);
    expect(svg).to.include('M36.0 116.7H676.0V10.0');
  });
});
