/** Gathers triggers into one call: `run` is called once, `ms` milliseconds after the first of them. */
export class Debounce {
  readonly #ms: number;
  readonly #run: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number, run: () => void) {
    this.#ms = ms;
    this.#run = run;
  }

  /** Asks for a call of `run`; it is the one that waits already, if one does. */
  trigger(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#run();
    }, this.#ms);
  }
}
