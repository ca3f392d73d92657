/** What both transports are given: the same data plane, and the same rules for who may call. */

import type { DataPlane } from '../dataplane.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Logger } from '../platform/log.ts';
import type { ModelRepository } from '../serving/repository/repository.ts';
import type { Gate } from './access/gate.ts';
import type { TlsMaterial } from './access/tls.ts';

export interface FrontOptions {
  readonly dataPlane: DataPlane;
  readonly repository: ModelRepository;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Larger bodies and messages are refused: 413, RESOURCE_EXHAUSTED. */
  readonly maxBodyBytes: number;
  readonly gate: Gate;
  /** A line in the log for each inference. */
  readonly logRequests: boolean;
  readonly tls?: TlsMaterial;
}
