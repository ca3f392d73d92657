/**
 * A value that is there at once, or a promise of it. A small model runs in less time than the turns of the promise
 * queue that `await` would take at every layer: a layer that gets the value itself hands the value on.
 */
export type Immediate<T> = T | Promise<T>;
