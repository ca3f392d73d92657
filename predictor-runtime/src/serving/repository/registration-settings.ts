/** Settings that a registration by the management API gives a model, over those of its folder. Source: TorchServe. */
import { invalid } from '../../protocol/errors.ts';
import type { ModelConfig } from './model-config.ts';

/** Settings of a registration; what is absent is left to the folder. */
export interface RegistrationSettings {
  /** Most rows of a batch; 1 is no batching. */
  readonly batchSize?: number;
  readonly maxBatchDelayMs?: number;
  readonly responseTimeoutSeconds?: number;
}

/** Returns a configuration with the settings of a registration in it. @throws InferenceError INVALID_ARGUMENT. */
export function withSettings(config: ModelConfig, settings: RegistrationSettings): ModelConfig {
  const { batchSize, maxBatchDelayMs, responseTimeoutSeconds: seconds } = settings;
  const [given] = Object.entries(settings).find(([, value]) => value !== undefined) ?? [];
  if (given === undefined) return config;
  if (config.ensemble !== undefined) {
    throw invalid('an ensemble has no batches and timeouts of its own: set them for its steps');
  }
  const { source, batch, maxBatchSize, queue } = config;
  const maxRows = batchSize ?? batch?.maxRows ?? 1;
  if (source !== undefined && maxBatchSize > 0 && maxRows > maxBatchSize) {
    throw invalid(`batch_size: ${maxRows} is more than the ${maxBatchSize} that ${source} allows`);
  }
  return {
    ...config,
    maxBatchSize: maxRows > 1 ? Math.max(maxRows, maxBatchSize) : maxBatchSize,
    batch:
      maxRows > 1
        ? {
            ...batch,
            maxRows,
            preferredRows: (batch?.preferredRows ?? []).filter((rows) => rows <= maxRows),
            maxDelayMs: maxBatchDelayMs ?? batch?.maxDelayMs ?? 0,
          }
        : undefined,
    queue: seconds === undefined ? queue : { ...queue, defaultTimeoutMs: seconds * 1000 },
  };
}
