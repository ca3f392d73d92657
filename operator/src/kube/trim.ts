/**
 * Trimming of the kinds that have many objects: what nobody reads is dropped before an object goes into a
 * cache.
 */

import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IPod } from 'kubernetes-models/v1/Pod';
import type { Kind } from '../api/kinds.ts';
import type {
  KubeObject,
  ObjectMeta,
  Observed,
  Pod,
  ScaledDeployment,
  ScalerStatus,
} from '../api/kube.ts';

/** Functions that trim an object, by kind; objects of the other kinds are kept whole. */
export const TRIM: Readonly<Partial<Record<Kind, (object: KubeObject) => KubeObject>>> = {
  Pod: trimPod,
  Deployment: trimDeployment,
  HorizontalPodAutoscaler: trimScaler,
  ScaledObject: trimScaler,
};

/**
 * Keeps of a pod what tells whose it is, where it answers, when it is ready and how it fares. Without this the heap is twice as
 * large.
 */
export function trimPod(object: KubeObject): Observed<Pod> {
  const { apiVersion, kind, metadata } = object;
  const { spec, status } = object as Observed<IPod>;
  return {
    apiVersion,
    kind,
    metadata: identity(metadata),
    spec: spec && {
      nodeName: spec.nodeName,
      hostNetwork: spec.hostNetwork,
      readinessGates: spec.readinessGates,
      containers: spec.containers.map(({ name, ports, readinessProbe, startupProbe }) => {
        return { name, ports, readinessProbe, startupProbe };
      }),
    },
    status: status && {
      podIP: status.podIP,
      podIPs: status.podIPs,
      phase: status.phase,
      reason: status.reason,
      message: status.message,
      conditions: status.conditions,
      containerStatuses: status.containerStatuses,
      initContainerStatuses: status.initContainerStatuses,
    },
  };
}

/** Keeps of a Deployment its scale, its pods' ports, why it can make none, and its annotations: a fifth of it. */
export function trimDeployment(object: KubeObject): Observed<ScaledDeployment> {
  const { apiVersion, kind, metadata } = object;
  const { spec, status } = object as Observed<IDeployment>;
  return {
    apiVersion,
    kind,
    metadata: { ...identity(metadata), annotations: metadata.annotations },
    spec: spec && {
      replicas: spec.replicas,
      template: { spec: { containers: portsOf(spec.template.spec?.containers) } },
    },
    status: status && { conditions: status.conditions },
  };
}

/** Reduces the status of a scaler to the words of its conditions: the rest changes all the time. */
export function trimScaler(object: KubeObject & { status?: ScalerStatus }): KubeObject {
  const conditions = object.status?.conditions?.map(({ type, status, reason, message }) => {
    return { type, status, reason, message };
  });
  return { ...object, ...(object.status && { status: { conditions } }) } as KubeObject;
}

function portsOf(containers: readonly IContainer[] = []): Pick<IContainer, 'name' | 'ports'>[] {
  return containers.map(({ name, ports }) => ({ name, ports }));
}

function identity(metadata: ObjectMeta): ObjectMeta {
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    labels: metadata.labels,
    ownerReferences: metadata.ownerReferences,
    creationTimestamp: metadata.creationTimestamp,
    deletionTimestamp: metadata.deletionTimestamp,
  };
}
