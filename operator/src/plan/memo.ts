/** Results kept for as long as the object that they were computed from. */

/**
 * Returns a function that computes once for each object, by identity. It is for pure functions of objects that
 * never change: those of the caches are replaced, not changed.
 */
export function memoByObject<T extends object, R>(compute: (object: T) => R): (object: T) => R {
  const results = new WeakMap<T, R>();
  return (object) => {
    const known = results.get(object);
    if (known !== undefined) return known;
    const result = compute(object);
    results.set(object, result);
    return result;
  };
}
