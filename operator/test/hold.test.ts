/** Requests that wait for a pod: the queue, and the laptop's proxy that holds them. */
import { once } from 'node:events';
import { type ClientRequest, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import { eventually } from '../../e2e/harness/load.ts';
import type { RevisionRef } from '../src/api/revision.ts';
import type { Endpoint, RouteChange } from '../src/api/route-table.ts';
import type { WaitingCount } from '../src/api/router-fact.ts';
import { LocalProxy } from '../src/local/proxy.ts';
import { HOLD_LIMITS, Hold, type HoldLimits } from '../src/router/hold.ts';
import { WaitingRoom } from '../src/router/waiting-room.ts';

function revision(number: number): RevisionRef {
  return { namespace: 'default', service: 'iris', component: 'predictor', revision: number };
}

const R1 = revision(1);
const R2 = revision(2);

describe('Hold', () => {
  const hold = (limits: Partial<HoldLimits> = {}) =>
    new Hold<string>({ requests: 3, seconds: 10, ...limits });

  it('lets those go first that came first, as many as there are slots', () => {
    const held = hold();
    for (const name of ['a', 'b', 'c']) expect(held.add({ ref: R1 }, name, 0)).to.equal(true);
    expect(held.add({ ref: R2 }, 'other', 0)).to.equal(true);
    expect([0, -1].map((slots) => held.release({ ref: R1 }, slots))).to.deep.equal([[], []]);
    expect(held.release({ ref: R1 }, 2)).to.deep.equal(['a', 'b']);
    expect(held.release({ ref: R1 }, Number.POSITIVE_INFINITY)).to.deep.equal(['c']);
    expect(held.counts()).to.deep.equal([{ ref: R2, count: 1 }]);
  });

  it('takes no more than may wait for one revision, until some have gone or left', () => {
    const held = hold({ requests: 2 });
    expect(['a', 'b', 'c'].map((name) => held.add({ ref: R1 }, name, 0))).to.deep.equal([
      true,
      true,
      false,
    ]);
    expect(held.add({ ref: R2 }, 'other', 0)).to.equal(true);
    held.remove({ ref: R1 }, 'a');
    held.remove({ ref: R1 }, 'never came');
    expect(held.add({ ref: R1 }, 'c', 0)).to.equal(true);
    expect(held.release({ ref: R1 }, 5)).to.deep.equal(['b', 'c']);
  });

  it('has a line for each router, and counts them together', () => {
    const held = hold({ requests: 1 });
    const [a, b] = [
      { ref: R1, router: 'a' },
      { ref: R1, router: 'b' },
    ];
    expect([held.add(a, '1', 0), held.add(b, '2', 0), held.add(a, '3', 0)]).to.deep.equal([
      true,
      true,
      false,
    ]);
    expect(held.counts()).to.deep.equal([{ ref: R1, count: 2 }]);
    expect(held.release(b, 9)).to.deep.equal(['2']);
    expect(held.lines()).to.deep.equal([a]);
  });

  it('gives those up that have waited as long as they may', () => {
    const held = hold();
    held.add({ ref: R1 }, 'a', 0);
    held.add({ ref: R2 }, 'b', 500);
    held.add({ ref: R1 }, 'c', 1000);
    expect(held.expire(9999)).to.deep.equal([]);
    expect(held.expire(10_500)).to.deep.equal(['a', 'b']);
    expect(held.counts()).to.deep.equal([{ ref: R1, count: 1 }]);
  });

  it('loses no request and lets none go twice, whatever happens', () => {
    const step = fc.oneof(
      fc.record({ add: fc.nat(30), to: fc.constantFrom(R1, R2) }),
      fc.record({ release: fc.nat(3), to: fc.constantFrom(R1, R2) }),
      fc.record({ expire: fc.nat(20_000) }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const held = hold();
        const gone: string[] = [];
        let added = 0;
        for (const [i, s] of steps.entries()) {
          if ('add' in s) added += Number(held.add({ ref: s.to }, `${i}`, s.add));
          else if ('release' in s) gone.push(...held.release({ ref: s.to }, s.release));
          else gone.push(...held.expire(s.expire));
        }
        const waiting = held.counts().reduce((sum, { count }) => sum + count, 0);
        expect(new Set(gone).size).to.equal(gone.length);
        expect(gone.length + waiting).to.equal(added);
      }),
    );
  });
});

