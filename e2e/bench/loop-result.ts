/** What a closed loop of clients has seen, on standard output: latencies in ms, of the time after the warm-up. */
export interface LoopResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

/** Enough for quantiles, however long it takes. */
const MAX_LATENCIES = 5_000_000;

export class LoopRecord {
  readonly #from: number;
  readonly #latencies: number[] = [];
  #requests = 0;

  /** @param from when the warm-up is over, by the clock of `performance` */
  constructor(from: number) {
    this.#from = from;
  }

  add(sentAt: number, now: number): void {
    if (now <= this.#from) return;
    this.#requests++;
    if (this.#latencies.length < MAX_LATENCIES) this.#latencies.push(now - sentAt);
  }

  print(): void {
    const sorted = this.#latencies.sort((a, b) => a - b);
    const quantile = (q: number) => sorted[Math.floor(q * (sorted.length - 1))] ?? Number.NaN;
    const result: LoopResult = {
      requests: this.#requests,
      seconds: (performance.now() - this.#from) / 1000,
      p50: quantile(0.5),
      p99: quantile(0.99),
    };
    console.log(JSON.stringify(result));
  }
}
