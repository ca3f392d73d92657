/** Revisions as observed: a Deployment each, with the state of its pods. */
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import type { Deployment, Observed, Pod } from '../api/kube.ts';
import { ANNOTATIONS, LABELS, revisionNumber } from '../api/names.ts';
import type { PlanInput } from './input.ts';

export interface Revision {
  readonly name: string;
  readonly number: number;
  readonly specHash: string;
  readonly deployment: Observed<Deployment>;
  /** Replicas that its Deployment asks for. */
  readonly replicas: number;
  /** Pods that are not being deleted. */
  readonly pods: readonly Observed<Pod>[];
  /** Of those, the ones that are ready: their model is loaded. */
  readonly ready: number;
}

/**
 * The revisions of an InferenceService, oldest first. Deployments that are being deleted are left out, and
 * those of an earlier service of the same name, which are about to be.
 */
export function revisions(
  { metadata: parent }: Pick<InferenceServiceData, 'metadata'>,
  { deployments, pods }: Pick<PlanInput['children'], 'deployments' | 'pods'>,
): Revision[] {
  return deployments
    .filter(
      ({ metadata }) =>
        revisionNumber(metadata.name) > 0 &&
        metadata.deletionTimestamp === undefined &&
        (metadata.ownerReferences ?? []).every(({ uid }) => uid === parent.uid),
    )
    .map((deployment) => {
      const { name, annotations } = deployment.metadata;
      const own = pods.filter(
        ({ metadata }) =>
          metadata.labels?.[LABELS.revision] === name && metadata.deletionTimestamp === undefined,
      );
      return {
        name,
        number: revisionNumber(name),
        specHash: annotations?.[ANNOTATIONS.specHash] ?? '',
        deployment,
        replicas: deployment.spec?.replicas ?? 1,
        pods: own,
        ready: own.filter(isPodReady).length,
      };
    })
    .sort((a, b) => a.number - b.number);
}

/** Kubernetes' Ready condition of a pod. */
export function isPodReady(pod: Pick<Pod, 'status'>): boolean {
  return (
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ??
    false
  );
}
