/** Asks one pod over HTTP whether it is ready, as its kubelet does, but far more often. */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseStartTimes, type StartTimes } from '../plan/cold-start.ts';
import type { PodProbe } from '../plan/pod-probe.ts';

/** Milliseconds between two questions while a pod starts, and when it has said that it is ready. */
const STARTING_MS = 50;
const READY_MS = 1000;
/** Milliseconds in which a pod has to answer. */
const TIMEOUT_MS = 1000;

/** Answer of a pod: whether it is ready, and what its start took where it tells. */
export interface Readiness {
  readonly isReady: boolean;
  readonly told?: StartTimes;
}

/**
 * Asks a pod until the signal aborts, and calls `onChange` whenever it answers otherwise than before; at first it counts
 * as not ready.
 */
export async function probeReadiness(
  probe: PodProbe,
  signal: AbortSignal,
  onChange: (readiness: Readiness) => void,
): Promise<void> {
  let wasReady = false;
  while (!signal.aborted) {
    const readiness = await ask(probe, signal);
    if (signal.aborted) return;
    if (readiness.isReady !== wasReady) onChange(readiness);
    wasReady = readiness.isReady;
    const pause = wasReady ? READY_MS : STARTING_MS;
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
}

const NOT_READY: Readiness = { isReady: false };

/** Asks a pod once. Every failure is an answer: the pod is not ready. */
function ask({ address, port, path }: PodProbe, signal: AbortSignal): Promise<Readiness> {
  return new Promise((resolve) => {
    const options = { host: address, port, path, agent: false, timeout: TIMEOUT_MS, signal };
    const asked = request(options, (res) => {
      const isReady = res.statusCode !== undefined && res.statusCode >= 200 && res.statusCode < 300;
      const told = parseStartTimes([res.headers['server-timing']].flat().join());
      resolve(isReady ? { isReady, ...(told && { told }) } : NOT_READY);
      // The headers say it all, however long the body is.
      res.destroy();
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(NOT_READY));
    asked.on('close', () => resolve(NOT_READY));
    asked.end();
  });
}
