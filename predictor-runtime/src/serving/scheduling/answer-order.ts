/** Answers in the order of their requests, whatever order they are ready in. Source: Triton, preserve_ordering. */
export class AnswerOrder {
  /** Settles when all requests that came so far are answered. */
  #before: Promise<unknown> = Promise.resolve();

  /** Keeps an answer back until those of all requests before it are there, failures among them. */
  inTurn<T>(answer: Promise<T>): Promise<T> {
    const own = this.#before.then(() => answer);
    this.#before = Promise.allSettled([this.#before, answer]);
    return own;
  }
}
