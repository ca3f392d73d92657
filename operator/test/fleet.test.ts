/** What follows from the facts about all routers, and what a load report says. */
import { expect } from 'chai';
import { formatRevision, type RevisionRef } from '../src/api/revision.ts';
import type { RouterFact, RouterRoutes } from '../src/api/router-fact.ts';
import { RouterFleet } from '../src/router/fleet.ts';
import { dropQuiet, loadReport } from '../src/router/load.ts';

const KEY = 'default/iris';

function ref(revision: number): RevisionRef {
  return { namespace: 'default', service: 'iris', component: 'predictor', revision };
}

const share = (revision: number, percent: number) => ({ ref: ref(revision), percent });
const connected = (stream: string): RouterFact => ({
  kind: 'connected',
  stream,
  router: `pod-${stream}`,
});
const told = (stream: string): RouterFact => ({ kind: 'told', stream });
const routes = (stream: string, value?: RouterRoutes): RouterFact => ({
  kind: 'routes',
  stream,
  key: KEY,
  routes: value,
});
/** The requests in flight by number of the revision. */
const load = (stream: string, inFlight: Record<number, number> = {}): RouterFact => ({
  kind: 'load',
  router: `pod-${stream}`,
  report: {
    router: `pod-${stream}`,
    clusters: Object.entries(inFlight).map(([revision, count]) => ({
      ref: ref(Number(revision)),
      seconds: 1,
      requests: 0,
      inFlight: count,
    })),
  },
});

function fleetOf(...facts: RouterFact[]): RouterFleet {
  const fleet = new RouterFleet();
  fleet.apply(facts);
  return fleet;
}

describe('RouterFleet', () => {
  const applied = { applied: [share(1, 100)] };
  const a = [connected('a'), routes('a', applied), told('a'), load('a')];
  const b = [connected('b'), routes('b', applied), told('b'), load('b')];

  it('knows nothing while no router is connected, one has not told or an expected one is missing', () => {
    expect(fleetOf().acknowledged(KEY)).to.equal(undefined);
    expect(fleetOf().inUse(KEY)).to.equal(undefined);
    expect(fleetOf(...a, connected('b')).acknowledged(KEY)).to.equal(undefined);
    const fleet = fleetOf(...a);
    fleet.expect(['pod-a', 'pod-b']);
    expect(fleet.acknowledged(KEY)).to.equal(undefined);
    expect([...fleet.apply(b)]).to.deep.equal([KEY]);
    expect(fleet.acknowledged(KEY)).to.deep.equal([share(1, 100)]);
  });

  it('acknowledges that requests are held when every router holds them', () => {
    const fleet = fleetOf(...a, ...b);
    const held = [{ ...share(1, 100), held: true } as const];
    fleet.apply([routes('a', { applied: held })]);
    expect(fleet.acknowledged(KEY)).to.equal(undefined);
    fleet.apply([routes('b', { applied: held })]);
    expect(fleet.acknowledged(KEY)).to.deep.equal(held);
  });

  it('acknowledges what every router applies', () => {
    const fleet = fleetOf(...a, ...b);
    const next = [share(1, 90), share(2, 10)];
    fleet.apply([routes('a', { applied: next })]);
    expect(fleet.acknowledged(KEY), 'they differ').to.equal(undefined);
    fleet.apply([routes('b', { ...applied, pending: next })]);
    expect(fleet.acknowledged(KEY), 'one has not confirmed').to.equal(undefined);
    expect([...fleet.apply([routes('b', { applied: next })])]).to.deep.equal([KEY]);
    expect(fleet.acknowledged(KEY)).to.deep.equal(next);
    fleet.apply([routes('b')]);
    expect(fleet.acknowledged(KEY), 'one has no routes').to.equal(undefined);
    expect([...fleet.apply([{ kind: 'gone', stream: 'b' }])]).to.deep.equal([KEY]);
    expect(fleet.acknowledged(KEY)).to.deep.equal(next);
  });

  it('counts as in use what is applied, what is pending and what has requests', () => {
    const fleet = fleetOf(...a, ...b);
    const names = () => fleet.inUse(KEY)?.map(formatRevision).sort();
    const name = (n: number) => formatRevision(ref(n));
    fleet.apply([routes('a', { ...applied, pending: [share(2, 100)] }), load('b', { 3: 1, 4: 0 })]);
    expect(names()).to.deep.equal([name(1), name(2), name(3)]);
    expect([...fleet.apply([load('b', { 3: 2 })])], 'still some').to.deep.equal([]);
    expect([...fleet.apply([load('b')])], 'the last has ended').to.deep.equal([KEY]);
    expect(names()).to.deep.equal([name(1), name(2)]);
    fleet.apply([routes('b', { unknown: true })]);
    expect(names(), 'one has routes that nobody remembers').to.equal(undefined);
    fleet.apply([routes('b', applied), { kind: 'load', router: 'pod-b' }]);
    expect(names(), 'one reports no more').to.equal(undefined);
  });

  it('gives the reason of a refusal until it is mended', () => {
    const fleet = fleetOf(...a, ...b);
    fleet.apply([routes('b', { ...applied, refused: 'no' })]);
    expect(fleet.refused(KEY)).to.equal('no');
    fleet.apply([{ kind: 'unusable', key: KEY, reason: 'nobody can' }]);
    expect(fleet.refused(KEY)).to.equal('nobody can');
    fleet.apply([routes('b', applied), { kind: 'unusable', key: KEY }]);
    expect(fleet.refused(KEY)).to.equal(undefined);
  });
});

describe('load report', () => {
  it('counts each cluster in its own period, and leaves out what nobody knows or asks', () => {
    const cluster = (cluster_name: string, seconds: number, requests: number[]) => ({
      cluster_name,
      load_report_interval: { seconds: Math.floor(seconds), nanos: (seconds % 1) * 1e9 },
      upstream_locality_stats: requests.map((total_issued_requests) => ({
        total_issued_requests,
        total_requests_in_progress: 2,
      })),
    });
    const message = {
      cluster_stats: [
        cluster('one', 1, [100]),
        cluster('two', 0.5, [30, 20]),
        cluster('gone', 1, [1]),
        cluster('one', 0, [1]),
        cluster('two', 1, []),
      ],
    };
    const known = new Map([
      ['one', ref(1)],
      ['two', ref(2)],
    ]);
    const revision = (name: string) => known.get(name);
    dropQuiet(message);
    expect(loadReport({ router: 'r', message, revision })).to.deep.equal({
      router: 'r',
      clusters: [
        { ref: ref(1), seconds: 1, requests: 100, inFlight: 2 },
        { ref: ref(2), seconds: 0.5, requests: 50, inFlight: 4 },
        { ref: ref(1), seconds: 0.1, requests: 1, inFlight: 2 },
      ],
    });
  });
});
