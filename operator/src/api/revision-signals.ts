/**
 * Signals of revisions, as routers measure them: how requests ended, and how long the answers took. They are plain
 * data, which cross threads and streams, and signals of several routers and periods add up.
 */
import type { RevisionRef } from './revision.ts';

/** Ways in which a request of a revision ends; each request ends in exactly one. */
export const OUTCOMES = [
  /** The pod has answered below 400, over gRPC with OK. */
  'success',
  /** The pod has answered 4xx, or a gRPC status that blames the caller. */
  'client_error',
  /** The pod has answered 5xx, or a gRPC status that blames the server. */
  'server_error',
  /** The router has waited for longer than the route's timeout, or too long for the next byte. */
  'timeout',
  /** The pod took no connection, or its connection broke before the answer was whole. */
  'reset',
  /** No pod was there to send the request to. */
  'no_pod',
  /** The request was held, and refused because it waited for too long or too many did. */
  'refused',
  /** The client has gone, or has cancelled the gRPC call. */
  'cancelled',
] as const;

/** A way in which a request of a revision ends. */
export type Outcome = (typeof OUTCOMES)[number];

/** Numbers of requests by how they ended; an outcome that did not occur may be left out. */
export type OutcomeCounts = Readonly<Partial<Record<Outcome, number>>>;

/** Ten bounds for each power of ten: the next one is 1.20 to 1.33 times as large (Renard's R10). */
const STEPS = [1, 1.2, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8];

/**
 * Upper bounds in microseconds, ascending, of the buckets in which latencies are counted: from 0.1 ms to 1000 s. The
 * routers' bootstrap has the same list.
 */
export const LATENCY_BOUNDS: readonly number[] = [
  ...[2, 3, 4, 5, 6, 7, 8].flatMap((power) => STEPS.map((step) => Math.round(step * 10 ** power))),
  1e9,
];

/**
 * Numbers of latencies by the index of their bucket in `LATENCY_BOUNDS`; a bucket without any may be left out. The
 * bucket after the last bound has the index of its length.
 */
export type LatencyCounts = Readonly<Record<number, number>>;

/** Signals of one revision in one period. */
export interface Signals {
  readonly outcomes: OutcomeCounts;
  /**
   * Latencies of the successes, each from the last byte of the request that went to the pod to the last byte of its
   * answer; one that was whole before its request has none.
   */
  readonly latency: LatencyCounts;
  /** Sum of these latencies in seconds, to about one percent. */
  readonly latencySeconds: number;
}

/** Signals of one revision since the router's last report. */
export interface RevisionSignals extends Signals {
  readonly ref: RevisionRef;
}

/** Signals that one router has counted since its last report, which it sends every second. */
export interface SignalReport {
  /** Name of the router, which is that of its pod. */
  readonly router: string;
  /** Identifies the connection of the router, among all control planes. */
  readonly stream: string;
  /** Number of the report on that connection, from 0: where one is missing, requests are. */
  readonly sequence: number;
  /** Signals of the revisions whose requests have ended; every other revision had none that did. */
  readonly revisions: readonly RevisionSignals[];
}
