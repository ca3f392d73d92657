/** The order in which a router is told things, without a router. */
import { expect } from 'chai';
import type { RouteTable } from '../src/api/route-table.ts';
import { EnvoyProtos } from '../src/router/protos.ts';
import { type ResourceType, snapshot } from '../src/router/snapshot.ts';
import { type DiscoveryResponse, Subscription } from '../src/router/subscription.ts';

const protos = new EnvoyProtos();

function table(...weights: Record<string, number>[]): RouteTable {
  const names = new Set(weights.flatMap((w) => Object.keys(w)));
  return {
    routes: weights.map((w, i) => ({
      key: `default/s${i}`,
      hosts: [`s${i}`],
      timeoutSeconds: 1,
      targets: Object.entries(w).map(([revision, percent]) => ({
        revision,
        percent,
        weight: percent,
        cluster: revision,
      })),
    })),
    clusters: [...names].map((name) => ({
      name,
      protocol: 'http1',
      endpoints: [{ address: '10.0.0.1', port: 80, state: 'healthy' }],
    })),
  };
}

/** A router that confirms everything, and asks for endpoints and routes as Envoy does. */
class FakeRouter {
  readonly subscription = new Subscription();
  readonly log: string[] = [];
  refuse: ResourceType | undefined;

  connect(): void {
    this.subscription.receive({ type: 'clusters', names: [], nonce: '' });
    this.subscription.receive({ type: 'listeners', names: [], nonce: '' });
  }

  /** Runs to quiescence against `current`. */
  settle(current: RouteTable): void {
    const snap = snapshot(current, protos);
    for (let i = 0; i < 20; i++) {
      const responses = this.subscription.next(snap);
      if (responses.length === 0) return;
      for (const response of responses) this.#answer(response, current);
    }
    throw new Error('the router is told things without end');
  }

  #answer({ type, nonce, resources }: DiscoveryResponse, current: RouteTable): void {
    const refused = this.refuse === type;
    this.log.push(`${type} ${resources.length}${refused ? ' refused' : ''}`);
    const names = {
      clusters: [],
      listeners: [],
      endpoints: current.clusters.map(({ name }) => name),
      routes: ['wherry'],
    };
    this.subscription.receive({
      type,
      nonce,
      names: names[type],
      error: refused ? 'no' : undefined,
    });
    if (refused) return;
    if (type === 'clusters')
      this.subscription.receive({ type: 'endpoints', names: names.endpoints, nonce: '' });
    if (type === 'listeners')
      this.subscription.receive({ type: 'routes', names: names.routes, nonce: '' });
  }
}

describe('Subscription', () => {
  it('tells clusters, endpoints, listeners, routes in this order, and then nothing', () => {
    const router = new FakeRouter();
    router.connect();
    router.settle(table({ a: 100 }));
    expect(router.log).to.deep.equal(['clusters 1', 'endpoints 1', 'listeners 2', 'routes 1']);
    router.log.length = 0;
    router.settle(table({ a: 100 }));
    expect(router.log).to.deep.equal([]);
  });

  it('tells an empty cluster set too, so that a first router becomes ready', () => {
    const router = new FakeRouter();
    router.connect();
    router.settle(table());
    expect(router.log).to.deep.equal(['clusters 0', 'listeners 2', 'routes 1']);
  });

  it('makes before it breaks: the old cluster goes after the routes have left it', () => {
    const router = new FakeRouter();
    router.connect();
    router.settle(table({ a: 100 }));
    router.log.length = 0;
    router.settle(table({ b: 100 }));
    expect(router.log).to.deep.equal(['clusters 2', 'endpoints 1', 'routes 1', 'clusters 1']);
    expect(
      router.subscription.ackedRoutes?.routes.get('default/s0')?.targets[0]?.revision,
    ).to.equal('b');
  });

  it('sends only the endpoints that changed', () => {
    const router = new FakeRouter();
    router.connect();
    const before = table({ a: 50, b: 50 });
    router.settle(before);
    router.log.length = 0;
    router.settle({
      ...before,
      clusters: before.clusters.map((c) => (c.name === 'b' ? { ...c, endpoints: [] } : c)),
    });
    expect(router.log).to.deep.equal(['endpoints 1']);
  });

  it('keeps what the router has when it refuses, and tries again only with something new', () => {
    const router = new FakeRouter();
    router.connect();
    router.settle(table({ a: 100 }));
    router.log.length = 0;
    router.refuse = 'routes';
    router.settle(table({ a: 60, b: 40 }));
    expect(router.log.at(-1)).to.equal('routes 1 refused');
    expect(router.subscription.ackedRoutes?.routes.get('default/s0')?.targets).to.have.length(1);
    router.log.length = 0;
    router.settle(table({ a: 60, b: 40 }));
    expect(router.log).to.deep.equal([]);
    router.refuse = undefined;
    router.settle(table({ a: 50, b: 50 }));
    expect(router.subscription.ackedRoutes?.routes.get('default/s0')?.targets[1]?.percent).to.equal(
      50,
    );
  });
});
