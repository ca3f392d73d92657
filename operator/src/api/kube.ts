/** Kubernetes' own types, by their short names; type-only, so that plan/ never imports a client. */
import type { IDeploymentSpec } from 'kubernetes-models/apps/v1/DeploymentSpec';
import type { IDeploymentStatus } from 'kubernetes-models/apps/v1/DeploymentStatus';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec';
import type { IPodStatus } from 'kubernetes-models/v1/PodStatus';

export type { IDeployment as Deployment } from 'kubernetes-models/apps/v1/Deployment';
export type { IEndpointSlice as EndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1/EndpointSlice';
export type { IAffinity as Affinity } from 'kubernetes-models/v1/Affinity';
export type { IContainer as Container } from 'kubernetes-models/v1/Container';
export type { IContainerStatus as ContainerStatus } from 'kubernetes-models/v1/ContainerStatus';
export type { IEnvVar as EnvVar } from 'kubernetes-models/v1/EnvVar';
export type { IPodSpec as PodSpec } from 'kubernetes-models/v1/PodSpec';
export type { IPodTemplateSpec as PodTemplateSpec } from 'kubernetes-models/v1/PodTemplateSpec';
export type { IResourceRequirements as ResourceRequirements } from 'kubernetes-models/v1/ResourceRequirements';
export type { ISecret as Secret } from 'kubernetes-models/v1/Secret';
export type { IService as Service } from 'kubernetes-models/v1/Service';
export type { IServiceAccount as ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
export type { IToleration as Toleration } from 'kubernetes-models/v1/Toleration';
export type { IVolume as Volume } from 'kubernetes-models/v1/Volume';

/**
 * The part of a pod that is kept in the caches (`trimPod` in kube/); there are many pods, and nobody reads the
 * rest. The metadata have no annotations.
 */
export interface Pod {
  spec?: Pick<IPodSpec, 'nodeName'> & { containers: Pick<IContainer, 'name' | 'ports'>[] };
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
 * The part of a Deployment that is kept in the caches (`trimDeployment` in kube/): what its pods are made from
 * is for Kubernetes to read.
 */
export interface ScaledDeployment {
  spec?: Pick<IDeploymentSpec, 'replicas'>;
  status?: Pick<IDeploymentStatus, 'conditions'>;
}

/** Metadata as the API server returns it. */
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

/** A kind's spec and status with the metadata of an object that exists. */
export type Observed<T> = Omit<T, 'metadata' | 'apiVersion' | 'kind'> & KubeObject;

/** `namespace/name`, or `name` for an object of the cluster: the key of a reconcile request. */
export function keyOf({ metadata }: { metadata: ObjectMeta }): string {
  return metadata.namespace === undefined
    ? metadata.name
    : `${metadata.namespace}/${metadata.name}`;
}
