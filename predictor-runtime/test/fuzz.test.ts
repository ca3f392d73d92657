/**
 * 10,000 broken requests of each kind: every one is answered, with no server error, and the server's memory stays
 * as it was. The seed is fixed, so that a failure comes again.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { expect } from 'chai';
import { service } from './grpc-client.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { eventually, withPredictor } from './server.ts';

const COUNT = 10_000;
const PARALLEL = 8;
/** A server that grows by less in COUNT requests holds nothing of them: it is a kilobyte and a half for each. */
const FLAT_BYTES = 16 << 20;
const MAX_ROUNDS = 8;

/** xorshift32: numbers from 0 up to and without 1, the same each time. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A copy with some bytes changed, cut out, doubled or cut off. */
function mutated(bytes: Buffer, random: () => number): Buffer {
  let result = Buffer.from(bytes);
  const changes = 1 + Math.floor(random() * 4);
  for (let i = 0; i < changes; i++) {
    const at = Math.floor(random() * result.length);
    const to = Math.min(result.length, at + 1 + Math.floor(random() * 8));
    switch (Math.floor(random() * 4)) {
      case 0:
        if (result.length > 0) result[at] = Math.floor(random() * 256);
        break;
      case 1:
        result = Buffer.concat([result.subarray(0, at), result.subarray(to)]);
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, to), result.subarray(at)]);
        break;
      default:
        result = Buffer.from(result.subarray(0, at));
    }
  }
  return result;
}

const tensors = ['a', 'b'].map((name) => ({ name, datatype: 'INT32', shape: [1, 4] }));
const JSON_BODY = Buffer.from(
  JSON.stringify({
    id: '1',
    inputs: tensors.map((tensor) => ({ ...tensor, data: [1, -2, 3, 4] })),
    outputs: [{ name: 'sum', parameters: { classification: 2 } }],
    parameters: { timeout: 1000000, priority: 1 },
  }),
);
const HEAD = Buffer.from(
  JSON.stringify({
    inputs: tensors.map((tensor) => ({ ...tensor, parameters: { binary_data_size: 16 } })),
    parameters: { binary_data_output: true },
  }),
);
const BINARY_BODY = Buffer.concat([HEAD, Buffer.alloc(32, 1)]);

const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });

function post(url: string, body: Buffer, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      agent,
      headers: { ...headers, 'content-length': body.length },
    };
    const req = request(url, options, (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode ?? 0));
    });
    req.on('error', reject);
    req.end(body);
  });
}

interface ServerUnderTest {
  readonly url: string;
  readonly client: Client;
}

/** Of a process, as the kernel counts it. */
function residentBytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

function grpcCall({ client }: ServerUnderTest, message: Buffer): Promise<number> {
  const { ModelInfer } = service;
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      ModelInfer?.path ?? '',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      message,
      (error: ServiceError | null) => resolve(error?.code ?? 0),
    );
  });
}

/** How often each answer came. */
async function fuzz(send: (random: () => number) => Promise<number>): Promise<Map<number, number>> {
  const random = randomNumbers(20261124);
  const answers = new Map<number, number>();
  let sent = 0;
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      while (sent++ < COUNT) {
        const answer = await send(random);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    }),
  );
  return answers;
}

describe('fuzzed bodies', function () {
  this.timeout(300_000);

  /** Runs `send` against a server's process again and again: at last its memory must not grow. */
  async function survives(
    send: (server: ServerUnderTest, random: () => number) => Promise<number>,
    isFault: (answer: number) => boolean,
  ): Promise<void> {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    const args = [`--model_repository=${folder.dir}`, '--grpc_port=0', '--log_level=info'];
    await withPredictor(args, async ({ child, url: address, grpcPort }) => {
      const url = await address;
      const isReady = async () => (await fetch(`${url}/v2/health/ready`)).ok;
      await eventually(isReady);
      const client = new Client(`127.0.0.1:${await grpcPort}`, credentials.createInsecure());
      const once = () => fuzz((random) => send({ url, client }, random));
      const answers = await once();
      const total = [...answers.values()].reduce((sum, count) => sum + count, 0);
      expect(total).to.equal(COUNT);
      const faults = [...answers.keys()].filter(isFault);
      expect(faults, JSON.stringify([...answers])).to.deep.equal([]);
      // The heap grows to the size it works with, and then no more.
      const sizes = [residentBytes(child.pid)];
      const growth = () => (sizes.at(-1) as number) - (sizes.at(-2) ?? 0);
      while (sizes.length < MAX_ROUNDS && growth() >= FLAT_BYTES) {
        await once();
        sizes.push(residentBytes(child.pid));
      }
      expect(growth(), `resident after each round: ${sizes}`).to.be.below(FLAT_BYTES);
      expect(await isReady()).to.equal(true);
      client.close();
    });
  }

  // 504 is what a request gets whose own timeout a mutation made too short.
  const isServerError = (status: number) => (status >= 500 && status !== 504) || status === 0;

  it('JSON', () =>
    survives(
      ({ url }, random) => post(`${url}/v2/models/add/infer`, mutated(JSON_BODY, random)),
      isServerError,
    ));

  it('JSON and bytes', () =>
    survives(({ url }, random) => {
      const length = random() < 0.2 ? Math.floor(random() * 300) : HEAD.length;
      return post(`${url}/v2/models/add/infer`, mutated(BINARY_BODY, random), {
        'inference-header-content-length': String(length),
      });
    }, isServerError));

  it('protobuf', () => {
    const { ModelInfer } = service;
    const message = ModelInfer?.requestSerialize({
      model_name: 'add',
      id: '1',
      inputs: tensors.map((tensor) => ({ ...tensor, contents: { int_contents: [1, -2, 3, 4] } })),
      outputs: [{ name: 'sum' }],
      parameters: { timeout: { int64_param: '1000000' } },
    }) as Buffer;
    // grpc-js answers what is no message with INTERNAL, as the protocol's own rule is.
    const [UNKNOWN, UNAVAILABLE, DATA_LOSS] = [2, 14, 15];
    const faults = new Set([UNKNOWN, UNAVAILABLE, DATA_LOSS]);
    return survives(
      (server, random) => grpcCall(server, mutated(message, random)),
      (code) => faults.has(code),
    );
  });
});
