/** The statistics of model versions as REST and gRPC tell them. */
import type { VersionStatistics } from '../dataplane.ts';
import { DURATIONS } from '../serving/scheduling/statistics.ts';

/**
 * Writes the statistics of a version; counters are numbers, as perf_analyzer reads them. Source: Triton, statistics
 * extension.
 */
export function statisticsOf({ name, version, model }: VersionStatistics): object {
  const { statistics } = model;
  const bytes = model.memoryUsage();
  return {
    name,
    version: String(version),
    last_inference: statistics.lastInference,
    inference_count: statistics.inferenceCount,
    execution_count: statistics.executionCount,
    inference_stats: Object.fromEntries(
      DURATIONS.map((duration) => [duration, statistics.durations[duration]]),
    ),
    batch_stats: [...statistics.batches]
      .sort(([a], [b]) => a - b)
      .map(([batch_size, durations]) => ({ batch_size, ...durations })),
    memory_usage: bytes > 0 ? [{ type: 'CPU', id: 0, byte_size: bytes }] : [],
  };
}
