/** What a router is told, in which order, and what becomes of refusals; without a network. */
import { expect } from 'chai';
import fc from 'fast-check';
import { type RevisionRef, revisionName } from '../src/api/revision.ts';
import type { RouteChange } from '../src/api/route-table.ts';
import { Configuration } from '../src/router/configuration.ts';
import { EnvoyProtos } from '../src/router/protos.ts';
import { Subscription } from '../src/router/subscription.ts';
import { BAD, SimulatedRouter } from './simulated-router.ts';

const protos = new EnvoyProtos();

interface ServiceOptions {
  /** Percent by number of the revision. */
  readonly shares: Readonly<Record<number, number>>;
  /** Revisions without a share. */
  readonly idle?: readonly number[];
  readonly hosts?: readonly string[];
  readonly timeoutSeconds?: number;
  readonly port?: number;
}

function service(name: string, options: ServiceOptions): RouteChange {
  const { shares, idle = [], hosts = [`${name}.default`], timeoutSeconds = 1, port = 80 } = options;
  const ref = (revision: number): RevisionRef => ({
    namespace: 'default',
    service: name,
    component: 'predictor',
    revision,
  });
  const revisions = Object.keys(shares).map(Number);
  const key = `default/${name}`;
  return {
    key,
    entry: {
      route: {
        key,
        hosts,
        timeoutSeconds,
        targets: revisions.map((revision) => {
          const percent = shares[revision] ?? 0;
          return { ref: ref(revision), percent, weight: percent, grpc: false };
        }),
      },
      clusters: [...revisions, ...idle].map((revision) => ({
        ref: ref(revision),
        port: 'http',
        protocol: 'http1',
        endpoints: [{ address: '10.0.0.1', port, state: 'healthy' }],
      })),
    },
  };
}

/** One router and what it is to have. */
class Session {
  readonly configuration = new Configuration(protos);
  readonly router = new SimulatedRouter(protos);
  subscription = new Subscription(this.configuration);

  constructor(...services: RouteChange[]) {
    this.configuration.update(services);
    this.router.connect();
  }

  /** Updates, lets everything come to rest, and returns what the router was told. */
  settle(...changes: RouteChange[]): string[] {
    this.update(...changes);
    this.router.log.length = 0;
    for (let i = 0; i < 2000; i++) {
      const worked = [this.deliver(), this.push(), this.router.step()];
      if (!worked.includes(true)) return [...this.router.log];
    }
    throw new Error('the router is told things without end');
  }

  update(...changes: RouteChange[]): void {
    this.subscription.changed(this.configuration.update(changes).changed);
  }

  /** The control plane takes the router's next message in. */
  deliver(): boolean {
    const request = this.router.outbox.shift();
    if (request !== undefined) this.subscription.receive(request);
    return request !== undefined;
  }

  push(): boolean {
    const responses = this.subscription.next();
    this.router.inbox.push(...responses);
    return responses.length > 0;
  }

  reconnect(): void {
    this.subscription = new Subscription(this.configuration);
    this.router.connect();
  }

  /** Percent by the name of the revision. */
  applied(name: string) {
    const shares = this.subscription.routes(`default/${name}`)?.applied;
    return (
      shares && Object.fromEntries(shares.map(({ ref, percent }) => [revisionName(ref), percent]))
    );
  }

  refused(name: string) {
    return this.subscription.routes(`default/${name}`)?.refused;
  }
}

