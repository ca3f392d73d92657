/** Ownership of objects: an InferenceService owns what it makes, and takes nothing that has another owner. */
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import type { KubeObject, OwnerReference } from '../api/kube.ts';
import { FIELD_MANAGER, ISVC_API_VERSION, LABELS } from '../api/names.ts';

/** The owner reference by which everything goes when the InferenceService goes. */
export function owner({ metadata }: Pick<InferenceServiceData, 'metadata'>): OwnerReference {
  return {
    apiVersion: ISVC_API_VERSION,
    kind: 'InferenceService',
    name: metadata.name,
    uid: metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

/**
 * Says how an object stands to an InferenceService:
 *   own       it has its owner reference
 *   orphan    it has no owner and carries the service's labels, as after `kubectl delete --cascade=orphan`
 *   earlier   it was owned by an earlier service of the same name and is about to go
 *   another   it is somebody else's
 */
export function belongsTo(
  { metadata }: KubeObject,
  parent: Pick<InferenceServiceData, 'metadata'>,
): 'own' | 'orphan' | 'earlier' | 'another' {
  const { name, uid } = parent.metadata;
  const owners = metadata.ownerReferences ?? [];
  if (owners.some((reference) => reference.uid === uid)) return 'own';
  if (owners.some((reference) => reference.kind === 'InferenceService' && reference.name === name))
    return 'earlier';
  const { labels = {} } = metadata;
  const isLabelled =
    labels[LABELS.managedBy] === FIELD_MANAGER && labels[LABELS.inferenceService] === name;
  return owners.length === 0 && isLabelled ? 'orphan' : 'another';
}

/** Names the owner of an object in words: its controller, what manages it, or who wrote it. */
export function describeOwner({ metadata }: KubeObject): string {
  const { ownerReferences = [], labels = {}, managedFields } = metadata;
  const controller =
    ownerReferences.find((reference) => reference.controller) ?? ownerReferences[0];
  if (controller !== undefined) return `it belongs to ${controller.kind} "${controller.name}"`;
  const managedBy = labels[LABELS.managedBy];
  if (managedBy !== undefined) return `it is managed by ${managedBy}`;
  const writers = (managedFields ?? []) as { manager?: string; subresource?: string }[];
  // Kubernetes' own controllers write the status alone.
  const writer = writers.find(({ subresource }) => !subresource);
  return writer?.manager === undefined ? 'it is not its own' : `it was made by ${writer.manager}`;
}
