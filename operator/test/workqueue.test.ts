import { expect } from 'chai';
import fc from 'fast-check';
import { WorkQueue } from '../src/controller/workqueue.ts';

describe('WorkQueue', () => {
  it('gives a key once however often it was added', async () => {
    const queue = new WorkQueue();
    for (let i = 0; i < 3; i++) queue.add('a');
    expect(await queue.next()).to.equal('a');
    expect(queue.length).to.equal(0);
  });

  it('gives a key again when it was added while in work, and not before it is done', async () => {
    const queue = new WorkQueue();
    queue.add('a');
    await queue.next();
    queue.add('a');
    expect(queue.length).to.equal(0);
    queue.done('a');
    expect(await queue.next()).to.equal('a');
  });

  it('backs off exponentially by key until forgotten', () => {
    const delays: number[] = [];
    const queue = new WorkQueue({
      baseDelay: 10,
      maxDelay: 50,
      delay: (fn, ms) => {
        delays.push(ms);
        fn();
      },
    });
    for (let i = 0; i < 4; i++) queue.retry('a');
    queue.retry('b');
    queue.forget('a');
    queue.retry('a');
    expect(delays).to.deep.equal([10, 20, 40, 50, 10, 10]);
  });

  it('comes again once, at the earliest of several times', () => {
    const timers: { fn: () => void; ms: number }[] = [];
    const queue = new WorkQueue({ delay: (fn, ms) => timers.push({ fn, ms }), now: () => 0 });
    for (const ms of [30, 10, 20]) queue.addAfter('a', ms);
    expect(timers.map(({ ms }) => ms)).to.deep.equal([30, 10]);
    for (const { fn } of timers.reverse()) {
      fn();
      expect(queue.length).to.equal(1);
    }
  });

  it('ends waiting workers when it is closed', async () => {
    const queue = new WorkQueue();
    const waiting = queue.next();
    queue.close();
    expect(await waiting).to.equal(undefined);
    expect(await queue.next()).to.equal(undefined);
  });

  it('never works on a key twice at a time and loses no key', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 50 }),
        async (keys) => {
          const queue = new WorkQueue();
          const working = new Set<string>();
          const lastDone = new Map<string, number>();
          let clock = 0;
          const worker = async () => {
            for (let key = await queue.next(); key !== undefined; key = await queue.next()) {
              expect(working.has(key)).to.equal(false);
              working.add(key);
              const started = ++clock;
              await Promise.resolve();
              lastDone.set(key, started);
              working.delete(key);
              queue.done(key);
            }
          };
          const workers = [worker(), worker()];
          const lastAdded = new Map<string, number>();
          for (const key of keys) {
            lastAdded.set(key, ++clock);
            queue.add(key);
            await Promise.resolve();
          }
          for (let i = 0; i < 200; i++) await Promise.resolve();
          for (const [key, added] of lastAdded) expect(lastDone.get(key)).to.be.greaterThan(added);
          queue.close();
          await Promise.all(workers);
        },
      ),
      { numRuns: 50 },
    );
  });
});
