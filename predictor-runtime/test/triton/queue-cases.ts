/** Queue policies: several requests at once, and what becomes of each. */
import type { Case, Compared } from './compared.ts';

/** A request that sleeps for as long as it says. */
interface Sleep {
  readonly ms: number;
  readonly parameters?: object;
}

/** Time from one request to the next, in ms: each is in the queue before the next comes. */
const STEP_MS = 60;

async function send({ url }: Compared, model: string, { ms, parameters }: Sleep): Promise<number> {
  const inputs = [{ name: 'ms', datatype: 'INT32', shape: [1, 1], data: [ms] }];
  const reply = await fetch(`${url}/v2/models/${model}/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs, parameters }),
  });
  await reply.arrayBuffer();
  return reply.status;
}

/**
 * Sends requests one after the other, and tells what became of each, and the order of those that were served. When a
 * request is refused is no part of it: Triton looks for late ones when its batcher happens to wake.
 */
function ends(title: string, model: string, sleeps: readonly Sleep[]): Case {
  return {
    title: `queue: ${title}`,
    async ask(server) {
      const served: number[] = [];
      const all = sleeps.map(async (sleep, i) => {
        await new Promise((resolve) => setTimeout(resolve, i * STEP_MS));
        const status = await send(server, model, sleep);
        if (status === 200) served.push(i);
        return status;
      });
      return { statuses: await Promise.all(all), served };
    },
  };
}

const hasTimeout = (timeout: number) => ({ parameters: { timeout } });

export const QUEUE_CASES: readonly Case[] = [
  ends('a run longer than the wait', 'reject', [{ ms: 400 }]),
  ends('a wait that is too long', 'reject', [{ ms: 800 }, { ms: 1 }]),
  ends('a wait that the request shortens', 'reject', [
    { ms: 800 },
    { ms: 1, ...hasTimeout(10_000) },
  ]),
  ends('a wait that the request may not lengthen', 'reject', [
    { ms: 800 },
    { ms: 1, ...hasTimeout(9_000_000) },
  ]),
  ends('a short timeout without a wait', 'reject', [{ ms: 300, ...hasTimeout(10_000) }]),
  ends('a request that is late', 'delay', [{ ms: 500 }, { ms: 50 }, { ms: 50 }]),
  ends('a full queue', 'short', [{ ms: 900 }, { ms: 1 }, { ms: 1 }, { ms: 1 }]),
  ends('a timeout where the policy has none', 'short', [
    { ms: 300 },
    { ms: 1, ...hasTimeout(10_000) },
  ]),
  ends('priorities', 'levels', [
    { ms: 500 },
    { ms: 100 },
    { ms: 1, parameters: { priority: 2 } },
    { ms: 1, parameters: { priority: 1 } },
  ]),
  ends('a priority that there is not', 'levels', [{ ms: 1, parameters: { priority: 9 } }]),
];
