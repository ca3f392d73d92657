/** How late the event loop of this thread runs what is due: what a request may have to wait for us. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds between two looks; Node counts them as delay. */
const RESOLUTION_MS = 10;

export class LoopDelay {
  readonly #histogram: IntervalHistogram;

  /** Measures from now on. */
  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
  }

  /** Returns the 99th percentile of the delay since the last call, in seconds. */
  takeP99Seconds(): number {
    const p99Ms = this.#histogram.percentile(99) / 1e6;
    this.#histogram.reset();
    return Math.max(0, p99Ms - RESOLUTION_MS) / 1000;
  }
}
