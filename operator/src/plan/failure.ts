/**
 * Reasons why a revision's pods are not there or not ready, as Kubernetes tells them: the facts behind the
 * status.
 */
import type { ContainerStatus, Observed, Pod } from '../api/kube.ts';
import type { Revision } from './revision.ts';

/** Failure of a pod, or of a Deployment that can make none. */
export interface PodFailure {
  /** Name of the pod, or of the Deployment when it can make none. */
  readonly location: string;
  /** CamelCase reason of the condition; that of an ended pod is Kubernetes' own, such as Evicted. */
  readonly reason: string;
  readonly message: string;
  readonly exitCode?: number;
  readonly time?: string;
}

const IMAGE_REASONS = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
]);
const CONFIG_REASONS = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
]);

/**
 * The failure to tell of a revision: why it can make no pod, or that of the first pod that has one, by name,
 * so that the answer is the same each time.
 */
export function failureOf({ deployment, pods }: Revision): PodFailure | undefined {
  const refused = deployment.status?.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  if (refused !== undefined) {
    return {
      location: deployment.metadata.name,
      reason: 'PodsRefused',
      message: refused.message ?? refused.reason ?? 'no pod can be made',
      time: refused.lastTransitionTime,
    };
  }
  return failures(pods)[0];
}

/** The failures of all pods that have one: of live pods first, then of ended ones, by name. */
export function failures(pods: readonly Observed<Pod>[]): PodFailure[] {
  const hasEnded = (pod: Observed<Pod>) => (pod.status?.phase === 'Failed' ? 1 : 0);
  return [...pods]
    .sort((a, b) => hasEnded(a) - hasEnded(b) || a.metadata.name.localeCompare(b.metadata.name))
    .flatMap((pod) => podFailure(pod) ?? []);
}

/** Says whether no node has room for a pod. */
export function isUnschedulable(pod: Pick<Pod, 'status'>): boolean {
  return unscheduledCondition(pod) !== undefined;
}

function unscheduledCondition({ status }: Pick<Pod, 'status'>): { message?: string } | undefined {
  return status?.conditions?.find(
    ({ type, status: is, reason }) =>
      type === 'PodScheduled' && is === 'False' && reason === 'Unschedulable',
  );
}

function podFailure({ metadata, status }: Observed<Pod>): PodFailure | undefined {
  const location = metadata.name;
  const unscheduled = unscheduledCondition({ status });
  if (unscheduled !== undefined) {
    return { location, reason: 'Unschedulable', message: unscheduled.message ?? '' };
  }
  // Evicted, preempted, or refused by its node: the pod as a whole has ended.
  if (status?.phase === 'Failed' && status.reason !== undefined) {
    return { location, reason: status.reason, message: status.message ?? 'the pod was ended' };
  }
  for (const container of [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]) {
    const failure = containerFailure(container);
    if (failure !== undefined) return { location, ...failure };
  }
  return undefined;
}

function containerFailure(status: ContainerStatus): Omit<PodFailure, 'location'> | undefined {
  if (status.ready) return undefined;
  const waiting = status.state?.waiting;
  const message = `container ${status.name}: ${waiting?.message ?? waiting?.reason ?? ''}`;
  if (IMAGE_REASONS.has(waiting?.reason ?? '')) return { reason: 'ImagePullFailed', message };
  if (CONFIG_REASONS.has(waiting?.reason ?? '')) return { reason: 'ContainerConfigError', message };
  // A container that runs again after a failure has not recovered until it is ready.
  const ended = status.state?.terminated ?? status.lastState?.terminated;
  if (ended === undefined || ended.exitCode === 0) return undefined;
  const { exitCode, finishedAt: time } = ended;
  if (ended.reason === 'OOMKilled') {
    return {
      reason: 'OOMKilled',
      message: `container ${status.name} was killed because it used more memory than its limit: raise resources.limits.memory`,
      exitCode,
      time,
    };
  }
  return {
    reason: 'ModelLoadFailed',
    message: ended.message?.trim() || `container ${status.name} ended: ${ended.reason ?? 'Error'}`,
    exitCode,
    time,
  };
}
