// Generated from config/crd/serving.kserve.io_servingruntimes.yaml by scripts/generate.ts.
import type { IAffinity } from 'kubernetes-models/v1/Affinity';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { ILocalObjectReference } from 'kubernetes-models/v1/LocalObjectReference';
import type { IToleration } from 'kubernetes-models/v1/Toleration';
import type { IVolume } from 'kubernetes-models/v1/Volume';

export type ServingRuntimeSpec = {
  supportedModelFormats?: {
    name: string;
    version?: string;
    autoSelect?: boolean;
    priority?: number;
  }[];
  multiModel?: boolean;
  disabled?: boolean;
  protocolVersions?: string[];
  containers: IContainer[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  volumes?: IVolume[];
  nodeSelector?: Record<string, string>;
  affinity?: IAffinity;
  tolerations?: IToleration[];
  imagePullSecrets?: ILocalObjectReference[];
  hostIPC?: boolean;
  schedulerName?: string;
  resourceClaims?: (Record<string, unknown>)[];
  workerSpec?: Record<string, unknown>;
  grpcEndpoint?: string;
  grpcDataEndpoint?: string;
  httpDataEndpoint?: string;
  replicas?: number;
  storageHelper?: Record<string, unknown>;
  builtInAdapter?: Record<string, unknown>;
};

export type ServingRuntimeStatus = Record<string, unknown>;

export type ClusterServingRuntimeSpec = ServingRuntimeSpec;

export type ClusterServingRuntimeStatus = ServingRuntimeStatus;
