/** The program of a worker thread: evaluates rows with a model whose weights another thread has read. */
import { parentPort, workerData } from 'node:worker_threads';
import { openShared } from '../../formats/tabular-file.ts';
import type { TabularOutput } from '../../formats/tabular-model.ts';
import { RowError } from '../../protocol/errors.ts';
import type { ThreadReply, ThreadRequest } from './tabular-threads.ts';

async function main(): Promise<void> {
  const { outputs } = await openShared(workerData.model, workerData.place);
  const byName = new Map(outputs.map((output) => [output.name, output]));
  parentPort?.on('message', (request: ThreadRequest) =>
    parentPort?.postMessage(evaluate(request, byName)),
  );
  parentPort?.postMessage({ kind: 'ready' } satisfies ThreadReply);
}

function evaluate(
  { id, table, outputs: names }: ThreadRequest,
  byName: ReadonlyMap<string, TabularOutput>,
): ThreadReply {
  const started = performance.now();
  try {
    const values = names.map((name) => (byName.get(name) as TabularOutput).compute(table));
    return { kind: 'done', id, values, ms: performance.now() - started };
  } catch (error) {
    if (error instanceof RowError) {
      return { kind: 'refused', id, row: error.row, problem: error.problem };
    }
    return { kind: 'failed', id, message: (error as Error).message };
  }
}

// An error here ends the thread, and its owner hears of it.
void main();
