/** Translates Envoy's load statistics into what the autoscaler knows. */
import type { RevisionRef } from '../api/revision.ts';
import type { ClusterLoad, LoadReport } from '../api/route-table.ts';
import type { Message } from './protos.ts';

interface ClusterStats {
  cluster_name: string;
  upstream_locality_stats?: {
    total_requests_in_progress?: number;
    total_issued_requests?: number;
  }[];
  load_report_interval?: { seconds?: number; nanos?: number } | null;
}

/** The shortest period of a rate, in seconds: in a shorter one a single request would look like a burst. */
const LEAST_SECONDS = 0.1;

/** One load report as Envoy sent it, with what its translation needs. */
export interface LoadMessage {
  /** The name of the router. */
  readonly router: string;
  /** An envoy.service.load_stats.v3.LoadStatsRequest as a plain object. */
  readonly message: Message;
  /** Returns the revision that a cluster sends to; a cluster without one is left out of the report. */
  readonly revision: (cluster: string) => RevisionRef | undefined;
}

/**
 * Drops the clusters that have had no request from a LoadStatsRequest. Envoy names every cluster in every report,
 * and most of many have nothing to tell; it has no locality for those.
 */
export function dropQuiet(message: Message): void {
  const stats = (message.cluster_stats as ClusterStats[] | undefined) ?? [];
  message.cluster_stats = stats.filter(
    ({ upstream_locality_stats = [] }) => upstream_locality_stats.length > 0,
  );
}

/** Translates one report; each cluster has its own period, as Envoy measures them apart. */
export function loadReport({ router, message, revision }: LoadMessage): LoadReport {
  const stats = (message.cluster_stats as ClusterStats[] | undefined) ?? [];
  const clusters = stats.flatMap((cluster): ClusterLoad[] => {
    const ref = revision(cluster.cluster_name);
    return ref === undefined ? [] : [clusterLoad(ref, cluster)];
  });
  return { router, clusters };
}

function clusterLoad(ref: RevisionRef, stats: ClusterStats): ClusterLoad {
  const { seconds = 0, nanos = 0 } = stats.load_report_interval ?? {};
  const localities = stats.upstream_locality_stats ?? [];
  const sum = (field: 'total_requests_in_progress' | 'total_issued_requests') =>
    localities.reduce((total, locality) => total + (locality[field] ?? 0), 0);
  return {
    ref,
    seconds: Math.max(LEAST_SECONDS, seconds + nanos / 1e9),
    inFlight: sum('total_requests_in_progress'),
    requests: sum('total_issued_requests'),
  };
}
