/**
 * A budget for news that concern many services at once and change none of them. An edited runtime is such news: to
 * write it into thousands of statuses would keep everybody else from the API server.
 */

/** Size of a budget, and the clock that it lives by. */
export interface NewsBudgetOptions {
  /** Number of news that may be written at once after a time without any. */
  readonly burst: number;
  /** Milliseconds after which one more may be written. */
  readonly intervalMs: number;
  /** Returns the milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

const DEFAULTS: NewsBudgetOptions = { burst: 500, intervalMs: 1000, now: () => performance.now() };

/** Says whether a status may be written for news alone. */
export class NewsBudget {
  readonly #options: NewsBudgetOptions;
  /** Time in milliseconds at which the whole burst is there again. */
  #fullAt = Number.NEGATIVE_INFINITY;

  constructor(options: Partial<NewsBudgetOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Takes one write from the budget; returns false when none is left. */
  take(): boolean {
    const { burst, intervalMs, now } = this.#options;
    const time = now();
    const fullAt = Math.max(this.#fullAt, time) + intervalMs;
    if (fullAt - time > burst * intervalMs) return false;
    this.#fullAt = fullAt;
    return true;
  }
}
