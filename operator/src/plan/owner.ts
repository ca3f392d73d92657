/** The owner reference by which everything goes when the InferenceService goes. */
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import type { OwnerReference } from '../api/kube.ts';
import { ISVC_API_VERSION } from '../api/names.ts';

export function owner({ metadata }: InferenceServiceData): OwnerReference {
  return {
    apiVersion: ISVC_API_VERSION,
    kind: 'InferenceService',
    name: metadata.name,
    uid: metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}
