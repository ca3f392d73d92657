/** Envoy's load statistics → what the autoscaler knows. Envoy leaves quiet clusters out. */
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

export interface DecodedLoad {
  readonly report: LoadReport;
  /** Requests under way by cluster. */
  readonly inFlight: ReadonlyMap<string, number>;
}

/** @param message envoy.service.load_stats.v3.LoadStatsRequest as a plain object */
export function loadReport(router: string, message: Message): DecodedLoad {
  const stats = (message.cluster_stats as ClusterStats[] | undefined) ?? [];
  const clusters: Record<string, ClusterLoad> = {};
  let seconds = 1;
  for (const { cluster_name, upstream_locality_stats = [], load_report_interval } of stats) {
    clusters[cluster_name] = upstream_locality_stats.reduce(
      (sum, { total_requests_in_progress = 0, total_issued_requests = 0 }) => ({
        inFlight: sum.inFlight + total_requests_in_progress,
        requests: sum.requests + total_issued_requests,
      }),
      { inFlight: 0, requests: 0 },
    );
    const { seconds: whole = 0, nanos = 0 } = load_report_interval ?? {};
    seconds = Math.max(0.1, whole + nanos / 1e9);
  }
  return {
    report: { router, seconds, clusters },
    inFlight: new Map(Object.entries(clusters).map(([name, load]) => [name, load.inFlight])),
  };
}