describe('WaitingRoom', () => {
  it('tells nothing of requests whose clients have left at once', async () => {
    const told: (readonly WaitingCount[])[] = [];
    const room = new WaitingRoom({
      limits: HOLD_LIMITS,
      freeSlots: () => 0,
      onWaiting: (counts) => told.push(counts),
    });
    const never = () => expect.fail('it has left');
    const leave = Array.from({ length: 20 }, () =>
      room.admit({ ref: R1 }, { go: never, refuse: never }),
    );
    for (const one of leave) one();
    await eventually('it was told', () => told.length > 0);
    expect(told).to.deep.equal([[]]);
    room.close();
  });

  it('refuses what waits at a router that is about to end, and at no other', async () => {
    const refused: string[] = [];
    const room = new WaitingRoom({
      limits: HOLD_LIMITS,
      freeSlots: () => 0,
      onWaiting: () => undefined,
    });
    for (const router of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
      const refuse = (reason: string) => refused.push(`${router} ${reason}`);
      room.admit({ ref: R1, router }, { go: () => expect.fail('there is no pod'), refuse });
    }
    const [soon, later] = [2000, 60_000].map((ms) => Date.now() + ms) as [number, number];
    room.routersEnd(
      new Map([
        ['10.0.0.1', soon],
        ['10.0.0.2', later],
      ]),
    );
    await eventually('one is refused', () => refused.length > 0, 5);
    expect(refused).to.deep.equal(['10.0.0.1 ending']);
    expect(room.waiting(R1)).to.equal(2);
    room.close();
  });

  it('lets those that wait go as they fit, before any that comes later', () => {
    let free = 0;
    const gone: number[] = [];
    const room = new WaitingRoom({
      limits: HOLD_LIMITS,
      freeSlots: () => free,
      onWaiting: () => undefined,
    });
    const come = (name: number) => {
      room.admit(
        { ref: R1 },
        {
          go: () => {
            free--;
            gone.push(name);
          },
          refuse: () => expect.fail('there is room to wait'),
        },
      );
    };
    for (const name of [1, 2, 3]) come(name);
    free = 1;
    come(4);
    expect([gone, room.waiting(R1)]).to.deep.equal([[1], 3]);
    free = 2;
    room.look();
    expect([gone, room.waiting(R1)]).to.deep.equal([[1, 2, 3], 1]);
    room.close();
  });
});

describe('proxy of the laptop with held requests', () => {
  let proxy: LocalProxy;
  let pod: Server;
  let endpoint: Endpoint;
  let told: (readonly { count: number }[])[];
  let underWay = 0;
  let most = 0;

  async function start(holdLimits: HoldLimits): Promise<void> {
    told = [];
    const onWaiting = (counts: readonly { count: number }[]) => told.push(counts);
    proxy = new LocalProxy({ random: () => 0, now: 0, onWaiting, holdLimits });
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.update([routes([])]);
  }

  function routes(endpoints: Endpoint[], concurrency?: number): RouteChange {
    const target = { ref: R1, percent: 100, weight: 100, grpc: false, held: true } as const;
    const key = 'default/iris';
    const route = { key, hosts: ['iris'], timeoutSeconds: 5, targets: [target] };
    return {
      key,
      entry: {
        route: { ...route, ...(concurrency && { concurrency }) },
        clusters: [{ ref: R1, port: 'http', protocol: 'http1', endpoints }],
      },
    };
  }

  function ask(): ClientRequest {
    const { port } = proxy.server.address() as AddressInfo;
    const headers = { host: 'iris' };
    const asked = request({ host: '127.0.0.1', port, method: 'POST', headers });
    asked.on('error', () => undefined);
    return asked.end('x'.repeat(1000));
  }

  async function answer(asked: ClientRequest) {
    const [res] = await once(asked, 'response');
    let body = '';
    for await (const chunk of res) body += chunk;
    return [res.statusCode, res.headers['retry-after'], body];
  }

  const waiting = () => {
    const { clusters } = proxy.report(1000);
    return clusters.reduce((sum, { inFlight }) => sum + inFlight, 0);
  };

  beforeEach(async () => {
    [underWay, most] = [0, 0];
    pod = createServer(async (req, res) => {
      most = Math.max(most, ++underWay);
      await req.resume().toArray();
      await new Promise((resolve) => setTimeout(resolve, 30));
      underWay--;
      res.end('answer');
    });
    pod.listen(0, '127.0.0.1');
    await once(pod, 'listening');
    const { port } = pod.address() as AddressInfo;
    endpoint = { address: '127.0.0.1', port, state: 'healthy' };
  });

  afterEach(async () => {
    await proxy.close();
    pod.close();
  });

  it('gives no pod more at once than it may have, and answers all', async () => {
    await start({ requests: 100, seconds: 60 });
    const answers = Array.from({ length: 12 }, () => answer(ask()));
    await eventually('all wait', () => told.at(-1)?.[0]?.count === 12);
    expect(waiting()).to.equal(12);
    proxy.update([routes([endpoint], 3)]);
    expect(new Set((await Promise.all(answers)).map(String))).to.deep.equal(
      new Set(['200,,answer']),
    );
    expect(most).to.equal(3);
    await eventually('nothing waits', () => told.at(-1)?.length === 0);
    expect(waiting()).to.equal(0);
  });

  it('forgets clients that are gone', async () => {
    await start({ requests: 100, seconds: 60 });
    const asked = Array.from({ length: 20 }, ask);
    await eventually('all wait', () => told.at(-1)?.[0]?.count === 20);
    for (const one of asked) one.destroy();
    await eventually('nobody waits', () => told.at(-1)?.length === 0);
    proxy.update([routes([endpoint])]);
    expect(await answer(ask())).to.deep.equal([200, undefined, 'answer']);
    expect(most).to.equal(1);
  });

  it('sends those away that are too many, or wait too long', async () => {
    await start({ requests: 1, seconds: 1 });
    const first = answer(ask());
    await eventually('it waits', () => told.length > 0);
    expect(await answer(ask())).to.deep.equal([
      429,
      '1',
      '{"error":"default/iris: too many requests wait for a pod of this service already"}',
    ]);
    expect(await first).to.deep.equal([
      503,
      '10',
      '{"error":"default/iris: no pod of this service became ready in the time that a request may wait"}',
    ]);
  });
});
