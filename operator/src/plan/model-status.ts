/** The status of a model: whether its revision has loaded it, as KServe's modelStatus tells it. */
import type { ModelStatus } from '../api/inferenceservice.ts';
import type { ComponentPlan } from './component-plan.ts';
import { failures, type PodFailure } from './failure.ts';
import { isIdle } from './hold.ts';
import type { PlanInput } from './input.ts';
import type { Revision } from './revision.ts';

/** Returns the status of a component's model; `failure` is what keeps its newest revision from being ready. */
export function modelStatus(
  { parent }: PlanInput,
  plan: ComponentPlan,
  failure: PodFailure | undefined,
): ModelStatus {
  const { component, revision, traffic } = plan;
  const loaded = (revision?.ready ?? 0) > 0;
  const standsBy = isIdle(plan);
  const failed = failure?.reason === 'ModelLoadFailed' && !loaded;
  const unloaded = standsBy ? 'Standby' : failed ? 'FailedToLoad' : undefined;
  const previous = parent.status?.modelStatus?.states?.activeModelState;
  const isRolledOut = traffic.stable !== undefined || traffic.latestReady !== undefined;
  const serves = isRolledOut && !component.isStopped;
  return {
    transitionStatus:
      loaded || standsBy ? 'UpToDate' : failed ? 'BlockedByFailedLoad' : 'InProgress',
    states: {
      activeModelState: serves && !standsBy ? 'Loaded' : (unloaded ?? (previous && 'Pending')),
      targetModelState: loaded ? 'Loaded' : (unloaded ?? 'Pending'),
    },
    copies: {
      totalCopies: revision?.ready ?? 0,
      failedCopies: failures(revision?.pods ?? []).length,
    },
    ...(failure === undefined || loaded ? {} : { lastFailureInfo: failureInfo(failure, revision) }),
  };
}

function failureInfo(
  failure: PodFailure,
  revision: Revision | undefined,
): ModelStatus['lastFailureInfo'] {
  return {
    location: failure.location,
    reason: failure.reason === 'ModelLoadFailed' ? 'ModelLoadFailed' : 'RuntimeUnhealthy',
    message: failure.message,
    modelRevisionName: revision?.name,
    exitCode: failure.exitCode,
    time: failure.time,
  };
}
