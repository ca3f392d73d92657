/** What the autoscaler makes of load reports: which services it decides about, when it does not, and what it forgets. */
import { expect } from 'chai';
import { LABELS } from '../src/api/names.ts';
import { type RevisionRef, revisionName } from '../src/api/revision.ts';
import { Autoscaler } from '../src/controller/autoscaler.ts';
import { MemoryCluster } from '../src/local/memory-cluster.ts';

const KEY = 'default/iris';
const REF: RevisionRef = {
  namespace: 'default',
  service: 'iris',
  component: 'predictor',
  revision: 1,
};
const NAME = revisionName(REF);
const START = Date.parse('2026-01-01T00:00:00Z');
const iso = (seconds: number) => new Date(START + seconds * 1000).toISOString();

interface World {
  /** Replicas that the Deployment asks for, which are ready unless `ready` says otherwise. */
  replicas: number;
  ready?: number;
  annotations?: Record<string, string>;
}

/** A service of one revision with all of the traffic, an autoscaler, and a clock. */
class Scene {
  readonly cluster = new MemoryCluster(() => {});
  readonly autoscaler: Autoscaler;
  #pods = 0;

  constructor(world: World, routers?: () => string[]) {
    this.autoscaler = new Autoscaler(this.cluster, routers);
    this.set(world, 0);
  }

  set({ replicas, ready = replicas, annotations = {} }: World, seconds: number): void {
    const metadata = {
      namespace: 'default',
      labels: { [LABELS.inferenceService]: 'iris', [LABELS.revision]: NAME },
    };
    this.cluster.put({
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata: { namespace: 'default', name: 'iris', uid: 'u', annotations },
      spec: { predictor: { containerConcurrency: 10, minReplicas: 0, maxReplicas: 9 } },
      status: {
        components: { predictor: { traffic: [{ revisionName: NAME, percent: 100 }] } },
      },
    } as never);
    this.cluster.put({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: {
        ...metadata,
        name: NAME,
        ownerReferences: [
          { kind: 'InferenceService', name: 'iris', uid: 'u', controller: true, apiVersion: 'x' },
        ],
      },
      spec: { replicas },
    } as never);
    for (let i = 0; i < Math.max(replicas, this.#pods); i++) {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          ...metadata,
          name: `${NAME}-${i}`,
          creationTimestamp: iso(seconds),
          ...(i >= replicas ? { deletionTimestamp: iso(seconds) } : {}),
        },
        status: { conditions: i < ready ? [{ type: 'Ready', status: 'True' }] : [] },
      };
      this.cluster.put(pod as never);
    }
    this.#pods = Math.max(replicas, this.#pods);
    this.autoscaler.look(KEY, START + seconds * 1000);
  }

  /** A router tells every second of this load, and every other second is a decision. */
  run(from: number, to: number, inFlight: number, router = 'a'): string[] {
    const told: string[] = [];
    for (let t = from; t < to; t++) {
      const changed = [...this.report(t, inFlight, router), ...(t % 2 === 0 ? this.tick(t) : [])];
      told.push(...changed.map(() => `${t}: ${this.desired}`));
    }
    return told;
  }

  report(seconds: number, inFlight: number, router = 'a'): string[] {
    const clusters = inFlight === 0 ? [] : [{ ref: REF, seconds: 1, inFlight, requests: inFlight }];
    return this.autoscaler.record({ router, clusters }, START + seconds * 1000);
  }

  tick(seconds: number): string[] {
    return this.autoscaler.tick(START + seconds * 1000);
  }

  signals(seconds: number) {
    return this.autoscaler.loadSignals(REF, START + seconds * 1000);
  }

  get desired(): number | undefined {
    return this.autoscaler.desired(KEY)[0]?.replicas;
  }
}

