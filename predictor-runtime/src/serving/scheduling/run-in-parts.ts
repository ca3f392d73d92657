/** Runs of a request that has more rows than a run may have. */
import { ExecutorError } from '../../engine/executor.ts';
import type { ExecutorPool } from '../../engine/executor-pool.ts';
import { RowError } from '../../protocol/errors.ts';
import type { Tensor } from '../../protocol/v2/types.ts';
import { concat, slice } from './batch.ts';

/** Executors of the runs, and sizes. */
export interface PartsOptions {
  readonly pool: ExecutorPool;
  /** Number of rows of the request. */
  readonly total: number;
  /** Most rows of a run. */
  readonly maxRows: number;
  readonly signal: AbortSignal | undefined;
}

/** Runs a request part by part, and returns the whole outputs. @throws ExecutorError, RowError. */
export async function runInParts(
  inputs: readonly Tensor[],
  names: readonly string[],
  { pool, total, maxRows, signal }: PartsOptions,
): Promise<Tensor[]> {
  const parts: Tensor[][] = [];
  for (let start = 0; start < total; start += maxRows) {
    const end = Math.min(start + maxRows, total);
    const part = slice(inputs, start, end);
    const outputs = await pool.dispatch(part, names, { signal }).catch((error: unknown) => {
      throw error instanceof RowError ? error.after(start) : error;
    });
    const odd = outputs.find(({ shape }) => shape[0] !== end - start);
    if (odd !== undefined) {
      throw new ExecutorError(
        'failed',
        `output '${odd.name}' has no row for each row of the request, which is larger than max_batch_size ${maxRows}`,
      );
    }
    parts.push(outputs);
  }
  return [...concat(parts)];
}
