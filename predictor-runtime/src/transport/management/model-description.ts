/** The description of a model's version, in TorchServe's words. */
import type { Servable } from '../../serving/servable.ts';

/** Fields about features that are not here, with the values that TorchServe gives where they are not used there. */
const ABSENT = {
  clientTimeoutInMills: 0,
  parallelType: '',
  parallelLevel: 0,
  continuousBatching: false,
  useJobTicket: false,
  useVenv: false,
  stateful: false,
  sequenceMaxIdleMSec: 0,
  sequenceTimeoutMSec: 0,
  maxNumSequence: 0,
  maxSequenceJobQueueSize: 0,
};

/** Describes one version. */
export function modelDescription(servable: Servable): object {
  const { name, version, phase, error, model, source, isOfStart } = servable;
  const workers = model?.workers() ?? [];
  const { queue, batch } = model?.config ?? {};
  return {
    modelName: name,
    modelVersion: String(version),
    modelUrl: source,
    status: phase,
    error,
    runtime: model?.metadata.platform,
    minWorkers: workers.length,
    maxWorkers: workers.length,
    batchSize: batch?.maxRows ?? 1,
    maxBatchDelay: batch?.maxDelayMs ?? 0,
    responseTimeout: (queue?.defaultTimeoutMs ?? 0) / 1000,
    // Starts are not limited in time, and workers that die are started again for as long as it takes.
    startupTimeout: 0,
    maxRetryTimeoutInSec: 0,
    ...ABSENT,
    loadedAtStartup: isOfStart,
    workers: workers.map((worker) => ({ ...worker, id: String(worker.id) })),
    jobQueueStatus: {
      remainingCapacity: (queue?.maxRequests ?? 0) - (model?.pending ?? 0),
      pendingRequests: model?.pending ?? 0,
    },
  };
}
