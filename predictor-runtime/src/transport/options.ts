/** The parts and settings that the servers of REST and gRPC are made of. */
import type { DataPlane } from '../dataplane.ts';
import type { Logger } from '../platform/log.ts';
import type { ModelRepository } from '../serving/repository/repository.ts';
import type { Gate } from './access/gate.ts';
import type { TlsMaterial } from './access/tls.ts';
import type { CallEnvelope, OverloadStatus } from './call.ts';

/** Parts and settings that REST and gRPC share. */
export interface TransportOptions {
  readonly dataPlane: DataPlane;
  readonly repository: ModelRepository;
  readonly envelope: CallEnvelope;
  readonly log: Logger;
  /** Size above which bodies and messages are refused, in bytes: 413, RESOURCE_EXHAUSTED. */
  readonly maxBodyBytes: number;
  readonly overloadStatus: OverloadStatus;
  readonly gate: Gate;
  /** Certificates of the server; absent when it is not encrypted. */
  readonly tls?: TlsMaterial;
}
