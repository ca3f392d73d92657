/**
 * A pace for news that concern many services at once and change none of them. An edited runtime is such news: to
 * write it into thousands of statuses at once would keep everybody else from the API server. The first are told
 * at once, and the others one after another (the generic cell rate algorithm, with a place for each key).
 */

/** Rate of a pace, and the clock that it lives by. */
export interface NewsPaceOptions {
  /** Number of keys that are told at once after a time without news. */
  readonly burst: number;
  /** Milliseconds between two keys after that. */
  readonly intervalMs: number;
  /** Returns the milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const DEFAULTS: NewsPaceOptions = { burst: 500, intervalMs: 1000, now: () => performance.now() };

/** Says for each key when its news may be written. */
export class NewsPace {
  readonly #options: NewsPaceOptions;
  /** Times of the keys that wait, in milliseconds of the clock. */
  readonly #due = new Map<string, number>();
  /** Time of the next key's place at an even pace. */
  #next = 0;

  constructor(options: Partial<NewsPaceOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Returns the milliseconds that `key` has to wait; 0 means that its news may be written now. */
  wait(key: string): number {
    const now = this.#options.now();
    const due = this.#due.get(key) ?? this.#take(now);
    if (due > now) {
      this.#due.set(key, due);
      return due - now;
    }
    this.#due.delete(key);
    return 0;
  }

  /** Forgets a key that has no news any more, or has been told with something else. */
  forget(key: string): void {
    this.#due.delete(key);
  }

  #take(now: number): number {
    const { burst, intervalMs } = this.#options;
    const place = Math.max(this.#next, now - (burst - 1) * intervalMs);
    this.#next = place + intervalMs;
    return place;
  }
}
