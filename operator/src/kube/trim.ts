/** What is kept of the kinds that there are many of; the rest is dropped before an object goes into a cache. */
import type { IPod } from 'kubernetes-models/v1/Pod';
import type { KubeObject, Observed, Pod } from '../api/kube.ts';

/** Keeps of a pod what tells whose it is, where it answers and how it fares: half of the heap. */
export function trimPod(object: KubeObject): Observed<Pod> {
  const { apiVersion, kind, metadata } = object;
  const { spec, status } = object as Observed<IPod>;
  return {
    apiVersion,
    kind,
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
      labels: metadata.labels,
      ownerReferences: metadata.ownerReferences,
      creationTimestamp: metadata.creationTimestamp,
      deletionTimestamp: metadata.deletionTimestamp,
    },
    spec: spec && {
      nodeName: spec.nodeName,
      containers: spec.containers.map(({ name, ports }) => ({ name, ports })),
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
