/**
 * Has V8 collect its young generation after many bytes of bodies. Node copies each part of a body to memory outside of
 * V8's heap, which is freed together with a small object inside. V8 counts that memory, and after 64 MiB, a hundred
 * requests of a large tensor, collects the whole heap. But those objects are all young, and a collection of the young
 * generation frees them in a fraction of the time (docs/benchmarks-profile.md). Remove when large bodies are no slower
 * without it: `npm run bench -- --only tensor-binary`.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A quarter of the size at which V8 collects everything, because bodies that are under way outlive a collection. */
const BYTES = 16 << 20;

let received = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/** Counts a body whose parts are no longer needed, and collects once enough bytes of them have come. */
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
