/** Revisions as observed: a Deployment each, with the state of its pods. */
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { isKind } from '../api/kinds.ts';
import type { KubeObject, Observed, Pod, ScaledDeployment } from '../api/kube.ts';
import { ANNOTATIONS, LABELS } from '../api/names.ts';
import { parseRevision, type RevisionRef } from '../api/revision.ts';
import { belongsTo } from './owner.ts';

/** Revision as observed. */
export interface Revision {
  readonly ref: RevisionRef;
  /** Name of its Deployment, as in the status. */
  readonly name: string;
  readonly specHash: string;
  readonly deployment: Observed<ScaledDeployment>;
  /** Replicas that its Deployment asks for. */
  readonly replicas: number;
  /** Pods that are not being deleted. */
  readonly pods: readonly Observed<Pod>[];
  /** Number of those pods that are ready: their model is loaded. */
  readonly ready: number;
}

/**
 * Returns the revisions of an InferenceService, oldest first. Deployments that are being deleted are left out, and
 * those of an earlier service of the same name, which are about to be.
 */
export function revisions(
  parent: Pick<InferenceServiceData, 'metadata'>,
  children: readonly KubeObject[],
  pods: readonly Observed<Pod>[],
): Revision[] {
  const podsOf = Map.groupBy(
    pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined),
    ({ metadata }) => metadata.labels?.[LABELS.revision],
  );
  return children
    .filter((child) => isKind('Deployment', child))
    .flatMap((deployment): Revision | Revision[] => {
      const { name, namespace = '', annotations, deletionTimestamp } = deployment.metadata;
      const ref = parseRevision(namespace, name);
      if (ref === undefined || deletionTimestamp !== undefined) return [];
      if (!['own', 'orphan'].includes(belongsTo(deployment, parent))) return [];
      const own = podsOf.get(name) ?? [];
      return {
        ref,
        name,
        specHash: annotations?.[ANNOTATIONS.specHash] ?? '',
        deployment,
        replicas: deployment.spec?.replicas ?? 1,
        pods: own,
        ready: own.filter(isPodReady).length,
      };
    })
    .sort((a, b) => a.ref.revision - b.ref.revision);
}

/** Says whether a pod has Kubernetes' Ready condition. */
export function isPodReady(pod: Pick<Pod, 'status'>): boolean {
  return (
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ??
    false
  );
}
