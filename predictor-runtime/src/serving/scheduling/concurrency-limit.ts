/**
 * The limit of requests that all models of the server run at once, whatever transport they came by. Each model's
 * requests wait in its own queue; a place that gets free goes to the request that has waited longest.
 */

/** Requests of one model version that wait for places. */
export interface LimitedLine {
  /** Returns when the request came that is next, as `performance.now()` tells it; Infinity when none waits. */
  next(): number;
  /** Starts requests that can go together, if there are any, and takes their places. */
  start(): void;
}

/** Shares a number of places among the requests of all models. */
export class ConcurrencyLimit {
  #free: number;
  /** Lines that want places; there are none while a place is free, so that nobody overtakes. */
  readonly #waiting = new Set<LimitedLine>();

  /** Makes a limit. @param places most requests at once, at least 1 */
  constructor(places: number) {
    this.#free = places;
  }

  /** Number of requests that may start now. */
  get free(): number {
    return this.#free;
  }

  /** True while some line waits for places. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** Takes places for requests that start, of those that are free. */
  take(places: number): void {
    this.#free -= places;
  }

  /** Has a line start when its next request is the oldest of all and there is a place. */
  wait(line: LimitedLine): void {
    this.#waiting.add(line);
  }

  /** Gives back the places of a line's requests whose run has ended, and starts those that wait, also of that line. */
  giveBack(line: LimitedLine, places: number): void {
    this.#free += places;
    this.#waiting.add(line);
    while (this.#free > 0 && this.#waiting.size > 0) {
      const [oldest] = [...this.#waiting].sort((a, b) => a.next() - b.next());
      if (oldest === undefined) return;
      this.#waiting.delete(oldest);
      // A line that has more requests waits again.
      oldest.start();
    }
  }
}
