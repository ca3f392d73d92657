/**
 * Lets requests that arrive together go through each stage of their handling together. Remove when one row of iris is
 * no slower without it: `npm run bench -- --only iris` (docs/adr/0006-engine-through-the-c-api.md has the figures).
 */

/**
 * Requests that arrive in one turn of the event loop, and go on together at its end. Each stage's code and tables then
 * stay in the processor's caches for all of them; one request after the other would evict them each time.
 */
export class Cohort {
  #gathering: PromiseWithResolvers<void> | undefined;

  /** Settles at the end of this turn of the event loop, when all its requests have arrived. */
  gathered(): Promise<void> {
    if (this.#gathering === undefined) {
      const gathering = Promise.withResolvers<void>();
      this.#gathering = gathering;
      setImmediate(() => {
        this.#gathering = undefined;
        gathering.resolve();
      });
    }
    return this.#gathering.promise;
  }
}
