import { ModelLoadError } from '../protocol/errors.ts';

/** Shares of the models in the memory that they may take together. */

const MIB = 1 << 20;

/** Keeps how much memory each model holds, and refuses what does not fit. */
export class MemoryLedger {
  readonly #limit: number;
  readonly #held = new Map<number, number>();

  /** Starts with nothing held. @param limit in bytes; 0 is none */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return [...this.#held.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Reserves memory for a model. @throws ModelLoadError when it does not fit; nothing is reserved then. */
  reserve(id: number, bytes: number): void {
    const free = this.#limit - this.used;
    if (this.#limit > 0 && bytes > free) {
      throw new ModelLoadError(
        `needs about ${mib(bytes)} of memory, but ${mib(free)} of ${mib(this.#limit)} are free: unload a model or raise --memory_limit_bytes`,
      );
    }
    this.#held.set(id, bytes);
  }

  /** Replaces an estimate by what was measured, where that can be told. */
  measured(id: number, bytes: number): void {
    if (bytes > 0) this.#held.set(id, bytes);
  }

  release(id: number): void {
    this.#held.delete(id);
  }
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MiB`;
}
