/** The queue and the batcher: bounded, by priority, with deadlines; a bad request harms only itself. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { Tensor } from '../src/protocol/v2/types.ts';
import { AnswerOrder } from '../src/serving/scheduling/answer-order.ts';
import { concat, decide, signatureOf, split } from '../src/serving/scheduling/batch.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { type Answer, call, eventually, withServer } from './server.ts';

const loop = (trips: number, more: object = {}) => ({
  inputs: [
    { name: 'trips', datatype: 'INT64', shape: [], data: [trips] },
    { name: 'x', datatype: 'FP32', shape: [1], data: [0] },
  ],
  ...more,
});
const add = (rows: number, first = 0) => ({
  inputs: ['a', 'b'].map((name) => ({
    name,
    datatype: 'INT32',
    shape: [rows, 4],
    data: Array.from({ length: rows * 4 }, (_, i) => first + i),
  })),
});

/** A metric of version 1 of a model. */
async function metric(url: string, name: string, model: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = new RegExp(`^${name}\\{model="${model}",version="1"\\} (\\d+)`, 'm');
  return Number(line.exec(text)?.[1]);
}

const pending = (url: string, model: string) =>
  metric(url, 'nv_inference_pending_request_count', model);

/** Waits until so many requests are under way: one runs, the others wait. */
const underWay = (url: string, model: string, count: number) =>
  eventually(
    async () =>
      (await metric(url, 'wherry_model_in_flight_requests', model)) === count &&
      (await pending(url, model)) === count - 1,
  );

describe('what goes into a batch', () => {
  const policy = { maxRows: 8, preferredRows: [], maxDelayMs: 10 };
  for (const [title, state, more, decision] of [
    [
      'a run that can have company leaves half of the rows to it',
      { rows: [1, 1, 1, 1, 1], waitedMs: 0, idle: true, parallelRuns: 2 },
      {},
      { send: 3 },
    ],
    [
      'what runs already counts',
      { rows: [1, 1, 1, 1, 1], waitedMs: 10, idle: false, parallelRuns: 2, runningRows: 3 },
      {},
      { send: 4 },
    ],
    [
      'with enough rows for all, a run is full',
      { rows: Array(20).fill(1), waitedMs: 0, idle: false, parallelRuns: 2, runningRows: 8 },
      {},
      { send: 8 },
    ],
    [
      'a preferred size is no share',
      { rows: [1, 1, 1, 1], waitedMs: 0, idle: true, parallelRuns: 2 },
      { preferredRows: [4] },
      { send: 4 },
    ],
    ['an idle executor never waits', { rows: [1], waitedMs: 0, idle: true }, {}, { send: 1 }],
    ['a busy one waits for company', { rows: [1], waitedMs: 4, idle: false }, {}, { waitMs: 6 }],
    [
      'until the oldest has waited enough',
      { rows: [1, 1], waitedMs: 10, idle: false },
      {},
      { send: 2 },
    ],
    ['a full batch goes', { rows: [4, 4, 1], waitedMs: 0, idle: false }, {}, { send: 2 }],
    [
      'what does not fit waits for the next',
      { rows: [4, 5], waitedMs: 0, idle: false },
      {},
      { send: 1 },
    ],
    [
      'a request of too many rows goes alone',
      { rows: [9, 1], waitedMs: 0, idle: false },
      {},
      { send: 1 },
    ],
    [
      'a preferred size goes',
      { rows: [2, 2, 1], waitedMs: 0, idle: false },
      { preferredRows: [4] },
      { send: 2 },
    ],
    [
      'the largest reached of them',
      { rows: [2, 2, 1], waitedMs: 0, idle: true },
      { preferredRows: [2, 4, 8] },
      { send: 2 },
    ],
    [
      'all when overdue',
      { rows: [2, 2, 1], waitedMs: 10, idle: false },
      { preferredRows: [4, 8] },
      { send: 3 },
    ],
    [
      'without delay nobody waits',
      { rows: [1], waitedMs: 0, idle: false },
      { maxDelayMs: 0 },
      { send: 1 },
    ],
  ] as const) {
    it(title, () => {
      const alone = { parallelRuns: 1, runningRows: 0 };
      expect(decide({ ...alone, ...state }, { ...policy, ...more })).to.deep.equal(decision);
    });
  }

  it('comes apart as it was put together', () => {
    const row = fc.record({ a: fc.integer({ min: -9, max: 9 }), s: fc.string() });
    fc.assert(
      fc.property(fc.array(fc.array(row), { minLength: 1, maxLength: 5 }), (requests) => {
        const inputs = requests.map((rows): Tensor[] => [
          {
            name: 'a',
            datatype: 'INT8',
            shape: [rows.length, 1],
            data: Int8Array.from(rows, ({ a }) => a),
          },
          {
            name: 's',
            datatype: 'BYTES',
            shape: [rows.length],
            data: rows.map(({ s }) => Buffer.from(s)),
          },
        ]);
        const parts = split(
          concat(inputs),
          requests.map(({ length }) => length),
        );
        const plain = (tensors: readonly Tensor[]) =>
          tensors.map(({ data, shape }) => [shape, Array.from(data as Buffer[], String)]);
        expect(parts?.map(plain)).to.deep.equal(inputs.map(plain));
      }),
    );
  });

  it('has one signature, whatever the order of the inputs', () => {
    const a: Tensor = { name: 'a', datatype: 'INT8', shape: [1, 2], data: new Int8Array(2) };
    const b: Tensor = { name: 'b', datatype: 'INT8', shape: [1], data: new Int8Array(1) };
    expect(signatureOf([a, b], ['y'])).to.equal(signatureOf([b, { ...a, shape: [5, 2] }], ['y']));
    expect(signatureOf([a], ['y'])).not.to.equal(signatureOf([{ ...a, shape: [1, 3] }], ['y']));
    expect(signatureOf([a], ['y'])).not.to.equal(signatureOf([a], ['z']));
  });
});