describe('Subscription', () => {
  const all = { shares: { 1: 100 } };

  it('tells clusters, endpoints, routes in this order, what makes the router ready last, and then nothing', () => {
    const session = new Session(service('a', all));
    expect(session.settle()).to.deep.equal([
      'clusters +1',
      'endpoints +1',
      'listeners +1',
      'routes +1',
      'virtualHosts +2',
      'listeners +1',
    ]);
    expect(session.applied('a')).to.deep.equal({ 'a-predictor-00001': 100 });
    expect(session.settle()).to.deep.equal([]);
    expect(session.settle(service('a', all))).to.deep.equal([]);
  });

  it('makes a router ready that has nothing to serve', () => {
    const log = ['clusters +0', 'listeners +1', 'routes +1', 'virtualHosts +1', 'listeners +1'];
    expect(new Session().settle()).to.deep.equal(log);
  });

  it('makes before it breaks: the old cluster goes after the virtual host has left it', () => {
    const session = new Session(service('a', all), service('b', all));
    session.settle();
    expect(session.settle(service('a', { shares: { 2: 100 } }))).to.deep.equal([
      'clusters +1',
      'endpoints +1',
      'virtualHosts +1',
      'clusters +0 -1',
    ]);
    expect(session.applied('a')).to.deep.equal({ 'a-predictor-00002': 100 });
  });

  it('takes a service away from its virtual host to its clusters', () => {
    const session = new Session(service('a', all), service('b', all));
    session.settle();
    const log = session.settle({ key: 'default/a' });
    expect(log).to.deep.equal(['virtualHosts +0 -1', 'clusters +0 -1']);
    expect(session.subscription.routes('default/a')).to.equal(undefined);
  });

  it('sends only the endpoints that changed, and new percents of the same weights not at all', () => {
    const session = new Session(service('a', all), service('b', all));
    session.settle();
    expect(session.settle(service('a', { ...all, port: 81 }))).to.deep.equal(['endpoints +1']);
    const change = service('a', { ...all, port: 81 });
    const { entry } = change;
    if (entry === undefined) throw new Error('no entry');
    const targets = entry.route.targets.map((target) => ({ ...target, percent: 99 }));
    const same = { ...change, entry: { ...entry, route: { ...entry.route, targets } } };
    expect(session.settle(same)).to.deep.equal([]);
    expect(session.applied('a')).to.deep.equal({ 'a-predictor-00001': 99 });
  });

  it('sends endpoints with a cluster that changed, which the router holds back for them', () => {
    const session = new Session(service('a', all));
    session.settle();
    const change = service('a', all);
    const [cluster] = change.entry?.clusters ?? [];
    if (change.entry === undefined || cluster === undefined) throw new Error('no entry');
    const h2c = { ...change.entry, clusters: [{ ...cluster, protocol: 'h2c' as const }] };
    const log = session.settle({ ...change, entry: h2c });
    expect(log).to.deep.equal(['clusters +1', 'endpoints +1']);
  });

  it('finds the one that is refused among many, holds it back alone, and takes it when it is mended', () => {
    const names = Array.from({ length: 40 }, (_, i) => `s${i}`);
    const session = new Session(...names.map((name) => service(name, all)));
    session.settle();
    const changes = names.map((name) => service(name, { ...all, timeoutSeconds: 2 }));
    changes[17] = service('s17', { ...all, timeoutSeconds: BAD });
    const log = session.settle(...changes);
    expect(log.length, 'halving').to.be.lessThan(16);
    expect(session.refused('s17')).to.match(/^virtualHosts wherry\/default\.s17: bad virtual host/);
    const timeouts = [...session.router.virtualHosts.values()].map((host) => host.timeoutSeconds);
    expect(timeouts.filter((timeout) => timeout === 2)).to.have.length(39);
    expect(session.settle(service('s1', all))).to.deep.equal(['virtualHosts +1']);
    expect(session.settle(service('s17', { ...all, timeoutSeconds: 3 }))).to.have.length(1);
    expect(session.refused('s17')).to.equal(undefined);
  });

  it('tells of a refused cluster, and of one that is taken back', () => {
    const session = new Session(service('a', all), service('b', all));
    session.settle();
    session.settle(service('a', { shares: { [BAD]: 100 } }), service('b', { shares: { 2: 100 } }));
    expect(session.refused('a')).to.match(/^clusters default\/a-predictor-00013: bad cluster/);
    expect(session.applied('a')).to.deep.equal({ 'a-predictor-00001': 100 });
    expect(session.applied('b')).to.deep.equal({ 'b-predictor-00002': 100 });
    const [refusal, ...others] = session.subscription.takeNews().refusals;
    expect([refusal?.key, others.length]).to.deep.equal(['default/a', 0]);
    session.settle(service('a', all));
    expect(session.refused('a')).to.equal(undefined);
  });

  it('frees a host before its next owner has it, also when two services swap theirs', () => {
    const h = (host: string) => ({ ...all, hosts: [host] });
    const session = new Session(service('a', h('x')), service('b', h('y')));
    session.settle();
    expect(session.settle(service('a', h('y')), service('b', h('x')))).to.deep.equal([
      'virtualHosts +2',
    ]);
    const log = session.settle(service('c', h('x')), { key: 'default/b' });
    expect(log.filter((line) => line.includes('refused'))).to.deep.equal([]);
    expect(session.applied('c')).to.deep.equal({ 'c-predictor-00001': 100 });
  });

  it('sends after a reconnect what the router lacks, and knows at once what it has', () => {
    const names = Array.from({ length: 300 }, (_, i) => `s${i}`);
    const session = new Session(...names.map((name) => service(name, all)));
    session.settle();
    session.configuration.update([service('s7', { ...all, port: 81 }), { key: 'default/s8' }]);
    session.reconnect();
    for (let i = 0; i < 5; i++) session.deliver();
    expect(session.applied('s9')).to.deep.equal({ 's9-predictor-00001': 100 });
    expect(session.settle()).to.have.members([
      'endpoints +1',
      'virtualHosts +0 -1',
      'clusters +0 -1',
    ]);
  });

  it('says of a virtual host from an earlier connection that its shares are unknown', () => {
    const session = new Session(service('a', { shares: { 1: 100 }, idle: [2] }));
    session.settle();
    session.configuration.update([service('a', { shares: { 2: 100 }, idle: [1] })]);
    session.reconnect();
    for (let i = 0; i < 5; i++) session.deliver();
    expect(session.subscription.routes('default/a')).to.deep.equal({ unknown: true });
    session.settle();
    expect(session.applied('a')).to.deep.equal({ 'a-predictor-00002': 100 });
  });

  it('keeps every route on warm clusters, and every service apart from those that are refused', function () {
    this.timeout(20_000);
    fc.assert(
      fc.property(fc.array(STEP, { minLength: 1, maxLength: 60 }), (steps) => {
        const session = new Session(service('s0', all));
        const latest = new Map<string, Variant>();
        for (const step of steps) {
          if (step.kind === 'deliver') session.deliver();
          else if (step.kind === 'push') session.push();
          else if (step.kind === 'step') session.router.step();
          else if (step.kind === 'reconnect') session.reconnect();
          else {
            const variants = new Map<string, Variant | 'gone'>([
              [`s${step.service}`, step.variant],
            ]);
            // As the planner sees to it, no two services claim one host.
            for (const [name, variant] of latest) {
              const gives = step.variant === 'shared host' && variant === 'shared host';
              if (gives && !variants.has(name)) variants.set(name, 'first');
            }
            for (const [name, variant] of variants) {
              if (variant === 'gone') latest.delete(name);
              else latest.set(name, variant);
            }
            session.update(...[...variants].map(([name, variant]) => change(name, variant)));
          }
        }
        session.settle();
        expect(session.router.faults).to.deep.equal([]);
        for (const [name, variant] of latest) {
          const isBad = BAD_VARIANTS.has(variant);
          expect(session.refused(name) !== undefined, `${name} refused`).to.equal(isBad);
          const host = session.router.virtualHosts.get(`wherry/default.${name}`);
          const { entry } = change(name, variant);
          if (!isBad) expect(host?.domains).to.deep.equal(entry?.route.hosts);
        }
        const bad = [...latest.values()].some((variant) => BAD_VARIANTS.has(variant));
        const clusters = [...session.configuration.keys()].flatMap((key) => [
          ...(session.configuration.entry(key)?.resources.clusters.keys() ?? []),
        ]);
        if (!bad) expect([...session.router.clusters.keys()]).to.have.members(clusters);
      }),
      { numRuns: 300 },
    );
  });
});

