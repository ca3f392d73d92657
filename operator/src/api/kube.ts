/** Kubernetes' own types, by their short names; type-only, so that plan/ never imports a client. */
import type { IDeploymentSpec } from 'kubernetes-models/apps/v1/DeploymentSpec';
import type { IDeploymentStatus } from 'kubernetes-models/apps/v1/DeploymentStatus';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec';
import type { IPodStatus } from 'kubernetes-models/v1/PodStatus';

/** Deployment of apps/v1, whole, as a plan makes one; the caches keep a `ScaledDeployment` of it. */
export type { IDeployment as Deployment } from 'kubernetes-models/apps/v1/Deployment';
/** EndpointSlice of discovery.k8s.io/v1: the addresses and ports behind a Service. */
export type { IEndpointSlice as EndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1/EndpointSlice';
/** PodDisruptionBudget of policy/v1: how many pods may go at once while nodes are drained. */
export type { IPodDisruptionBudget as PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
/** Affinity of a pod: the nodes and the other pods that it is placed near to or away from. */
export type { IAffinity as Affinity } from 'kubernetes-models/v1/Affinity';
/** Container of a pod, as a spec asks for it. */
export type { IContainer as Container } from 'kubernetes-models/v1/Container';
/** Status of a container: whether it waits, runs or has ended, and why. */
export type { IContainerStatus as ContainerStatus } from 'kubernetes-models/v1/ContainerStatus';
/** Environment variable of a container: its name and a value, or where the value comes from. */
export type { IEnvVar as EnvVar } from 'kubernetes-models/v1/EnvVar';
/** Spec of a pod, whole; it is also the part of a Deployment that its pods are made from. */
export type { IPodSpec as PodSpec } from 'kubernetes-models/v1/PodSpec';
/** Metadata and spec from which a Deployment makes its pods. */
export type { IPodTemplateSpec as PodTemplateSpec } from 'kubernetes-models/v1/PodTemplateSpec';
/** Resources that a container requests, and their limits, as Kubernetes quantities such as `500m`. */
export type { IResourceRequirements as ResourceRequirements } from 'kubernetes-models/v1/ResourceRequirements';
/** Secret of v1; the values of its `data` are in base64. */
export type { ISecret as Secret } from 'kubernetes-models/v1/Secret';
/** Service of v1: a DNS name and a virtual address of some pods. */
export type { IService as Service } from 'kubernetes-models/v1/Service';
/** ServiceAccount of v1: the identity of a pod, which names the Secrets that it may use. */
export type { IServiceAccount as ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
/** Toleration of a pod: a taint of nodes that does not keep it away. */
export type { IToleration as Toleration } from 'kubernetes-models/v1/Toleration';
/** Volume of a pod, by name, with the source of its files. */
export type { IVolume as Volume } from 'kubernetes-models/v1/Volume';

/**
 * The part of a pod that the caches keep (`trimPod` in kube/): there are many pods, and nobody reads the rest. Its
 * metadata have no annotations.
 */
export interface Pod {
  spec?: Pick<IPodSpec, 'nodeName' | 'hostNetwork' | 'readinessGates'> & {
    containers: Pick<IContainer, 'name' | 'ports' | 'readinessProbe' | 'startupProbe'>[];
  };
  status?: Pick<
    IPodStatus,
    | 'podIP'
    | 'podIPs'
    | 'phase'
    | 'reason'
    | 'message'
    | 'conditions'
    | 'containerStatuses'
    | 'initContainerStatuses'
  >;
}

/**
 * The part of a Deployment that the caches keep (`trimDeployment` in kube/). Of the template of its pods only the
 * ports are kept: they tell how a revision without pods will take requests.
 */
export interface ScaledDeployment {
  spec?: Pick<IDeploymentSpec, 'replicas'> & { template?: { spec?: Pod['spec'] } };
  status?: Pick<IDeploymentStatus, 'conditions'>;
}

/** Condition of a scaler of the cluster, with which it tells whether it can scale. */
export interface ScalerCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

/** The part of a scaler's status that the caches keep (`trimScaler` in kube/): the rest changes all the time. */
export interface ScalerStatus {
  conditions?: ScalerCondition[];
}

/** HorizontalPodAutoscaler of autoscaling/v2, Kubernetes' own scaler of a Deployment, as the caches keep it. */
export type HorizontalPodAutoscaler = Pick<IHorizontalPodAutoscaler, 'spec'> & {
  status?: ScalerStatus;
};

/** ScaledObject of keda.sh/v1alpha1, KEDA's scaler of a Deployment, as the caches keep it. */
export interface ScaledObject {
  spec?: object;
  status?: ScalerStatus;
}

/** Metadata of an object, as the API server returns them; times are in ISO 8601. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  managedFields?: unknown;
}

/**
 * Reference from an object to its owner: Kubernetes deletes the object when the owner of that uid is gone.
 */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Any Kubernetes object, typed only as far as every object is alike. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/**
 * An object of the type `T` that exists in the cluster, so that it has a kind, a name and all its metadata.
 */
export type Observed<T> = Omit<T, 'metadata' | 'apiVersion' | 'kind'> & KubeObject;

/**
 * Returns the key of an object, by which caches and work queues know it: `namespace/name`, or `name` without
 * one.
 */
export function keyOf({ metadata }: { metadata: ObjectMeta }): string {
  return metadata.namespace === undefined
    ? metadata.name
    : `${metadata.namespace}/${metadata.name}`;
}
