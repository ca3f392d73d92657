/** Answers kept for requests that come again, and one run for equal requests that come at the same time. */
import { createHash } from 'node:crypto';
import type { Tensor } from '../../protocol/v2/types.ts';

/** Keeps answers by their requests' keys, within a number of bytes. */
export class ResponseCache {
  readonly #maxBytes: number;
  /** Kept answers in the order of their last use. */
  readonly #entries = new Map<string, { outputs: Tensor[]; bytes: number }>();
  readonly #running = new Map<string, Promise<Tensor[]>>();
  #bytes = 0;

  /** Starts without any answer. @param maxBytes size of all outputs kept; the least recently used ones go first */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Returns the outputs for `key`: kept, under way for another caller, or made now. A failure is not kept. */
  async get(
    key: string,
    make: () => Promise<Tensor[]>,
  ): Promise<{ outputs: Tensor[]; hit: boolean }> {
    const kept = this.#entries.get(key);
    if (kept !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, kept);
      return { outputs: kept.outputs, hit: true };
    }
    const running = this.#running.get(key);
    if (running !== undefined) return { outputs: await running, hit: true };
    const promise = make();
    this.#running.set(key, promise);
    try {
      const outputs = await promise;
      this.#keep(key, outputs);
      return { outputs, hit: false };
    } finally {
      this.#running.delete(key);
    }
  }

  #keep(key: string, outputs: Tensor[]): void {
    const bytes = outputs.reduce((sum, { data }) => sum + sizeOf(data), key.length);
    if (bytes > this.#maxBytes) return;
    this.#entries.set(key, { outputs, bytes });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#entries.delete(oldest);
      this.#bytes -= entry.bytes;
    }
  }
}

function sizeOf(data: Tensor['data']): number {
  return Array.isArray(data) ? data.reduce((sum, { length }) => sum + length, 0) : data.byteLength;
}

/** Makes the key of a request to one loaded version: equal exactly when its tensors and wanted outputs are. */
export function cacheKey(
  servable: string,
  inputs: readonly Tensor[],
  outputs: readonly string[],
): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([servable, outputs]));
  for (const { name, datatype, shape, data } of inputs) {
    hash.update(JSON.stringify([name, datatype, shape]));
    if (!Array.isArray(data)) hash.update(data);
    else for (const bytes of data) hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest('base64');
}
