/**
 * Sums in one-second buckets and their average over a sliding window. Source: knative/serving
 * pkg/autoscaler/aggregation/bucketing.go (TimedFloat64Buckets).
 */
export class Window {
  readonly #sums: number[];
  #first = 0;
  /** Second of the newest bucket; -1 before the first write. */
  #last = -1;

  /** Makes an empty window. @param seconds length of the window, a whole number of at least 1 */
  constructor(seconds: number) {
    this.#sums = new Array<number>(seconds).fill(0);
  }

  /** Forgets everything that was written. */
  clear(): void {
    this.#sums.fill(0);
    this.#last = -1;
  }

  /** Adds `value` to the bucket of `now` (milliseconds); older than the window is ignored. */
  record(now: number, value: number): void {
    const size = this.#sums.length;
    const second = Math.floor(now / 1000);
    if (this.#last === -1 || second - this.#last >= size) {
      this.#sums.fill(0);
      this.#first = second;
      this.#last = second;
    } else if (second <= this.#last - size) {
      return;
    }
    for (let s = this.#last + 1; s <= second; s++) this.#sums[s % size] = 0;
    this.#last = Math.max(this.#last, second);
    this.#first = Math.min(this.#first, second);
    this.#sums[second % size] = (this.#sums[second % size] ?? 0) + value;
  }

  /** Counts the seconds from `from` to `to` (milliseconds) as 0, as far as the window reaches back. */
  recordQuiet(from: number, to: number): void {
    const start = Math.max(from, to - (this.#sums.length - 1) * 1000);
    for (let at = start; at <= to; at += 1000) this.record(at, 0);
  }

  /** True when nothing was written for longer than the window. */
  isEmpty(now: number): boolean {
    return this.#last === -1 || Math.floor(now / 1000) - this.#last > this.#sums.length;
  }

  /**
   * Returns the mean per second at `now`. Seconds without a write count as 0 between writes, but a missing tail
   * does not count at all; rounded to 6 digits.
   * @param seconds length of the part of the window that counts, the whole by default
   */
  average(now: number, seconds = this.#sums.length): number {
    const size = this.#sums.length;
    const second = Math.floor(now / 1000);
    const gap = Math.max(0, second - this.#last);
    const counted = Math.min(seconds, size);
    if (this.#last === -1 || gap >= counted) return 0;
    const buckets = Math.min(this.#last - this.#first + 1, counted - gap);
    let sum = 0;
    for (let s = this.#last - buckets + 1; s <= this.#last; s++) sum += this.#sums[s % size] ?? 0;
    return Math.round((sum / buckets) * 1e6) / 1e6;
  }
}
