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
    const size = Math.max(1, bytes);
    if (here) {
      this.#ms = this.#isMeasured ? average(this.#ms, ms) : ms;
      this.#bytes = this.#isMeasured ? average(this.#bytes, size) : size;
      this.#isMeasured = true;
      return;
    }
    // A run elsewhere takes no less than it would here: one that was held up here, by something else, is forgotten.
    if (this.#isMeasured && ms / size >= this.#ms / this.#bytes) return;
    this.#ms = ms;
    this.#bytes = size;
  }
}

function average(before: number, now: number): number {
  return before * (1 - WEIGHT) + now * WEIGHT;
}