describe('Autoscaler', () => {
  it('has no opinion before a report', () => {
    const scene = new Scene({ replicas: 1 });
    expect([scene.tick(0), scene.tick(2), scene.desired]).to.deep.equal([[], [], undefined]);
  });

  it('tells of a service when its desired scale changes, zero too, and not again', () => {
    const scene = new Scene({ replicas: 1 });
    expect(scene.run(0, 10, 5)).to.deep.equal(['0: 1']);
    // 60 s after the last request nothing is left of it.
    expect(scene.run(10, 200, 0)).to.deep.equal(['70: 0']);
  });

  it('decides at the first report of a tenfold step, and about each one that wants more', () => {
    const scene = new Scene({ replicas: 1 });
    scene.run(0, 11, 5);
    const told = [50, 50, 50].map((load, i) => [scene.report(11 + i, load), scene.desired]);
    expect(told).to.deep.equal([
      [[KEY], 2],
      [[KEY], 3],
      [[KEY], 4],
    ]);
  });

  it('leaves to the next tick what is no burst, or is decided already', () => {
    const scene = new Scene({ replicas: 1 });
    scene.run(0, 11, 5);
    expect(scene.report(11, 9)).to.deep.equal([]);
    expect([scene.report(12, 60), scene.desired]).to.deep.equal([[KEY], 3]);
    expect([scene.report(13, 0), scene.desired]).to.deep.equal([[], 3]);
  });

  it('keeps the last pod for the retention period', () => {
    const annotations = { 'autoscaling.knative.dev/scale-to-zero-pod-retention-period': '30s' };
    const scene = new Scene({ replicas: 1, annotations });
    scene.run(0, 10, 5);
    expect(scene.run(10, 200, 0)).to.deep.equal(['100: 0']);
  });

  it('lets a revision that nobody asked go after the window, too', () => {
    const scene = new Scene({ replicas: 1 });
    expect(scene.run(0, 100, 0)).to.deep.equal(['0: 1', '60: 0']);
  });

  it('does not end pods that start, as nobody can reach them yet', () => {
    const scene = new Scene({ replicas: 1, ready: 0 });
    expect(scene.run(0, 600, 0)).to.deep.equal(['0: 1']);
    expect(scene.run(600, 700, 0)).to.deep.equal(['630: 0']);
  });

  it('says why', () => {
    const scene = new Scene({ replicas: 1 });
    scene.run(0, 30, 40);
    expect(scene.autoscaler.desired(KEY)).to.deep.equal([
      { ref: REF, replicas: 6, reason: { rule: 'load', load: 40, perPod: 7 } },
    ]);
  });

  it('counts the changes of what it desires by their rules, and not what it begins with', () => {
    const scene = new Scene({ replicas: 1 });
    scene.run(0, 10, 5);
    scene.run(10, 20, 100);
    scene.run(20, 200, 0);
    expect(Object.fromEntries(scene.autoscaler.decisions)).to.deep.equal({ burst: 6, load: 1 });
  });

  it('forgets a service that is gone', async () => {
    const scene = new Scene({ replicas: 1 });
    scene.run(0, 10, 5);
    const reason = { rule: 'load', load: 5, perPod: 7 };
    expect([...scene.autoscaler.scales()]).to.deep.equal([
      { ref: REF, ready: 1, metric: 'concurrency', desired: 1, reason },
    ]);
    const isvc = scene.cluster.get('InferenceService', KEY);
    if (isvc !== undefined) await scene.cluster.delete(isvc);
    scene.autoscaler.look(KEY, START + 10_000);
    expect([scene.run(10, 100, 5), scene.desired]).to.deep.equal([[], undefined]);
    expect([...scene.autoscaler.scales()]).to.deep.equal([]);
  });

  it('leaves a revision at zero, and one that was just woken, to who wakes it', () => {
    const scene = new Scene({ replicas: 1 });
    scene.run(0, 10, 5);
    scene.run(10, 80, 0);
    scene.set({ replicas: 0 }, 80);
    expect([scene.run(80, 200, 0), scene.desired]).to.deep.equal([[], undefined]);
    scene.set({ replicas: 3, ready: 0 }, 200);
    expect(scene.desired).to.equal(undefined);
    // What waits is not in the reports: its pods are not taken away while they start.
    scene.run(200, 300, 0);
    expect(scene.desired).to.be.greaterThan(0);
  });
});