describe('the queue', () => {
  it('refuses what it has no room for with 429, and answers the rest', async () => {
    using folder = new RepositoryFolder({ l: { model: 'loop_n' } });
    const config = { modelRepository: [folder.dir], concurrency: 1, queueSize: 3 };
    await withServer(config, async (url) => {
      const answers: Answer[] = await Promise.all(
        Array.from({ length: 8 }, () => call(`${url}/v2/models/l/infer`, loop(100_000))),
      );
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses).to.deep.equal([200, 200, 200, 200, 429, 429, 429, 429]);
      const refused = answers.find(({ status }) => status === 429);
      expect(refused?.json.error).to.equal(
        "model 'l' is overloaded: 3 requests wait; try again later",
      );
      const text = await (await fetch(`${url}/metrics`)).text();
      expect(text).to.contain(
        'nv_inference_request_failure{model="l",version="1",reason="REJECTED"} 4',
      );
    });
  });

  it('is bounded in bytes too, and can refuse with 503 as Triton does', async () => {
    using folder = new RepositoryFolder({ a: { model: 'add_two' }, l: { model: 'loop_n' } });
    const config = {
      modelRepository: [folder.dir],
      concurrency: 1,
      queueBytes: 30,
      overloadStatus: 503,
    } as const;
    await withServer(config, async (url) => {
      // Each has 12 bytes of tensors: two of them fit.
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => call(`${url}/v2/models/l/infer`, loop(100_000))),
      );
      expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 200, 200, 503, 503]);
      // One that is larger than the bound is served when nothing else waits.
      expect((await call(`${url}/v2/models/a/infer`, add(10))).status).to.equal(200);
    });
  });

  it('serves urgent requests first', async () => {
    using folder = new RepositoryFolder({ l: { model: 'loop_n' } });
    const config = { modelRepository: [folder.dir], concurrency: 1, priorityLevels: 3 };
    await withServer(config, async (url) => {
      const order: string[] = [];
      const send = async (title: string, priority?: number, trips = 100_000) => {
        const parameters = priority === undefined ? {} : { priority };
        const { status } = await call(`${url}/v2/models/l/infer`, loop(trips, { parameters }));
        order.push(status === 200 ? title : String(status));
      };
      const all = [send('running', 3, 1_000_000)];
      await underWay(url, 'l', 1);
      for (const [title, priority] of [
        ['low', 3],
        ['middle'],
        ['urgent', 1],
        ['urgent too', 1],
      ] as const) {
        all.push(send(title, priority));
        await underWay(url, 'l', all.length);
      }
      await Promise.all(all);
      expect(order).to.deep.equal(['running', 'urgent', 'urgent too', 'middle', 'low']);
      const { status, json } = await call(
        `${url}/v2/models/l/infer`,
        loop(1, { parameters: { priority: 4 } }),
      );
      expect([status, json.error]).to.deep.equal([
        400,
        "parameters.priority: model 'l' has 3 priority_levels, 1 being the most urgent; got 4",
      ]);
    });
  });

  it('lets go of a request whose client has left', async () => {
    using folder = new RepositoryFolder({ l: { model: 'loop_n' } });
    await withServer({ modelRepository: [folder.dir], concurrency: 1 }, async (url) => {
      const first = call(`${url}/v2/models/l/infer`, loop(300_000));
      await underWay(url, 'l', 1);
      const controller = new AbortController();
      const body = JSON.stringify(loop(1));
      const second = fetch(`${url}/v2/models/l/infer`, {
        method: 'POST',
        body,
        signal: controller.signal,
      });
      await eventually(async () => (await pending(url, 'l')) === 1);
      controller.abort();
      await second.catch(() => undefined);
      await eventually(async () => (await pending(url, 'l')) === 0);
      expect((await first).status).to.equal(200);
      const text = await (await fetch(`${url}/metrics`)).text();
      expect(text).to.contain(
        'nv_inference_request_failure{model="l",version="1",reason="CANCELED"} 1',
      );
    });
  });

  it('answers a waiting request at its deadline, not later', async () => {
    using folder = new RepositoryFolder({ l: { model: 'loop_n' } });
    await withServer({ modelRepository: [folder.dir], concurrency: 1 }, async (url) => {
      const first = call(`${url}/v2/models/l/infer`, loop(500_000));
      await underWay(url, 'l', 1);
      const { status, json } = await call(
        `${url}/v2/models/l/infer`,
        loop(1, { parameters: { timeout: 50_000 } }),
      );
      expect([status, json.error]).to.deep.equal([504, "model 'l' did not answer within 50 ms"]);
      expect((await first).status).to.equal(200);
      const bad = await call(
        `${url}/v2/models/l/infer`,
        loop(1, { parameters: { timeout: 'soon' } }),
      );
      expect([bad.status, bad.json.error]).to.deep.equal([
        400,
        'parameters.timeout: expected a whole number of at least 0, got "soon"',
      ]);
    });
  });
});

