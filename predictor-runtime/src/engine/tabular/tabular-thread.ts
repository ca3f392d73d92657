/** The program of a worker thread: evaluates rows with a model whose weights another thread has read. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Table } from '../../formats/table.ts';
import { openShared } from '../../formats/tabular-file.ts';
import type { TabularOutput } from '../../formats/tabular-model.ts';
import { RowError } from '../../protocol/errors.ts';
import { originOf } from './request-table.ts';
import type { ThreadReply, ThreadRequest } from './tabular-threads.ts';

async function main(): Promise<void> {
  const model = await openShared(workerData.model, workerData.place);
  const origin = originOf(model);
  const byName = new Map(model.outputs.map((output) => [output.name, output]));
  parentPort?.on('message', ({ table, ...request }: ThreadRequest) =>
    parentPort?.postMessage(evaluate({ ...request, table: { ...table, origin } }, byName)),
  );
  parentPort?.postMessage({ kind: 'ready' } satisfies ThreadReply);
}

function evaluate(
  { id, table, outputs: names }: ThreadRequest & { readonly table: Table },
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
