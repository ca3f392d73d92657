/**
 * A value that is there at once, or a promise of it. The run of a small model takes no longer than a turn of the promise
 * queue: whoever gets the value itself goes on without that turn, and `await` takes either.
 */
export type Immediate<T> = T | Promise<T>;
