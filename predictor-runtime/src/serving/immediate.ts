/**
 * A value that is there at once, or a promise of it. A small model runs in less time than the turns of the promise
 * queue that `await` would take at every layer: a layer that gets the value itself hands the value on.
 */
export type Immediate<T> = T | Promise<T>;

/** Applies a function to a value as soon as it is there, and that is at once for one that is no promise. */
export function after<T, R>(value: Immediate<T>, use: (value: T) => R): Immediate<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}
