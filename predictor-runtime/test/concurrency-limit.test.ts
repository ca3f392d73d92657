/** The limit of requests that run at once: the models count them, by whatever transport they come. */
import { type ClientRequest, request } from 'node:http';
import type { Client } from '@grpc/grpc-js';
import { expect } from 'chai';
import { type Config, parseConfig } from '../src/server/config.ts';
import { ConcurrencyLimit, type LimitedLine } from '../src/serving/scheduling/concurrency-limit.ts';
import { failure, openGrpc, service } from './grpc-client.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, eventually, withPredictor, withServer } from './server.ts';

/** Sleeps, deaf to its caller's leaving; tells when each run began and ended, and how many rows ran here at once. */
const SLEEPER = `
export const inputs = [{ name: 'ms', datatype: 'INT32', shape: [-1, 1] }];
export const outputs = [{ name: 'run', datatype: 'FP64', shape: [-1, 3] }];
let running = 0;
let most = 0;
export async function infer({ ms }) {
  const rows = ms.shape[0];
  running += rows;
  most = Math.max(most, running);
  // This clock is the same for all processes of the machine.
  const now = () => Number(process.hrtime.bigint() / 1000n);
  const began = now();
  await new Promise((resolve) => setTimeout(resolve, Math.max(...ms.data)));
  running -= rows;
  const run = [began, now(), most];
  const data = Float64Array.from(Array.from({ length: rows }, () => run).flat());
  return { run: { datatype: 'FP64', shape: [rows, 3], data } };
}
`;

/** Times at which a run began and ended, in µs, and most requests that its process had at once until then. */
type Run = readonly [began: number, ended: number, most: number];

const v2 = (ms: number) => ({
  inputs: [{ name: 'ms', datatype: 'INT32', shape: [1, 1], data: [ms] }],
});
const message = (model_name: string, ms: number) => ({
  model_name,
  inputs: [{ name: 'ms', datatype: 'INT32', shape: [1, 1], contents: { int_contents: [ms] } }],
});

async function post(url: string, body: object, init: RequestInit = {}): Promise<Response> {
  return fetch(url, { method: 'POST', body: JSON.stringify(body), ...init });
}

const infer = (url: string, model: string, ms: number, init?: RequestInit) =>
  post(`${url}/v2/models/${model}/infer`, v2(ms), init);

/** Sends a request over a connection of its own, which the caller destroys before there is an answer. */
function leaver(url: string, model: string, ms: number): ClientRequest {
  const path = `${url}/v2/models/${model}/infer`;
  const leaving = request(path, { method: 'POST', agent: false });
  leaving.on('error', () => undefined);
  return leaving.end(JSON.stringify(v2(ms)));
}

async function runOf(answer: Promise<Response>): Promise<Run> {
  const { outputs, error } = (await (await answer).json()) as {
    outputs?: { data: Run }[];
    error?: string;
  };
  if (outputs?.[0] === undefined) throw new Error(error);
  return outputs[0].data;
}

async function v1Run(url: string, model: string, ms: number): Promise<Run> {
  const { json } = await call(`${url}/v1/models/${model}:predict`, { instances: [[ms]] });
  return json.predictions[0];
}

interface GrpcAnswer {
  readonly outputs: readonly { readonly contents: { readonly fp64_contents: Run } }[];
}

async function grpcRun(answer: Promise<GrpcAnswer>): Promise<Run> {
  return (await answer).outputs[0]?.contents.fp64_contents as Run;
}

/** Sends all messages in one stream, and returns the run of each. */
async function streamed(client: Client, messages: readonly object[]): Promise<Run[]> {
  const { ModelStreamInfer } = service;
  if (ModelStreamInfer === undefined) throw new Error('no ModelStreamInfer');
  const { path, requestSerialize, responseDeserialize } = ModelStreamInfer;
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  for (const one of messages) stream.write(one);
  stream.end();
  const runs: Run[] = [];
  for await (const { error_message, infer_response } of stream) {
    expect(error_message).to.equal('');
    runs.push(await grpcRun(infer_response));
  }
  return runs;
}

/** Counts the most runs that were going on at one time. */
function mostAtOnce(runs: readonly Run[]): number {
  const changes = runs.flatMap(([began, ended]) => [
    { at: began, by: 1 },
    { at: ended, by: -1 },
  ]);
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  let running = 0;
  return changes.reduce((most, { by }) => {
    running += by;
    return Math.max(most, running);
  }, 0);
}

