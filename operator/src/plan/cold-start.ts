/**
 * The parts of a cold start, from the first request that waits until it is let go:
 *
 *   decision   scheduling   sandbox   process   download   load   probe   push   release
 *
 * Each begins where the one before it ends, so that they add up to the whole (docs: autoscaling.md).
 */

/** The parts of a cold start, in their order. */
export const COLD_START_PHASES = [
  'decision',
  'scheduling',
  'sandbox',
  'process',
  'download',
  'load',
  'probe',
  'push',
  'release',
] as const;

/** Name of one part of a cold start. */
export type ColdStartPhase = (typeof COLD_START_PHASES)[number];

/** Times in milliseconds at which an operator saw what happened in one cold start; undefined is not seen. */
export interface ColdStartMarks {
  /** The first request began to wait. */
  readonly heldAt: number;
  /** The API server confirmed the replicas. */
  readonly wokenAt?: number;
  /** True where the pod is one of a warm pool: it was known to be ready when it had loaded its model. */
  readonly standsIn?: boolean;
  /** The pod had a node. */
  readonly scheduledAt?: number;
  /** The pod's server ran. */
  readonly runningAt?: number;
  /** The pod was known to be ready. */
  readonly readyAt?: number;
  /** Times that the pod's server told of its start at `readyAt`. */
  readonly told?: StartTimes;
  /** The request's router had confirmed the pod's address. */
  readonly acknowledgedAt: number;
  /** The request was let go. */
  readonly releasedAt: number;
}

/** Milliseconds that the parts of a server's start took, as Wherry's runtime tells them, and since its process runs. */
export interface StartTimes {
  readonly process: number;
  readonly download: number;
  readonly load: number;
  readonly uptime: number;
}

/**
 * Returns the seconds of each part of a cold start. What took place before the first request waited counts nothing. The
 * parts that cannot be told apart are left out, and their time is in the one before: a server that tells nothing of its
 * start has all of it in `process`.
 */
export function coldStartPhases(marks: ColdStartMarks): Map<ColdStartPhase, number> {
  const { heldAt, wokenAt, scheduledAt, readyAt, told, acknowledgedAt, releasedAt } = marks;
  const ends: Record<ColdStartPhase, number | undefined> = {
    decision: wokenAt,
    scheduling: marks.standsIn ? undefined : scheduledAt,
    ...serverEnds(marks),
    probe: told === undefined ? undefined : readyAt,
    push: acknowledgedAt,
    release: releasedAt,
  };
  const phases = new Map<ColdStartPhase, number>();
  let from = heldAt;
  for (const phase of COLD_START_PHASES) {
    const end = ends[phase];
    if (end === undefined) continue;
    // Clocks that were set, and news that came in another order, make no negative time.
    const until = Math.max(from, Math.min(end, releasedAt));
    phases.set(phase, (until - from) / 1000);
    from = until;
  }
  return phases;
}

function serverEnds({
  runningAt,
  readyAt,
  told,
  standsIn,
}: ColdStartMarks): Record<'sandbox' | 'process' | 'download' | 'load', number | undefined> {
  if (standsIn) {
    return { sandbox: undefined, process: undefined, download: undefined, load: readyAt };
  }
  if (told === undefined || readyAt === undefined) {
    return { sandbox: runningAt, process: readyAt, download: undefined, load: undefined };
  }
  const sandbox = readyAt - told.uptime;
  const process = sandbox + told.process;
  const download = process + told.download;
  return { sandbox, process, download, load: download + told.load };
}

/** Reads the times of a start from a `Server-Timing` header; undefined where it does not tell all of them. */
export function parseStartTimes(header: string | undefined): StartTimes | undefined {
  const told = new Map(
    [...(header ?? '').matchAll(/(\w+);dur=([\d.]+)/g)].map(([, name, ms]) => [name, Number(ms)]),
  );
  const [process, download, load, uptime] = ['process', 'download', 'load', 'uptime'].map((name) =>
    told.get(name),
  );
  return process === undefined ||
    download === undefined ||
    load === undefined ||
    uptime === undefined
    ? undefined
    : { process, download, load, uptime };
}
