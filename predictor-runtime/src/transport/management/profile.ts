/** Profiles of the server's own process, in the formats that Chrome's developer tools open. */
import { Session } from 'node:inspector/promises';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { getHeapSnapshot } from 'node:v8';
import { invalid } from '../../protocol/errors.ts';

const MAX_SECONDS = 300;

/** Records what the process spends its time on, for `seconds` from now. @throws InferenceError INVALID_ARGUMENT. */
export async function cpuProfile(seconds: number): Promise<string> {
  if (seconds < 1 || seconds > MAX_SECONDS) {
    throw invalid(`seconds: expected 1 to ${MAX_SECONDS}, got ${seconds}`);
  }
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    await delay(seconds * 1000);
    const { profile } = await session.post('Profiler.stop');
    return JSON.stringify(profile);
  } finally {
    session.disconnect();
  }
}

/** Writes what the process's JavaScript heap holds; the process stands still meanwhile. */
export function heapSnapshot(into: Writable): Promise<void> {
  return pipeline(getHeapSnapshot(), into);
}