/** Adds up a metric of all models. */
async function total(url: string, metric: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const values = text.matchAll(new RegExp(`^${metric}\\{.*\\} (\\d+)`, 'gm'));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

const waiting = (url: string) => total(url, 'nv_inference_pending_request_count');

const untilWaiting = (url: string, count: number) =>
  eventually(async () => (await waiting(url)) === count);

const untilRunning = (url: string) =>
  eventually(async () => (await total(url, 'wherry_model_in_flight_requests')) === 1);

/** Serves sleepers, `b` in batches, each with room for more runs than the limit lets it have. */
async function withSleepers(
  limits: Pick<Config, 'containerConcurrency'> & Partial<Config>,
  run: (url: string, grpcPort: number | undefined) => Promise<void>,
): Promise<void> {
  using folder = new RepositoryFolder({ 'a/model.mjs': SLEEPER, 'b/model.mjs': SLEEPER });
  folder.put('b/config.pbtxt', 'max_batch_size: 8 dynamic_batching {}');
  const places = { concurrency: 16, grpcPort: 0 };
  const config = { modelRepository: [folder.dir], allowModelCode: true, ...places, ...limits };
  await withServer(config, (url, { grpcPort }) => run(url, grpcPort));
}

describe('the limit of requests at once', () => {
  it('gives places that get free to the oldest requests', () => {
    const limit = new ConcurrencyLimit(2);
    const started: number[] = [];
    const line = (...requests: number[]): LimitedLine => ({
      next: () => requests[0] ?? Number.POSITIVE_INFINITY,
      start() {
        const request = requests.shift();
        if (request === undefined) return;
        limit.take(1);
        started.push(request);
        limit.wait(this);
      },
    });
    const [one, two] = [line(1, 4, 6), line(2, 3, 5)];
    limit.take(2);
    limit.wait(two);
    limit.giveBack(one, 1);
    expect(started).to.deep.equal([1]);
    limit.giveBack(one, 2);
    expect(started).to.deep.equal([1, 2, 3]);
    expect(limit.free).to.equal(0);
    for (let i = 0; i < 5; i++) limit.giveBack(two, 1);
    expect(started).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(limit.free).to.equal(2);
    expect(limit.isAwaited).to.equal(false);
  });

  for (const [flags, size] of [
    [[], 1000],
    [['--container_concurrency=4'], 100],
    [['--container_concurrency=30'], 300],
    [['--container_concurrency=500'], 1000],
    [['--container_concurrency=500', '--queue_size=7'], 7],
  ] as const) {
    it(`lets ${size} requests wait with ${flags.join(' ') || 'no flags'}`, () => {
      expect(parseConfig(['--model_name=x', ...flags]).queueSize).to.equal(size);
    });
  }

  it('holds for all models, transports and batches together, and loses nothing', async () => {
    await withSleepers({ containerConcurrency: 4 }, async (url, port) => {
      using grpc = openGrpc(port);
      const times = Array.from({ length: 25 }, (_, i) => 5 + i);
      const messages = times.map((ms) => message('a', ms));
      const answers = Promise.all([
        Promise.all(times.map((ms) => runOf(infer(url, 'a', ms)))),
        Promise.all(times.map((ms) => v1Run(url, 'b', ms))),
        Promise.all(times.map((ms) => grpcRun(grpc.call('ModelInfer', message('b', ms))))),
        streamed(grpc.client, messages),
      ]);
      await eventually(async () => (await waiting(url)) > 50);
      expect((await fetch(`${url}/v2/health/ready`)).status).to.equal(200);
      expect((await fetch(`${url}/v2/models/b`)).status).to.equal(200);
      const runs = (await answers).flat();
      expect(runs).to.have.length(100);
      expect(mostAtOnce(runs)).to.equal(4);
      expect(await waiting(url)).to.equal(0);
    });
  });

  it('lets a request of another model wait its turn', async () => {
    await withSleepers({ containerConcurrency: 1 }, async (url) => {
      const runs: Promise<Run>[] = [];
      for (const model of ['a', 'a', 'b', 'a', 'b']) {
        runs.push(runOf(infer(url, model, 200)));
        await untilWaiting(url, runs.length - 1);
      }
      const began = (await Promise.all(runs)).map(([at]) => at);
      expect(began).to.deep.equal([...began].sort((a, b) => a - b));
    });
  });

  it('refuses what may not wait any more', async () => {
    await withSleepers({ containerConcurrency: 1, queueSize: 1 }, async (url, port) => {
      using grpc = openGrpc(port);
      const running = infer(url, 'a', 1000);
      await untilRunning(url);
      const queued = infer(url, 'a', 1);
      await untilWaiting(url, 1);
      const refused = await infer(url, 'a', 1);
      expect(refused.status).to.equal(429);
      expect(refused.headers.get('retry-after')).to.equal('1');
      const refusal = "model 'a' is overloaded: 1 requests wait; try again later";
      expect(await refused.json()).to.deep.equal({ error: refusal });
      const error = await grpc.call('ModelInfer', message('a', 1)).catch(failure);
      expect(error).to.equal(`8 ${refusal}`);
      expect([(await running).status, (await queued).status]).to.deep.equal([200, 200]);
    });
  });

  it('forgets who waits too long or leaves, but not what still runs for them', async () => {
    await withSleepers({ containerConcurrency: 1 }, async (url) => {
      const left = [leaver(url, 'a', 1500)];
      await untilRunning(url);
      left.push(leaver(url, 'a', 1));
      await untilWaiting(url, 1);
      const headers = { 'x-request-timeout-ms': '50' };
      const late = await infer(url, 'b', 1, { headers });
      expect(late.status).to.equal(504);
      expect(await late.json()).to.deep.equal({ error: "model 'b' did not answer within 50 ms" });
      const patient = runOf(infer(url, 'a', 1));
      await untilWaiting(url, 2);
      for (const leaving of left) leaving.destroy();
      await untilWaiting(url, 1);
      const [, , most] = await patient;
      expect(most).to.equal(1);
    });
  });

  it('answers what waits when the server is to end', async () => {
    using folder = new RepositoryFolder({ 'model.mjs': SLEEPER });
    const model = ['--model_name=a', `--model_dir=${folder.dir}`, '--allow_model_code'];
    await withPredictor([...model, '--container_concurrency=1'], async (predictor) => {
      const url = await predictor.url;
      await eventually(async () => (await fetch(`${url}/v2/health/ready`)).ok);
      const runs = [200, 200, 200].map((ms) => runOf(infer(url, 'a', ms)));
      await untilWaiting(url, 2);
      predictor.child.kill('SIGTERM');
      expect(mostAtOnce(await Promise.all(runs))).to.equal(1);
      expect(await predictor.exit).to.equal(0);
    });
  });
});
