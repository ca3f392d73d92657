/**
 * The next action for the versions of one model: pure, one action at a time. Source: TensorFlow Serving,
 * AvailabilityPreservingPolicy and ResourcePreservingPolicy.
 */

/** Rule for the order of loads and unloads; `nextAction` says what each means. */
export type TransitionPolicy = 'availability' | 'resource';

/** A version that exists: wanted or not, and where it is in its life. */
export interface VersionState {
  readonly version: number;
  /** Number that tells a version from one of the same number that is to replace it; it grows with time. */
  readonly id: number;
  readonly aspired: boolean;
  /**
   * Phase of the version's life. `new` has not been loaded; `failed` could not be, and is not tried again until it is
   * aspired anew.
   */
  readonly phase: 'new' | 'loading' | 'available' | 'unloading' | 'failed';
}

/** Change of one version. */
export type Action =
  | { readonly kind: 'load'; readonly id: number }
  | { readonly kind: 'unload'; readonly id: number };

/**
 * Returns the next action; undefined when there is nothing to do but wait. With `availability` an unwanted version goes
 * only when a wanted one serves, or none is wanted: one always serves, two may be in memory. With `resource` unwanted
 * versions go first, so that no two are in memory, and nothing serves between.
 */
export function nextAction(
  versions: readonly VersionState[],
  policy: TransitionPolicy,
): Action | undefined {
  const sorted = [...versions].sort((a, b) => a.version - b.version || a.id - b.id);
  const unwanted = sorted.filter(({ aspired, phase }) => !aspired && phase === 'available');
  const wanted = sorted.filter(({ aspired }) => aspired);
  const toLoad = wanted.findLast(({ phase }) => phase === 'new');
  const load: Action | undefined = toLoad && { kind: 'load', id: toLoad.id };
  const [oldest] = unwanted;
  if (oldest === undefined) {
    const leaving = sorted.some(({ aspired, phase }) => !aspired && phase === 'unloading');
    return policy === 'resource' && leaving ? undefined : load;
  }
  const mayUnload =
    policy === 'resource' ||
    wanted.length === 0 ||
    unwanted.length > 1 ||
    wanted.some(({ phase }) => phase === 'available');
  return mayUnload ? { kind: 'unload', id: oldest.id } : load;
}
