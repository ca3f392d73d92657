/**
 * A work queue with client-go's semantics: a key waits once, is worked on by one worker at a time, and comes again
 * when it was added meanwhile. Each key's failures back off exponentially.
 */

/** Delays of a queue, and the clock that it lives by. */
export interface WorkQueueOptions {
  /** Milliseconds before the first retry; the delay doubles with each failure in a row. */
  readonly baseDelay: number;
  /** Milliseconds that a retry waits at most. */
  readonly maxDelay: number;
  /** Runs `fn` after `ms`; injected so that tests own time. */
  readonly delay: (fn: () => void, ms: number) => void;
  /** Returns the milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const DEFAULTS: WorkQueueOptions = {
  baseDelay: 50,
  maxDelay: 60_000,
  delay: (fn, ms) => {
    setTimeout(fn, ms).unref();
  },
  now: () => performance.now(),
};

/** Hands out keys to workers, each key to one worker at a time. */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #processing = new Set<string>();
  /** Keys that were added while a worker had them. */
  readonly #dirty = new Set<string>();
  readonly #failures = new Map<string, number>();
  /** Time at which a key is to come again by itself, in milliseconds of the clock. */
  readonly #due = new Map<string, number>();
  /** Workers that wait for a key. */
  readonly #idle: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor(options: Partial<WorkQueueOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Number of keys that wait for a worker. */
  get length(): number {
    return this.#waiting.size;
  }

  /** Adds `key`, unless it waits already; one that is being worked on comes again afterwards. */
  add(key: string): void {
    if (this.#closed) return;
    if (this.#processing.has(key)) {
      this.#dirty.add(key);
      return;
    }
    const worker = this.#idle.shift();
    if (worker === undefined) {
      this.#waiting.add(key);
    } else {
      this.#processing.add(key);
      worker(key);
    }
  }

  /** Adds `key` after `ms` milliseconds. When it is called again before, the earliest time counts. */
  addAfter(key: string, ms: number): void {
    const due = this.#options.now() + ms;
    if ((this.#due.get(key) ?? Number.POSITIVE_INFINITY) <= due) return;
    this.#due.set(key, due);
    this.#options.delay(() => {
      if (this.#due.get(key) !== due) return;
      this.#due.delete(key);
      this.add(key);
    }, ms);
  }

  /** Adds `key` again after a delay that doubles with each failure in a row. */
  retry(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const { baseDelay, maxDelay } = this.#options;
    this.addAfter(key, Math.min(maxDelay, baseDelay * 2 ** Math.min(failures, 30)));
  }

  /** Forgets the failures of `key`: its next retry comes after `baseDelay` again. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /**
   * Resolves with the next key, which is then worked on until `done`; with undefined once the queue is
   * closed.
   */
  next(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const [key] = this.#waiting;
    if (key === undefined) return new Promise((resolve) => this.#idle.push(resolve));
    this.#waiting.delete(key);
    this.#processing.add(key);
    return Promise.resolve(key);
  }

  /** Ends the work on a key that `next` has given; it comes again if it was added meanwhile. */
  done(key: string): void {
    this.#processing.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
  }

  /** Gives out no more keys: waiting workers get undefined. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    for (const worker of this.#idle.splice(0)) worker(undefined);
  }
}