/** Answers its input after as many milliseconds. */
const SLEEPER = `
const tensor = { name: 'ms', datatype: 'INT32', shape: [-1, 1] };
export const inputs = [tensor];
export const outputs = [{ ...tensor, name: 'slept' }];
export async function infer({ ms }) {
  await new Promise((resolve) => setTimeout(resolve, ms.data[0]));
  return { slept: ms };
}
`;

describe("Triton's queue policy", () => {
  const sleep = (ms: number, parameters: object = {}) => ({
    inputs: [{ name: 'ms', datatype: 'INT32', shape: [1, 1], data: [ms] }],
    parameters,
  });

  /** Serves the sleeper, one run at a time, and tells the order in which its requests end. */
  async function withPolicy(
    batching: string,
    run: (
      send: (title: string, ms: number, parameters?: object) => Promise<void>,
      seen: string[],
      url: string,
    ) => Promise<void>,
  ): Promise<void> {
    using folder = new RepositoryFolder({ 's/model.mjs': SLEEPER });
    folder.put('s/config.pbtxt', `max_batch_size: 1 dynamic_batching { ${batching} }`);
    const config = { modelRepository: [folder.dir], concurrency: 1, allowModelCode: true };
    await withServer(config, async (url) => {
      const seen: string[] = [];
      const send = async (title: string, ms: number, parameters?: object) => {
        const { status, json } = await call(`${url}/v2/models/s/infer`, sleep(ms, parameters));
        seen.push(status === 200 ? title : `${title}: ${status} ${json.error}`);
      };
      await run(send, seen, url);
    });
  }

  /** One that runs, and then each of the others as soon as the one before it waits. */
  async function inTurn(url: string, sends: readonly (() => Promise<void>)[]): Promise<void> {
    const all: Promise<void>[] = [];
    for (const send of sends) {
      all.push(send());
      await underWay(url, 's', all.length);
    }
    await Promise.all(all);
  }

  const LATE =
    /^late: 503 model 's' is overloaded: the request waited \d+ ms, longer than its queue policy allows; try again later$/;

  it('answers in order with preserve_ordering, failures among the answers', async () => {
    const order = new AnswerOrder();
    const seen: string[] = [];
    const [first, second, third] = [1, 2, 3].map(() => Promise.withResolvers<string>());
    const told = [first, second, third].map((answer) =>
      order.inTurn(answer?.promise ?? Promise.reject()).then(
        (text) => seen.push(text),
        ({ message }) => seen.push(message),
      ),
    );
    third?.resolve('third');
    second?.reject(new Error('second'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).to.deep.equal([]);
    first?.resolve('first');
    await Promise.all(told);
    expect(seen).to.deep.equal(['first', 'second', 'third']);
  });

  it('limits the wait, and not the run', async () => {
    await withPolicy(
      'default_queue_policy { default_timeout_microseconds: 200000 }',
      async (send, seen, url) => {
        await send('long', 500);
        // What a request names by itself counts only where the policy says so.
        await inTurn(url, [() => send('running', 1500), () => send('late', 1, { timeout: 9e6 })]);
        expect(seen[0]).to.equal('long');
        expect(seen[1]).to.match(LATE);
        expect(seen[2]).to.equal('running');
        const text = await (await fetch(`${url}/metrics`)).text();
        expect(text).to.contain(
          'nv_inference_request_failure{model="s",version="1",reason="REJECTED"} 1',
        );
      },
    );
  });

  it('lets a request shorten its wait where that is allowed', async () => {
    const policy = 'default_timeout_microseconds: 60000000 allow_timeout_override: true';
    await withPolicy(`default_queue_policy { ${policy} }`, async (send, seen, url) => {
      await send('long', 500, { timeout: 100_000 });
      await inTurn(url, [
        () => send('running', 1500),
        () => send('late', 1, { timeout: 300_000 }),
        () => send('patient', 1),
      ]);
      expect(seen[0]).to.equal('long');
      expect(seen[1]).to.match(LATE);
      expect(seen.slice(2)).to.deep.equal(['running', 'patient']);
    });
  });

  it('lets those in time pass a late one with DELAY', async () => {
    const policy =
      'default_timeout_microseconds: 60000000 timeout_action: DELAY allow_timeout_override: true';
    await withPolicy(`default_queue_policy { ${policy} }`, async (send, seen, url) => {
      await inTurn(url, [
        () => send('running', 1000),
        () => send('late', 1, { timeout: 1000 }),
        () => send('in time', 1),
      ]);
      expect(seen).to.deep.equal(['running', 'in time', 'late']);
    });
  });

  it('has rules by priority, and bounds each by itself', async () => {
    const own = 'priority_queue_policy { key: 1 value { max_queue_size: 1 } }';
    await withPolicy(
      `priority_levels: 2 default_priority_level: 2 ${own}`,
      async (send, seen, url) => {
        await inTurn(url, [
          () => send('running', 1000),
          () => send('usual', 1),
          () => send('usual too', 1),
          () => send('urgent', 1, { priority: 1 }),
          async () => {
            await send('one too many', 1, { priority: 1 });
            void send('usual again', 1);
          },
        ]);
        await eventually(async () => seen.length === 6);
        expect(seen).to.deep.equal([
          "one too many: 429 model 's' is overloaded: 3 requests wait; try again later",
          'running',
          'urgent',
          'usual',
          'usual too',
          'usual again',
        ]);
      },
    );
  });
});

/** `add_two`'s sum, in runs that are long enough for others to gather meanwhile. */
const SLOW_ADD = `
const tensor = (name) => ({ name, datatype: 'INT32', shape: [-1, 4] });
export const inputs = [tensor('a'), tensor('b')];
export const outputs = [tensor('sum')];
export async function infer({ a, b }) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  return { sum: { ...a, data: a.data.map((value, i) => value + b.data[i]) } };
}
`;

describe('the batcher', () => {
  const batching = { maxBatchSize: 8, maxBatchDelayMs: 50, concurrency: 2 };

  it('runs requests together and gives each its own rows', async () => {
    using folder = new RepositoryFolder({ 'a/model.mjs': SLOW_ADD });
    const options = { modelRepository: [folder.dir], ...batching, allowModelCode: true };
    await withServer(options, async (url) => {
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) => call(`${url}/v2/models/a/infer`, add(1 + (i % 3), i))),
      );
      answers.forEach(({ status, json }, i) => {
        expect(status).to.equal(200);
        const [sum] = json.outputs;
        const rows = 1 + (i % 3);
        expect(sum.shape).to.deep.equal([rows, 4]);
        expect(sum.data).to.deep.equal(Array.from({ length: rows * 4 }, (_, k) => 2 * (i + k)));
      });
      const { json } = await call(`${url}/v2/models/a/stats`);
      const [stats] = json.model_stats;
      expect(stats.inference_count).to.equal(79);
      expect(stats.execution_count).to.be.below(40);
      expect(stats.inference_stats.success.count).to.equal(40);
      const rows = stats.batch_stats.map(({ batch_size }: { batch_size: number }) => batch_size);
      expect(Math.max(...rows)).to.be.within(3, 8);
    });
  });

  it('splits a request of more rows than a run may have', async () => {
    using folder = new RepositoryFolder({ a: { model: 'add_two' } });
    await withServer({ modelRepository: [folder.dir], ...batching }, async (url) => {
      const { json } = await call(`${url}/v2/models/a/infer`, add(21));
      const [sum, diff] = json.outputs;
      expect(sum.data).to.deep.equal(Array.from({ length: 84 }, (_, i) => 2 * i));
      expect(diff.data).to.deep.equal(new Array(84).fill(0));
    });
  });

  it('refuses inputs with different numbers of rows', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' }, plain: { model: 'add_two' } });
    folder.put('add/config.pbtxt', 'max_batch_size: 4');
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const [a] = add(1).inputs;
      const [, b] = add(2).inputs;
      const uneven = { inputs: [a, b] };
      expect(await call(`${url}/v2/models/add/infer`, uneven)).to.deep.equal({
        status: 400,
        json: {
          error:
            "inputs[1].shape: model 'add' takes as many rows of each input, 'a' has 1, 'b' has 2",
        },
      });
      const columns = {
        inputs: {
          a: [[1, 2, 3, 4]],
          b: [
            [1, 1, 1, 1],
            [2, 2, 2, 2],
          ],
        },
      };
      expect((await call(`${url}/v1/models/add:predict`, columns)).status).to.equal(400);
      // Without a batch the model's own rules count: ONNX repeats the row.
      const { json } = await call(`${url}/v2/models/plain/infer`, uneven);
      expect(json.outputs[0].data).to.deep.equal([0, 2, 4, 6, 4, 6, 8, 10]);
    });
  });

  it('runs a failed batch again one by one', async () => {
    using folder = new RepositoryFolder({ g: { model: 'gather' } });
    await withServer(
      { modelRepository: [folder.dir], ...batching, concurrency: 1 },
      async (url) => {
        const at = (index: number) =>
          call(`${url}/v2/models/g/infer`, {
            inputs: [{ name: 'index', datatype: 'INT64', shape: [1], data: [index] }],
          });
        const answers = await Promise.all([0, 1, 99, 2, 0, 1].map(at));
        expect(
          answers.map(({ status, json }) => (status === 200 ? json.outputs[0].data[0] : status)),
        ).to.deep.equal([10, 20, 500, 30, 10, 20]);
        expect(answers[2]?.json.error).to.match(
          /^model 'g' failed: .*idx=99 must be within the inclusive range/,
        );
      },
    );
  });
});
