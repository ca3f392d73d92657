/** Which core runs what, so that a generator takes nothing of the time of the server that it asks. */
import { availableParallelism } from 'node:os';

/** Cores of this machine. */
export const CPUS = availableParallelism();
/** Core of a server under load, and that of the generator that asks it. */
export const SERVER_CORE = 0;
export const CLIENT_CORE = 1;

/** Returns a command and its arguments, bound to one core by `taskset` where one is told. */
export function pinned(
  core: number | undefined,
  command: string,
  args: readonly string[],
): [string, readonly string[]] {
  return core === undefined ? [command, args] : ['taskset', ['-c', String(core), command, ...args]];
}
