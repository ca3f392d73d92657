/** Shares of a pod's limit among the routers: how many connections each may have, and when they are too many. */
import { expect } from 'chai';
import fc from 'fast-check';
import { DEFAULT_CONFIG } from '../src/api/config.ts';
import type { KubeObject } from '../src/api/kube.ts';
import { LABELS } from '../src/api/names.ts';
import type { RouteChange } from '../src/api/route-table.ts';
import { RoutePublisher } from '../src/controller/route-publisher.ts';
import { MemoryCluster } from '../src/local/memory-cluster.ts';
import { connectionLimit, limitNotKept } from '../src/plan/request-limit.ts';

const HTTP = [{ containerPort: 8080, name: 'http1' }];
const BOTH = [...HTTP, { containerPort: 9000, name: 'h2c' }];

function deployment(limit?: number, ports = HTTP) {
  const annotations = limit && { 'serving.wherry.dev/request-limit': String(limit) };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'own-predictor-00001', ...(annotations && { annotations }) },
    spec: { template: { spec: { containers: [{ name: 'kserve-container', ports }] } } },
  };
}

/** A service with a revision that has all the traffic, and that revision's Deployment. */
function service(name: string, limit?: number): KubeObject[] {
  const revisionName = `${name}-predictor-00001`;
  const traffic = [{ revisionName, latestRevision: true, percent: 100 }];
  const made = deployment(limit);
  const labels = { [LABELS.inferenceService]: name };
  const isvc = {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name, namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { predictor: {} },
    status: { components: { predictor: { traffic } } },
  };
  const metadata = { ...made.metadata, name: revisionName, namespace: 'default', labels };
  return [isvc, { ...made, metadata }];
}

describe('the limit of pods that the routers keep', () => {
  for (const [title, limit, ports, count, workers, connections] of [
    ['one router with one worker has all', 4, HTTP, 1, 1, 4],
    ['another worker may open one more', 4, HTTP, 1, 2, 3],
    ['routers have equal shares', 10, HTTP, 2, 2, 4],
    ['what is left over is nobody’s', 11, HTTP, 2, 2, 4],
    ['two ports are as two routers', 16, BOTH, 2, 2, 3],
    ['each needs one', 1, HTTP, 2, 2, 1],
    ['no router is as one', 4, HTTP, 0, 2, 3],
  ] as const) {
    it(title, () => {
      const routers = { count, workers };
      expect(connectionLimit(deployment(limit, [...ports]), routers)).to.equal(connections);
    });
  }

  it('is none where the server keeps it', () => {
    const routers = { count: 2, workers: 2 };
    expect(connectionLimit(deployment(), routers)).to.equal(undefined);
    expect(connectionLimit(undefined, routers)).to.equal(undefined);
    expect(limitNotKept(deployment(), routers)).to.equal(undefined);
  });

  it('is kept, or else said not to be', () => {
    const few = fc.integer({ min: 1, max: 8 });
    const limits = fc.integer({ min: 1, max: 200 });
    fc.assert(
      fc.property(limits, few, few, fc.boolean(), (limit, count, workers, isDual) => {
        const own = deployment(limit, isDual ? BOTH : HTTP);
        const connections = connectionLimit(own, { count, workers }) ?? 0;
        // All but one of the workers may each have opened one above the limit.
        const most = (connections + workers - 1) * count * (isDual ? 2 : 1);
        expect(limitNotKept(own, { count, workers }) !== undefined).to.equal(most > limit);
      }),
    );
  });

  it('follows the number of routers, and no other route changes with it', () => {
    const cluster = new MemoryCluster(() => undefined);
    const published: RouteChange[] = [];
    let count = 1;
    const routes = new RoutePublisher({
      lister: cluster,
      config: { ...DEFAULT_CONFIG, router: { ...DEFAULT_CONFIG.router, workers: 1 } },
      gatherMs: 0,
      routerCount: () => count,
      publish: (changes) => published.push(...changes),
      onHostsMoved: () => undefined,
    });
    const taken = () =>
      published
        .splice(0)
        .map(({ key, entry }) => [key, entry?.clusters.map((each) => each.connectionLimit)]);
    cluster.watch((change) => routes.onChange(change));
    for (const object of [...service('iris'), ...service('own', 6)]) cluster.put(object);
    expect(taken().at(-1)).to.deep.equal(['default/own', [6]]);
    count = 3;
    routes.onRouters();
    expect(taken()).to.deep.equal([['default/own', [2]]]);
    routes.onRouters();
    expect(taken()).to.deep.equal([]);
  });

  it('says how many requests there may be instead', () => {
    expect(limitNotKept(deployment(3, BOTH), { count: 2, workers: 2 })?.message).to.equal(
      'a pod may get 8 requests at once, more than containerConcurrency 3: one from each worker of each router (2 routers of 2, for each of two ports); have fewer of them, or set 8 or more',
    );
  });
});
