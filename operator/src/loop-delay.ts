/** Measures how late this thread's event loop runs what is due: so long a request may have to wait for us. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds between two samples; Node counts them as delay. */
const RESOLUTION_MS = 10;

/** The delay of the event loop of the thread that makes this object. */
export class LoopDelay {
  readonly #histogram: IntervalHistogram;

  /** Starts to measure; a sample is taken every 10 ms. */
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
