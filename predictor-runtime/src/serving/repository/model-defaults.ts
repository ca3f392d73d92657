/** The configuration of a model whose folder says nothing of it. */
import type { ModelConfig, Placement } from './model-config.ts';
import type { VersionPolicy } from './version-policy.ts';

/** Settings of the server that hold for every model without its own. */
export interface DefaultSettings {
  readonly versionPolicy: VersionPolicy;
  /** Versions by their labels. */
  readonly versionLabels: Readonly<Record<string, number>>;
  /** Most rows of a batch; 0 is no batching. */
  readonly maxBatchSize: number;
  readonly maxBatchDelayMs: number;
  /** Most requests of a model that may wait. */
  readonly queueSize: number;
  /** Most bytes of tensors that may wait for a model. */
  readonly queueBytes: number;
  /** Timeout of requests that name none, in ms; 0 is none. */
  readonly requestTimeoutMs: number;
  /** Number of priorities, 1 being the most urgent; 0 is none. */
  readonly priorityLevels: number;
  /** Number of executors of a model. */
  readonly workers: number;
  readonly executor: Placement;
  readonly responseCache: boolean;
}

/** Makes the configuration of a model whose folder has none. */
export function modelDefaults(settings: DefaultSettings): ModelConfig {
  const { maxBatchSize: maxRows, maxBatchDelayMs: maxDelayMs, priorityLevels } = settings;
  return {
    versionPolicy: settings.versionPolicy,
    labels: settings.versionLabels,
    maxBatchSize: maxRows,
    batch: maxRows > 0 ? { maxRows, preferredRows: [], maxDelayMs } : undefined,
    queue: {
      maxRequests: settings.queueSize,
      maxBytes: settings.queueBytes,
      defaultTimeoutMs: settings.requestTimeoutMs,
      priorityLevels,
      // A priority in the middle leaves room above and below.
      defaultPriority: Math.ceil(priorityLevels / 2),
    },
    workers: settings.workers,
    placement: settings.executor,
    warmup: [],
    inputs: [],
    outputs: [],
    responseCache: settings.responseCache,
    parameters: {},
  };
}
