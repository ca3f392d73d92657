// Generated from config/crd/serving.kserve.io_inferenceservices.yaml by scripts/generate.ts.
import type { IAffinity } from 'kubernetes-models/v1/Affinity';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IContainerPort } from 'kubernetes-models/v1/ContainerPort';
import type { IEnvFromSource } from 'kubernetes-models/v1/EnvFromSource';
import type { IEnvVar } from 'kubernetes-models/v1/EnvVar';
import type { IEphemeralContainer } from 'kubernetes-models/v1/EphemeralContainer';
import type { ILifecycle } from 'kubernetes-models/v1/Lifecycle';
import type { ILocalObjectReference } from 'kubernetes-models/v1/LocalObjectReference';
import type { IProbe } from 'kubernetes-models/v1/Probe';
import type { IResourceRequirements } from 'kubernetes-models/v1/ResourceRequirements';
import type { IToleration } from 'kubernetes-models/v1/Toleration';
import type { IVolume } from 'kubernetes-models/v1/Volume';
import type { IVolumeMount } from 'kubernetes-models/v1/VolumeMount';

export type InferenceServiceSpec = {
  transformer?: Record<string, unknown>;
  explainer?: Record<string, unknown>;
  canary?: (Record<string, unknown>)[];
  predictor: {
    model?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    sklearn?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    xgboost?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    tensorflow?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    pytorch?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    triton?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    onnx?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    huggingface?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    pmml?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    lightgbm?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    paddle?: {
      modelFormat?: {
        name: string;
        version?: string;
      };
      runtime?: string;
      storageUri?: string;
      storage?: {
        key?: string;
        path?: string;
        schemaPath?: string;
        parameters?: Record<string, string>;
      };
      runtimeVersion?: string;
      protocolVersion?: '' | 'v1' | 'v2' | 'grpc-v1' | 'grpc-v2';
      storageContainerName?: string;
      confidential?: {
        enabled?: boolean;
      };
      name?: string;
      image?: string;
      imagePullPolicy?: string;
      command?: string[];
      args?: string[];
      workingDir?: string;
      env?: IEnvVar[];
      envFrom?: IEnvFromSource[];
      ports?: IContainerPort[];
      resources?: IResourceRequirements;
      volumeMounts?: IVolumeMount[];
      volumeDevices?: (Record<string, unknown>)[];
      livenessProbe?: IProbe;
      readinessProbe?: IProbe;
      startupProbe?: IProbe;
      lifecycle?: ILifecycle;
      terminationMessagePath?: string;
      terminationMessagePolicy?: string;
      securityContext?: Record<string, unknown>;
      stdin?: boolean;
      stdinOnce?: boolean;
      tty?: boolean;
      resizePolicy?: (Record<string, unknown>)[];
      restartPolicy?: string;
      restartPolicyRules?: (Record<string, unknown>)[];
    };
    containers?: IContainer[];
    name?: string;
    minReplicas?: number;
    maxReplicas?: number;
    scaleTarget?: number;
    scaleMetric?: '' | 'cpu' | 'memory' | 'concurrency' | 'rps';
    scaleMetricType?: '' | 'Utilization' | 'Value' | 'AverageValue';
    autoScaling?: {
      metrics?: {
        type: 'Resource' | 'External' | 'PodMetric';
        resource?: {
          name: 'cpu' | 'memory';
          target: {
            type: 'Utilization' | 'Value' | 'AverageValue';
            value?: number | string;
            averageValue?: number | string;
            averageUtilization?: number;
          };
        };
        external?: {
          metric: {
            backend: 'prometheus' | 'graphite';
            serverAddress: string;
            query: string;
            namespace?: string;
          };
          authenticationRef?: {
            authModes?: string;
            authenticationRef: {
              name: string;
            };
          };
          target: {
            type: 'Utilization' | 'Value' | 'AverageValue';
            value?: number | string;
            averageValue?: number | string;
            averageUtilization?: number;
          };
        };
        podmetric?: Record<string, unknown>;
      }[];
      behavior?: {
        scaleUp?: {
          stabilizationWindowSeconds?: number;
          selectPolicy?: '' | 'Max' | 'Min' | 'Disabled';
          policies?: {
            type: 'Pods' | 'Percent';
            value: number;
            periodSeconds: number;
          }[];
          tolerance?: number | string;
        };
        scaleDown?: {
          stabilizationWindowSeconds?: number;
          selectPolicy?: '' | 'Max' | 'Min' | 'Disabled';
          policies?: {
            type: 'Pods' | 'Percent';
            value: number;
            periodSeconds: number;
          }[];
          tolerance?: number | string;
        };
      };
    };
    containerConcurrency?: number;
    timeout?: number;
    canaryTrafficPercent?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deploymentStrategy?: {
      type?: '' | 'RollingUpdate' | 'Recreate';
      rollingUpdate?: Record<string, unknown>;
    };
    workerSpec?: Record<string, unknown>;
    storageUris?: (Record<string, unknown>)[];
    logger?: Record<string, unknown>;
    batcher?: Record<string, unknown>;
    activeDeadlineSeconds?: number;
    affinity?: IAffinity;
    automountServiceAccountToken?: boolean;
    dnsConfig?: Record<string, unknown>;
    dnsPolicy?: string;
    enableServiceLinks?: boolean;
    ephemeralContainers?: IEphemeralContainer[];
    hostAliases?: (Record<string, unknown>)[];
    hostIPC?: boolean;
    hostNetwork?: boolean;
    hostPID?: boolean;
    hostUsers?: boolean;
    hostname?: string;
    hostnameOverride?: string;
    imagePullSecrets?: ILocalObjectReference[];
    initContainers?: IContainer[];
    nodeName?: string;
    nodeSelector?: Record<string, string>;
    os?: Record<string, unknown>;
    overhead?: Record<string, unknown>;
    preemptionPolicy?: string;
    priority?: number;
    priorityClassName?: string;
    readinessGates?: (Record<string, unknown>)[];
    resourceClaims?: (Record<string, unknown>)[];
    resources?: IResourceRequirements;
    restartPolicy?: string;
    runtimeClassName?: string;
    schedulerName?: string;
    schedulingGates?: (Record<string, unknown>)[];
    securityContext?: Record<string, unknown>;
    serviceAccount?: string;
    serviceAccountName?: string;
    setHostnameAsFQDN?: boolean;
    shareProcessNamespace?: boolean;
    subdomain?: string;
    terminationGracePeriodSeconds?: number;
    tolerations?: IToleration[];
    topologySpreadConstraints?: (Record<string, unknown>)[];
    volumes?: IVolume[];
  };
};