describe('signals of the Autoscaler', () => {
  const quiet = { concurrency: 0, rps: 0 };

  it('are the load of the shorter window, with whether it is long since a request', () => {
    const scene = new Scene({ replicas: 1 });
    scene.run(0, 30, 5);
    const busy = { hasRequests: true, hasPods: true, isUnused: false };
    expect(scene.signals(29)).to.deep.equal({ load: { concurrency: 5, rps: 5 }, ...busy });
    scene.run(30, 33, 0);
    expect(scene.signals(32)?.load).to.deep.equal({ concurrency: 2.5, rps: 2.5 });
    scene.run(33, 80, 0);
    const unused = { hasRequests: false, hasPods: true, isUnused: false };
    expect(scene.signals(79)).to.deep.equal({ load: quiet, ...unused });
    scene.run(80, 92, 0);
    expect(scene.signals(91)).to.deep.equal({ load: quiet, ...unused, isUnused: true });
  });

  it('count the requests that wait for a revision without pods', () => {
    const scene = new Scene({ replicas: 0 });
    scene.run(0, 10, 0);
    expect(scene.signals(9)).to.include({ hasRequests: false, hasPods: false });
    scene.report(10, 3, '');
    scene.report(10, 0);
    expect(scene.signals(10)).to.include({ hasRequests: true, hasPods: false });
    scene.run(11, 14, 0);
    expect(scene.signals(13)).to.include({ hasRequests: false });
  });

  it('have no load before a report, and while a router is silent', () => {
    let routers = ['a'];
    const scene = new Scene({ replicas: 1 }, () => routers);
    expect(scene.signals(0)?.load).to.equal(undefined);
    scene.run(0, 10, 5);
    expect(scene.signals(9)?.load?.concurrency).to.equal(5);
    routers = ['a', 'b'];
    expect(scene.signals(9)).to.deep.include({ load: undefined, hasRequests: true });
    routers = [];
    expect(scene.signals(10)?.load?.concurrency).to.equal(5);
    expect(scene.signals(16)).to.deep.include({ load: undefined, hasRequests: false });
  });

  it('are none of a revision that is not there', () => {
    const scene = new Scene({ replicas: 1 });
    expect(scene.autoscaler.loadSignals({ ...REF, revision: 2 }, START)).to.equal(undefined);
  });
});

describe('Autoscaler without all reports', () => {
  it('does not shrink while a router that has to report is silent, and grows', () => {
    let routers = ['a', 'b'];
    const scene = new Scene({ replicas: 6 }, () => routers);
    for (let t = 0; t < 120; t++) {
      scene.report(t, 20, 'a');
      scene.report(t, 20, 'b');
      if (t % 2 === 0) scene.tick(t);
    }
    expect(scene.desired).to.equal(6);
    // b is not heard of: half of the load seems to be gone.
    expect(scene.run(120, 400, 20)).to.deep.equal([]);
    expect(scene.run(400, 480, 80)).to.deep.equal(['405: 12']);
    // b is known to be gone: what a tells is all there is.
    routers = ['a'];
    scene.run(480, 700, 20);
    expect(scene.desired).to.equal(3);
  });

  it('changes nothing while no router reports', () => {
    const scene = new Scene({ replicas: 6 }, () => ['a']);
    scene.run(0, 120, 40);
    for (let t = 120; t < 1000; t += 2) expect(scene.tick(t)).to.deep.equal([]);
    expect(scene.desired).to.equal(6);
  });

  it('counts no time without reports as time without load', () => {
    const scene = new Scene({ replicas: 6 }, () => ['a']);
    scene.run(0, 120, 40);
    expect(scene.run(150, 300, 40)).to.deep.equal([]);
    expect(scene.desired).to.equal(6);
  });

  it('survives a clock that jumps', () => {
    const scene = new Scene({ replicas: 6 }, () => ['a']);
    scene.run(0, 120, 40);
    expect(scene.run(90_000, 90_030, 40)).to.deep.equal([]);
    expect(scene.run(60, 90, 40)).to.deep.equal([]);
    expect(scene.desired).to.equal(6);
    scene.run(90, 300, 10);
    expect(scene.desired).to.equal(3);
  });
});
