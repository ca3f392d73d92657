/**
 * Buffers of a download are garbage as soon as they are written, but their memory is outside of the heap: V8 lets
 * hundreds of MiB of them gather before it looks. This makes it look in time.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes that may be thrown away before the next look. */
const GARBAGE_BYTES = 32 << 20;
/** Every so many looks one goes deeper: what waited long for the disk has grown old, and is not seen by the others. */
const DEEP = 4;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void;
let thrownAway = 0;
let looks = 0;

/** Says that Buffers of so many bytes are no longer needed. */
export function discard(bytes: number): void {
  thrownAway += bytes;
  if (thrownAway < GARBAGE_BYTES) return;
  thrownAway = 0;
  looks++;
  collect({ type: looks % DEEP === 0 ? 'major' : 'minor' });
}
