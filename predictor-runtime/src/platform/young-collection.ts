/**
 * Node copies each part of a body to memory outside of V8's heap, which is freed with a small object inside. V8 counts it,
 * and after 64 MiB collects the whole heap, a hundred requests of a large tensor later; but those objects are all young,
 * and a collection of the young generation, which frees them as well, takes a fraction of the time.
 * Measured: docs/benchmarks-profile.md.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A quarter of what makes V8 collect everything: bodies that are under way outlive a collection. */
const BYTES = 16 << 20;

let received = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/** Counts a body whose parts are no longer needed, and collects when there are enough of them. */
export function countReceived(bytes: number): void {
  received += bytes;
  if (received < BYTES) return;
  received = 0;
  setImmediate(collectYoung);
}

function collectYoung(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as NonNullable<typeof collect>;
  }
  collect({ type: 'minor' });
}