const BAD_VARIANTS = new Set<Variant>(['bad virtual host', 'bad cluster', 'bad endpoints']);

const VARIANTS = {
  first: { shares: { 1: 100 } },
  canary: { shares: { 1: 90, 2: 10 } },
  second: { shares: { 2: 100 }, idle: [1] },
  'second alone': { shares: { 2: 100 } },
  'shared host': { shares: { 1: 100 }, hosts: ['shared'] },
  'bad virtual host': { shares: { 2: 100 }, timeoutSeconds: BAD },
  'bad cluster': { shares: { [BAD]: 100 } },
  'bad endpoints': { shares: { 3: 100 }, port: BAD },
} satisfies Record<string, ServiceOptions>;

type Variant = keyof typeof VARIANTS;

function change(name: string, variant: Variant | 'gone'): RouteChange {
  return variant === 'gone' ? { key: `default/${name}` } : service(name, VARIANTS[variant]);
}

const ALL_VARIANTS = [...(Object.keys(VARIANTS) as Variant[]), 'gone'] as const;

const STEP = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'deliver' } as const) },
  { weight: 4, arbitrary: fc.constant({ kind: 'push' } as const) },
  { weight: 4, arbitrary: fc.constant({ kind: 'step' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reconnect' } as const) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      service: fc.nat(3),
      variant: fc.constantFrom(...ALL_VARIANTS),
    }),
  },
);
