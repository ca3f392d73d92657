/** Models that run away, crash or want too much: the server and its other models go on. */
import { expect } from 'chai';
import type { PredictorServer } from '../src/server/server.ts';
import { manage, managementConfig, TOKEN } from './management-client.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, eventually, withServer } from './server.ts';

const tensor = (name: string, datatype: string, shape: number[], data: unknown[]) => ({
  name,
  datatype,
  shape,
  data,
});
const ADD = {
  inputs: ['a', 'b'].map((name) => tensor(name, 'INT32', [1, 4], [1, 2, 3, 4])),
};
const loop = (trips: number) => ({
  inputs: [tensor('trips', 'INT64', [], [trips]), tensor('x', 'FP32', [1], [0])],
});

interface WorkerState {
  readonly pid: number;
  readonly inFlight: number;
}

async function workers(server: PredictorServer, model: string): Promise<WorkerState[]> {
  const { json } = await manage(server, `GET /models/${model}`);
  return json[0].workers;
}

/** Pids of the executors' processes. */
async function pids(server: PredictorServer, model: string): Promise<number[]> {
  return (await workers(server, model)).map(({ pid }) => pid);
}

describe('executors', () => {
  it('answer health and other models while one runs for seconds, on all workers', async () => {
    using folder = new RepositoryFolder({ l: { model: 'loop_n' }, a: { model: 'add_two' } });
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const slow = call(`${url}/v2/models/l/infer`, loop(3_000_000));
      let slowest = 0;
      let answered = false;
      void slow.then(() => {
        answered = true;
      });
      while (!answered) {
        const started = performance.now();
        expect((await call(`${url}/v2/health/live`)).status).to.equal(200);
        expect((await call(`${url}/v2/models/a/infer`, ADD)).status).to.equal(200);
        slowest = Math.max(slowest, performance.now() - started);
      }
      expect((await slow).json.outputs[0].data).to.deep.equal([3_000_000]);
      expect(slowest).to.be.below(1000);
    });
  });

  it('stop an endless loop at its deadline, and when its client leaves', async () => {
    using folder = new RepositoryFolder({ e: { model: 'abuse_endless_loop' } });
    await withServer({ modelRepository: [folder.dir], concurrency: 1 }, async (url) => {
      const endless = { inputs: [tensor('x', 'FP32', [1], [1])] };
      const { status, json } = await call(`${url}/v2/models/e/infer`, {
        ...endless,
        parameters: { timeout: 200_000 },
      });
      expect(json).to.deep.equal({ error: "model 'e' did not answer within 200 ms" });
      expect(status).to.equal(504);
      const left = fetch(`${url}/v2/models/e/infer`, {
        method: 'POST',
        body: JSON.stringify(endless),
        signal: AbortSignal.timeout(200),
      });
      expect(await left.catch((error) => error.name)).to.equal('TimeoutError');
      // The one slot is free again.
      const again = await fetch(`${url}/v2/models/e/infer`, {
        method: 'POST',
        body: JSON.stringify(endless),
        headers: { 'x-request-timeout-ms': '100' },
      });
      expect(again.status).to.equal(504);
      await eventually(async () => {
        const { json: stats } = await call(`${url}/v2/models/e/stats`);
        return stats.model_stats[0].inference_stats.fail.count === 3;
      });
    });
  });

  it('refuse an allocation beyond the ceiling', async () => {
    using folder = new RepositoryFolder({ h: { model: 'abuse_huge_alloc' } });
    for (const executor of ['inline', 'process'] as const) {
      await withServer({ modelRepository: [folder.dir], executor }, async (url) => {
        const { status, json } = await call(`${url}/v2/models/h/infer`, {
          inputs: [tensor('x', 'FP32', [1, 1], [1])],
        });
        expect(json.error).to.match(/^model 'h' failed: .*Available memory of \d+ is smaller/s);
        expect(status).to.equal(500);
        expect((await call(`${url}/v2/health/ready`)).status).to.equal(200);
      });
    }
  });

  it('are replaced when they die, and what they ran is run again', async () => {
    using folder = new RepositoryFolder({ l: { model: 'loop_n' }, '.tokens': TOKEN });
    const management = managementConfig(`${folder.dir}/.tokens`);
    const config = { modelRepository: [folder.dir], workers: 2, ...management };
    await withServer(config, async (url, server) => {
      const before = await pids(server, 'l');
      expect(before).to.have.length(2);
      const requests = Array.from({ length: 8 }, () =>
        call(`${url}/v2/models/l/infer`, loop(300_000)),
      );
      await eventually(async () =>
        (await workers(server, 'l')).every(({ inFlight }) => inFlight > 0),
      );
      for (const pid of before) process.kill(pid, 'SIGKILL');
      for (const { status, json } of await Promise.all(requests)) {
        expect(status, JSON.stringify(json)).to.equal(200);
      }
      const after = await eventually(async () => {
        const now = await pids(server, 'l');
        return now.length === 2 && !now.some((pid) => before.includes(pid) || pid === 0) && now;
      });
      expect(after).to.have.length(2);
    });
  });

  it('are replaced when they exceed their memory; the request that made them is told', async () => {
    using folder = new RepositoryFolder({ b: { model: 'big_output' }, a: { model: 'add_two' } });
    const config = {
      modelRepository: [folder.dir],
      executor: 'process',
      memoryLimitBytes: 300 << 20,
    } as const;
    await withServer(config, async (url) => {
      const want = (count: number) => ({ inputs: [tensor('shape', 'INT64', [2], [count, 1])] });
      const { status, json } = await call(`${url}/v2/models/b/infer`, want(100_000_000));
      expect(json.error).to.match(
        /^model 'b' lost its executor, which exceeded its memory: \d+ of 314572800 bytes$/,
      );
      expect(status).to.equal(500);
      expect((await call(`${url}/v2/models/a/infer`, ADD)).status).to.equal(200);
      expect((await call(`${url}/v2/models/b/infer`, want(2))).json.outputs[0].data).to.deep.equal([
        0.5, 0.5,
      ]);
    });
  });
});
