/** Requests that go through a stage of their handling together: see `Cohort`. */

/**
 * What arrives in one turn of the event loop goes on together at its end. Each stage's code and tables then stay in the
 * processor's caches for all of them, where request after request would evict them for the next one's.
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
