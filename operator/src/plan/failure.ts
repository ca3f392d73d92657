/** Why a revision's pods do not become ready, as Kubernetes tells it: the facts behind status and its message. */
import type { ContainerStatus, Observed, Pod } from '../api/kube.ts';
import type { Revision } from './revision.ts';

export interface PodFailure {
  /** Name of the pod. */
  readonly location: string;
  /** CamelCase reason of the condition. */
  readonly reason: 'Unschedulable' | 'ImagePullFailed' | 'ModelLoadFailed' | 'ContainerConfigError';
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

/** The failure of the first pod that has one, by name, so that the answer is the same each time. */
export function failureOf({ pods }: Revision): PodFailure | undefined {
  return failures(pods)[0];
}

/** The failures of all pods that have one, by pod name. */
export function failures(pods: readonly Observed<Pod>[]): PodFailure[] {
  return [...pods]
    .sort((a, b) => a.metadata.name.localeCompare(b.metadata.name))
    .flatMap((pod) => podFailure(pod) ?? []);
}

function podFailure(pod: Observed<Pod>): PodFailure | undefined {
  const location = pod.metadata.name;
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return { location, reason: 'Unschedulable', message: scheduled.message ?? '' };
  }
  for (const status of [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ]) {
    const failure = containerFailure(status);
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
  return {
    reason: 'ModelLoadFailed',
    message: ended.message?.trim() || `container ${status.name} ended: ${ended.reason ?? 'Error'}`,
    exitCode: ended.exitCode,
    time: ended.finishedAt,
  };
}
