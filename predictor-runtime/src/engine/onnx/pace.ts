/**
 * The pace of a model: whether its next run is short enough to take the calling thread, as a hop to another thread and
 * back takes as long as such a run. Runs on this thread decide; runs elsewhere tell how long they waited, too.
 */

/** Time below which a run is short, in ms. */
const SHORT_MS = 0.3;
/** Time of a run elsewhere above which it is not tried here, in ms. */
const TRIAL_MS = 5;
const FIRST_TRIAL = 8;
/** Weight of the newest run in the average. */
const WEIGHT = 0.2;

/** Time that one run took, and its circumstances. */
export interface RunMeasurement {
  readonly ms: number;
  /** Total size of the inputs, in bytes. */
  readonly bytes: number;
  /** True when the run had this thread to itself. */
  readonly here: boolean;
}

/** Keeps what the runs of a model took, and says whether the next one is short. */
export class Pace {
  /** Average time of the runs here, in ms; while there was none, the time of the last run elsewhere. */
  #ms = Number.POSITIVE_INFINITY;
  #bytes = 1;
  #isMeasured = false;
  #untilTrial = FIRST_TRIAL;
  /** Number of runs until the trial after the next; each trial that was not short doubles it. */
  #nextTrial = FIRST_TRIAL;

  isShort(bytes: number): boolean {
    // More input takes longer, at the most in proportion.
    const expected = this.#ms * Math.max(1, bytes / this.#bytes);
    if (this.#isMeasured && expected < SHORT_MS) return true;
    if (expected >= TRIAL_MS || --this.#untilTrial > 0) return false;
    this.#nextTrial *= 2;
    this.#untilTrial = this.#nextTrial;
    return true;
  }

  took({ ms, bytes, here }: RunMeasurement): void {
    const size = Math.max(1, bytes);
    if (here) {
      this.#ms = this.#isMeasured ? average(this.#ms, ms) : ms;
      this.#bytes = this.#isMeasured ? average(this.#bytes, size) : size;
      this.#isMeasured = true;
      return;
    }
    // A run elsewhere takes no less than it would here. If it was faster, the runs here were held up by something else: forget them.
    if (this.#isMeasured && ms / size >= this.#ms / this.#bytes) return;
    this.#ms = ms;
    this.#bytes = size;
  }
}

function average(before: number, now: number): number {
  return before * (1 - WEIGHT) + now * WEIGHT;
}
