/** Cold starts: their parts, the pods that an operator asks itself, and what follows from the answers. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { eventually } from '../../e2e/harness/load.ts';
import type { Observed, Pod } from '../src/api/kube.ts';
import { LABELS } from '../src/api/names.ts';
import { type RevisionRef, revisionName } from '../src/api/revision.ts';
import { ColdStarts } from '../src/controller/cold-starts.ts';
import { MemoryCluster } from '../src/local/memory-cluster.ts';
import { type ColdStartMarks, coldStartPhases, parseStartTimes } from '../src/plan/cold-start.ts';
import { podProbe } from '../src/plan/pod-probe.ts';
import { serviceRoutes } from '../src/plan/routes.ts';
import { PodRoom } from '../src/router/pod-room.ts';
import { Releases } from '../src/router/releases.ts';
import { recordedLog } from './apiserver/recorded-log.ts';

const REF: RevisionRef = {
  namespace: 'default',
  service: 'iris',
  component: 'predictor',
  revision: 1,
};
const KEY = 'default/iris';
const NAME = revisionName(REF);

type PodSpec = NonNullable<Pod['spec']>;
type Container = PodSpec['containers'][number];

interface PodOptions {
  readonly spec?: Partial<PodSpec>;
  readonly container?: Partial<Container>;
  readonly port?: number;
  readonly isReady?: boolean;
  readonly address?: string;
}

function pod(options: PodOptions = {}): Observed<Pod> {
  const { spec, container, port = 8080, isReady = false, address = '127.0.0.1' } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${NAME}-x`,
      namespace: 'default',
      uid: 'u',
      labels: { [LABELS.inferenceService]: 'iris', [LABELS.revision]: NAME },
    },
    spec: {
      nodeName: 'node',
      containers: [
        {
          name: 'kserve-container',
          ports: [{ containerPort: port, name: 'http1' }],
          readinessProbe: { httpGet: { path: '/v2/health/ready', port } },
          ...container,
        },
      ],
      ...spec,
    },
    status: {
      podIP: address,
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    },
  } as Observed<Pod>;
}

describe('parts of a cold start', () => {
  const marks: ColdStartMarks = {
    heldAt: 1000,
    wokenAt: 1030,
    scheduledAt: 1050,
    runningAt: 2000,
    readyAt: 2500,
    told: { process: 300, download: 100, load: 50, uptime: 700 },
    acknowledgedAt: 2510,
    releasedAt: 2515,
  };
  const milliseconds = (some: Partial<ColdStartMarks>) =>
    Object.fromEntries(
      [...coldStartPhases({ ...marks, ...some })].map(([phase, seconds]) => [
        phase,
        Math.round(seconds * 1000),
      ]),
    );

  it('begin where the one before ends, by what the server tells of its start', () => {
    expect(milliseconds({})).to.deep.equal({
      ...{ decision: 30, scheduling: 20, sandbox: 750, process: 300, download: 100, load: 50 },
      ...{ probe: 250, push: 10, release: 5 },
    });
  });

  it('leave out what a server does not tell', () => {
    expect(milliseconds({ told: undefined })).to.deep.equal({
      ...{ decision: 30, scheduling: 20, sandbox: 950, process: 500, push: 10, release: 5 },
    });
  });

  it('are those of the model alone where a pod of a warm pool stands in', () => {
    expect(milliseconds({ standsIn: true, told: undefined, readyAt: 1150 })).to.deep.equal({
      ...{ decision: 30, load: 120, push: 1360, release: 5 },
    });
  });

  it('count only what the request has waited for, and never less than nothing', () => {
    const late = milliseconds({ heldAt: 2200 });
    expect(late).to.include({ decision: 0, scheduling: 0, sandbox: 0, process: 0, download: 0 });
    const sum = (parts: Record<string, number>) => Object.values(parts).reduce((a, b) => a + b, 0);
    expect(sum(late)).to.equal(315);
    expect(sum(milliseconds({ wokenAt: 9000 }))).to.equal(1515);
    expect(sum(milliseconds({ scheduledAt: 10, readyAt: undefined }))).to.equal(1515);
  });

  it('come from the header of a server that is ready', () => {
    const header = 'process;dur=300.5, download;dur=0.0, load;dur=12, uptime;dur=900';
    const times = { process: 300.5, download: 0, load: 12, uptime: 900 };
    expect(parseStartTimes(header)).to.deep.equal(times);
    for (const other of [undefined, '', 'db;dur=53', 'process;dur=1, load;dur=1, uptime;dur=3']) {
      expect(parseStartTimes(other), other).to.equal(undefined);
    }
  });
});

describe('probe of a pod by an operator', () => {
  const get = (more: object) => ({ readinessProbe: { httpGet: { port: 8080, ...more } } });

  it('asks what the kubelet asks', () => {
    const place = { address: '127.0.0.1', port: 8080, path: '/v2/health/ready' };
    expect(podProbe(pod())).to.deep.equal(place);
    const named = { container: get({ path: '/ok', port: 'http1' }) };
    expect(podProbe(pod(named))).to.deep.equal({ ...place, path: '/ok' });
  });

  const left: Record<string, PodOptions> = {
    'has no address yet': { address: '' },
    'has no probe': { container: { readinessProbe: undefined } },
    'runs a command': { container: { readinessProbe: { exec: { command: ['true'] } } } },
    'speaks TLS': { container: get({ scheme: 'HTTPS' }) },
    'names another host': { container: get({ host: '10.0.0.1' }) },
    'wants headers': { container: get({ httpHeaders: [{ name: 'a', value: 'b' }] }) },
    'names a port that is not its own': { container: get({ port: 15020 }) },
    'starts by another probe': { container: { startupProbe: { tcpSocket: { port: 8080 } } } },
    'is to be waited for': {
      container: {
        readinessProbe: { httpGet: { port: 8080 }, initialDelaySeconds: 5 },
      },
    },
    'has to succeed twice': {
      container: { readinessProbe: { httpGet: { port: 8080 }, successThreshold: 2 } },
    },
    'has the address of its node': { spec: { hostNetwork: true } },
    'waits for others': { spec: { readinessGates: [{ conditionType: 'balanced' }] } },
    'has more containers': { spec: { containers: [{ name: 'kserve-container' }, { name: 'b' }] } },
  };
  for (const [what, options] of Object.entries(left)) {
    it(`leaves a pod to its kubelet that ${what}`, () => {
      expect(podProbe(pod(options))).to.equal(undefined);
    });
  }
});

describe('a pod that has answered', () => {
  const isvc = {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'iris', namespace: 'default' },
    spec: { predictor: {} },
    status: {
      components: {
        predictor: { traffic: [{ revisionName: NAME, percent: 100 }], heldRevisions: [NAME] },
      },
    },
  };
  const routes = (isReady: boolean, answered: boolean) => {
    const input = { isvc: isvc as never, pods: [pod({ isReady })], deployments: [], hosts: ['h'] };
    return serviceRoutes({ ...input, hasAnswered: () => answered });
  };

  it('is an endpoint before its kubelet has spoken', () => {
    const endpoint = { address: '127.0.0.1', port: 8080, state: 'healthy' };
    const endpoints = (isReady: boolean, answered: boolean) =>
      routes(isReady, answered)?.clusters[0]?.endpoints;
    expect(endpoints(false, false)).to.deep.equal([]);
    expect(endpoints(false, true)).to.deep.equal([{ ...endpoint, answered: true }]);
    expect(endpoints(true, false)).to.deep.equal([endpoint]);
  });

  it('is not taken to be known to routers of other operators', () => {
    const room = new PodRoom();
    room.update({ key: KEY, entry: routes(false, true) }, 0);
    expect(room.free(KEY, REF)).to.equal(Number.POSITIVE_INFINITY);
    expect(room.readyFor(KEY, REF, 9000)).to.equal(0);
    room.update({ key: KEY, entry: routes(true, false) }, 10_000);
    expect(room.readyFor(KEY, REF, 12_000)).to.equal(2000);
  });
});

describe('Releases', () => {
  it('tells of the first request that is let go after some had to wait', () => {
    const releases = new Releases();
    expect(releases.release(REF, 1, 2), 'nobody waited').to.equal(undefined);
    releases.wait([{ ref: REF, count: 2 }]);
    releases.acknowledge(REF, 50);
    releases.acknowledge(REF, 60);
    const release = { ref: REF, heldAt: 10, acknowledgedAt: 50, releasedAt: 70 };
    expect(releases.release(REF, 10, 70)).to.deep.equal(release);
    expect(releases.release(REF, 11, 71)).to.equal(undefined);
    releases.wait([{ ref: REF, count: 1 }]);
    releases.wait([]);
    expect(releases.release(REF, 12, 72), 'all have left').to.equal(undefined);
  });
});

describe('ColdStarts', () => {
  let server: Server;
  let status: number;
  let cluster: MemoryCluster;
  let starts: ColdStarts;
  let woken: number[];
  let answered: number;
  let observed: ReadonlyMap<string, number>[];
  /** Milliseconds of a clock that goes on by 100 whenever it is looked at: more than what the pod tells took. */
  let clock: number;
  const now = () => {
    clock += 100;
    return clock;
  };
  const { log } = recordedLog();

  const put = (options: PodOptions) => {
    const { port } = server.address() as AddressInfo;
    const put = pod({ ...options, port });
    cluster.put(put);
    starts.onPod(put, false);
    return put;
  };
  const release = () => {
    starts.onRelease({ ref: REF, heldAt: 0, acknowledgedAt: now(), releasedAt: now() });
  };

  beforeEach(async () => {
    [status, woken, answered, observed, clock] = [503, [], 0, [], 0];
    server = createServer((_, res) => {
      res.writeHead(status, {
        'server-timing': 'process;dur=1, download;dur=2, load;dur=3, uptime;dur=10',
      });
      res.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cluster = new MemoryCluster(() => undefined);
    starts = new ColdStarts({
      lister: cluster,
      wake: async (_, waiting) => void woken.push(waiting),
      onAnswered: () => answered++,
      observe: (phases) => observed.push(phases),
      log,
      now,
    });
  });

  afterEach(() => {
    starts.onPod(pod(), true);
    starts.onWaiting([]);
    server.close();
  });

  it('has pods started, asks them, and tells what each part took', async () => {
    starts.onWaiting([{ ref: REF, count: 3 }]);
    expect(woken).to.deep.equal([3]);
    const starting = put({});
    expect(starts.hasAnswered(starting)).to.equal(false);
    status = 200;
    await eventually('the pod has answered', () => starts.hasAnswered(starting));
    expect(answered).to.equal(1);
    release();
    release();
    expect(observed).to.have.length(1);
    expect([...(observed[0]?.keys() ?? [])]).to.include.members(['process', 'download', 'load']);
    expect(observed[0]?.get('load')).to.be.closeTo(0.003, 1e-6);
  });

  it('leaves the word to the kubelet as soon as it speaks', async () => {
    status = 200;
    starts.onWaiting([{ ref: REF, count: 1 }]);
    const starting = put({});
    await eventually('the pod has answered', () => starts.hasAnswered(starting));
    starts.onWaiting([]);
    expect(starts.hasAnswered(starting), 'nobody waits any more').to.equal(true);
    expect(starts.hasAnswered(put({ isReady: true }))).to.equal(false);
  });

  it('takes a pod back that answers otherwise later', async () => {
    status = 200;
    starts.onWaiting([{ ref: REF, count: 1 }]);
    const starting = put({});
    await eventually('the pod has answered', () => starts.hasAnswered(starting));
    status = 503;
    await eventually('it is not ready', () => !starts.hasAnswered(starting));
    expect(answered).to.equal(2);
  });

  it('asks no pod for which nobody waits, and tells of no start where pods are ready', async () => {
    let asked = 0;
    server.on('request', () => asked++);
    put({});
    starts.onWaiting([{ ref: REF, count: 1 }]);
    await eventually('it is asked', () => asked > 2);
    starts.onWaiting([]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = asked;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(asked).to.equal(before);
    put({ isReady: true });
    starts.onWaiting([{ ref: REF, count: 1 }]);
    release();
    expect(observed).to.deep.equal([]);
  });
});
