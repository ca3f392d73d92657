/** Lets a limited number of tasks run at a time; the others wait, first come, first served. */
export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** Makes a semaphore. @param count the number of tasks that may run at a time, at least 1 */
  constructor(count: number) {
    this.#free = count;
  }

  /** Runs the task when its turn comes, and returns what it returns. @throws what the task throws. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      // The place goes straight to the next in line, so that nobody who comes now can take it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
