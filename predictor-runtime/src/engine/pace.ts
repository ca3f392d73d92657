/**
 * Whether a model's next run is short enough to take the calling thread: a hop to another thread and back takes as long
 * as such a run. Judged by runs on this thread; those elsewhere tell how long they waited, too.
 */

/** In ms. */
const SHORT_MS = 0.3;
/** What takes longer than this elsewhere is not tried here. */
const TRIAL_MS = 5;
const FIRST_TRIAL = 8;
/** Of the newest run in the average. */
const WEIGHT = 0.2;

export interface RunMeasurement {
  readonly ms: number;
  /** Of the inputs. */
  readonly bytes: number;
  /** It had this thread to itself. */
  readonly here: boolean;
}

export class Pace {
  /** Of the runs here; of the last one elsewhere as long as there was none. */
  #ms = Number.POSITIVE_INFINITY;
  #bytes = 1;
  #isMeasured = false;
  #untilTrial = FIRST_TRIAL;
  /** Doubled with each trial that was not short. */
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
    if (!here) {
      if (this.#isMeasured) return;
      this.#ms = ms;
      this.#bytes = Math.max(1, bytes);
      return;
    }
    this.#ms = this.#isMeasured ? average(this.#ms, ms) : ms;
    this.#bytes = this.#isMeasured ? average(this.#bytes, bytes) : Math.max(1, bytes);
    this.#isMeasured = true;
  }
}

function average(before: number, now: number): number {
  return before * (1 - WEIGHT) + now * WEIGHT;
}