export type InferenceServiceStatus = {
  observedGeneration?: number;
  url?: string;
  address?: {
    url?: string;
  };
  deploymentMode?: string;
  servingRuntimeName?: string;
  clusterServingRuntimeName?: string;
  conditions?: {
    type: string;
    status: 'True' | 'False' | 'Unknown';
    severity?: string;
    reason?: string;
    message?: string;
    lastTransitionTime?: string;
  }[];
  components?: Record<string, {
    latestCreatedRevision?: string;
    latestReadyRevision?: string;
    latestRolledoutRevision?: string;
    previousRolledoutRevision?: string;
    url?: string;
    restUrl?: string;
    grpcUrl?: string;
    address?: {
      url?: string;
    };
    traffic?: {
      revisionName: string;
      latestRevision: boolean;
      percent: number;
      tag?: string;
      url?: string;
    }[];
    heldRevisions?: string[];
    scaleChanges?: {
      revisionName: string;
      from: number;
      to: number;
      message: string;
      time: string;
    }[];
  }>;
  modelStatus?: {
    transitionStatus?: '' | 'UpToDate' | 'InProgress' | 'BlockedByFailedLoad' | 'InvalidSpec';
    states?: {
      activeModelState?: '' | 'Pending' | 'Standby' | 'Loading' | 'Loaded' | 'FailedToLoad';
      targetModelState?: '' | 'Pending' | 'Standby' | 'Loading' | 'Loaded' | 'FailedToLoad';
    };
    lastFailureInfo?: {
      location?: string;
      reason?: string;
      message?: string;
      modelRevisionName?: string;
      time?: string;
      exitCode?: number;
    };
    copies?: {
      failedCopies?: number;
      totalCopies?: number;
    };
  };
};
