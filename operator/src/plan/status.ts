/** The status of an InferenceService, in KServe's fields: an output of the plan, never its memory elsewhere. */
import { allOf, type ConditionState, condition, conditions } from '../api/conditions.ts';
import type { InferenceServiceStatus, ScaleChange } from '../api/inferenceservice.ts';
import type { KubeObject } from '../api/kube.ts';
import { ANNOTATIONS } from '../api/names.ts';
import { revisionName } from '../api/revision.ts';
import type { Share } from '../api/route-table.ts';
import type { AutoscalerClass } from './autoscale/settings.ts';
import type { ComponentPlan } from './component-plan.ts';
import { failureOf, type PodFailure } from './failure.ts';
import { isIdle } from './hold.ts';
import { externalUrl, type Hosts, hosts, internalUrl } from './hosts.ts';
import type { PlanInput, SpecProblem } from './input.ts';
import { modelStatus } from './model-status.ts';
import { limitNotKept } from './request-limit.ts';
import { isPinOfOlder, runtimePin } from './runtime-pin.ts';
import { failingScaler, missingScaler } from './scaler.ts';
import type { Traffic } from './traffic.ts';

/** Returns the status of an InferenceService with these plans of its components. */
export function status(
  input: PlanInput,
  components: readonly ComponentPlan[],
): InferenceServiceStatus {
  const invalid = components.find(({ problem }) => problem !== undefined)?.problem;
  const predictor = components.find(({ component }) => component.name === 'predictor');
  if (predictor === undefined) throw new Error('an InferenceService has a predictor');
  if (invalid !== undefined) return invalidStatus(input, invalid, predictor.scaleChanges);
  return plannedStatus(input, predictor);
}

/** State of what does not serve because the user has stopped it. */
const STOPPED: ConditionState = {
  status: 'False',
  reason: 'Stopped',
  message: `there are no pods until the annotation ${ANNOTATIONS.stop} is taken away`,
};

function plannedStatus(input: PlanInput, predictor: ComponentPlan): InferenceServiceStatus {
  const { target, revision, traffic } = predictor;
  const { parent, config, now } = input;
  const failure = revision === undefined ? undefined : failureOf(revision);
  const { isStopped } = predictor.component;
  const withoutScaler = missingScaler(predictor.component, input);
  const predictorReady = isStopped ? STOPPED : predictorState(predictor, failure, withoutScaler);
  const names = hosts(parent, config);
  const ingressReady = isStopped
    ? STOPPED
    : (hostProblem(input, names) ?? ingressState(traffic, input));
  const predictorUrl = names.external?.predictor && externalUrl(names.external.predictor, config);
  const url = names.external
    ? externalUrl(names.external.service, config)
    : internalUrl(parent, config);
  const address = { url: internalUrl(parent, config) };
  const deployment = deploymentOf(predictor);
  return {
    observedGeneration: parent.metadata.generation,
    conditions: conditions(
      parent.status?.conditions,
      {
        PredictorReady: predictorReady,
        IngressReady: ingressReady,
        Ready: allOf([predictorReady, ingressReady]),
        Stopped: isStopped ? { status: 'True', severity: 'Info' } : undefined,
        NewerRuntimeAvailable: newerRuntime(input, deployment),
        RevisionEdited: edited(deployment),
        ScalerReady: failingScaler(predictor.component, predictor.scalers, input),
        LimitNotKept: limitNotKept(deployment, {
          count: input.related.routerCount,
          workers: config.router.workers,
        }),
      },
      now,
    ),
    url,
    address,
    components: {
      predictor: {
        latestCreatedRevision: target,
        latestReadyRevision: traffic.latestReady,
        latestRolledoutRevision: traffic.stable,
        previousRolledoutRevision: traffic.previous,
        traffic: [...traffic.targets],
        scaleChanges: listed(predictor.scaleChanges),
        heldRevisions: listed(predictor.held),
        url: predictorUrl,
        address,
      },
    },
    deploymentMode: 'Standard',
    ...runtimeName(deployment),
    modelStatus: modelStatus(input, predictor, failure),
  };
}

/** A list of the status; one without items is left out. */
function listed<T>(items: readonly T[]): T[] | undefined {
  return items.length === 0 ? undefined : [...items];
}

/** The target's Deployment: as observed, or as it is about to be made. */
function deploymentOf({ revision, deployments, target }: ComponentPlan): KubeObject | undefined {
  return revision?.deployment ?? deployments.find(({ metadata }) => metadata.name === target);
}

/**
 * Returns the status of a service whose spec cannot be carried out: what serves already is still told.
 * @param scaleChanges last change of the scale of each revision that there is
 */
export function invalidStatus(
  { parent, now, routing }: PlanInput,
  { reason, message }: SpecProblem,
  scaleChanges: readonly ScaleChange[],
): InferenceServiceStatus {
  const predictorReady: ConditionState = { status: 'False', reason, message };
  const before = parent.status;
  const predictor = before?.components?.predictor;
  const served = predictor?.traffic !== undefined;
  const ingressReady: ConditionState =
    served && routing.acknowledged !== undefined
      ? { status: 'True' }
      : { status: 'Unknown', reason: 'PredictorNotReady', message: 'nothing to route to yet' };
  return {
    ...before,
    ...(predictor && {
      components: {
        ...before?.components,
        predictor: { ...predictor, scaleChanges: listed(scaleChanges) },
      },
    }),
    observedGeneration: parent.metadata.generation,
    conditions: conditions(
      before?.conditions,
      {
        PredictorReady: predictorReady,
        IngressReady: ingressReady,
        Ready: allOf([predictorReady, ingressReady]),
      },
      now,
    ),
    deploymentMode: 'Standard',
    modelStatus: {
      ...before?.modelStatus,
      transitionStatus: 'InvalidSpec',
      lastFailureInfo: { reason, message },
    },
  };
}

/** State of what has no pod and gets one with the next request: nothing is wrong. */
const IDLE: ConditionState = {
  status: 'True',
  reason: 'Idle',
  message: 'there are no pods while there are no requests: the next one starts a pod',
};

/** Names of the scalers, by autoscaler class, that may leave a revision that serves without pods. */
const MAY_SCALE_TO_ZERO: Readonly<Partial<Record<AutoscalerClass, string>>> = {
  external: 'the scaler of your own',
  keda: 'KEDA',
};

function predictorState(
  plan: ComponentPlan,
  failure: PodFailure | undefined,
  withoutScaler: ConditionState | undefined,
): ConditionState {
  const { component, target, revision, traffic, bounds } = plan;
  const ready = revision?.ready ?? 0;
  // As a Deployment's Available condition with maxUnavailable 25 %.
  const needed = bounds.min - Math.floor(bounds.min / 4);
  // Where no pod is needed, one that fails is worth a word.
  const neededReady = failure === undefined ? needed : Math.max(1, needed);
  const percent = traffic.targets.find((share) => share.revisionName === target)?.percent;
  if (isIdle(plan) && percent === traffic.goalPercent) return IDLE;
  if (ready >= neededReady && percent === traffic.goalPercent) {
    return withoutScaler ?? { status: 'True' };
  }
  if (failure !== undefined) {
    const kind = failure.reason === 'PodsRefused' ? 'Deployment' : 'pod';
    return {
      status: 'False',
      reason: failure.reason,
      message: `${kind} ${failure.location}: ${failure.message}`,
    };
  }
  const scaler = MAY_SCALE_TO_ZERO[component.autoscaling.class];
  if (scaler !== undefined && traffic.stable === target && revision?.replicas === 0) {
    const message = `${scaler} has set ${target} to 0 pods`;
    return { status: 'False', reason: 'ScaledToZero', message };
  }
  return ready >= neededReady
    ? { status: 'Unknown', reason: 'TrafficMoving', message: `traffic is moving to ${target}` }
    : {
        status: 'Unknown',
        reason: 'RevisionStarting',
        message: `${ready} of ${bounds.min} pods of ${target} are ready`,
      };
}

/** Callers from outside cannot reach it, whatever the routers have. */
function hostProblem({ related }: PlanInput, names: Hosts): ConditionState | undefined {
  if (names.problem !== undefined) {
    return { status: 'False', reason: 'NoExternalHost', message: names.problem };
  }
  if (related.hostOwner === undefined) return undefined;
  const message = `host ${names.external?.service} belongs to the older service ${related.hostOwner}: choose another name or domain template`;
  return { status: 'False', reason: 'HostTaken', message };
}

function ingressState(traffic: Traffic, { related, routing, parent }: PlanInput): ConditionState {
  const before = parent.status;
  if (traffic.latestReady === undefined && traffic.stable === undefined) {
    return { status: 'Unknown', reason: 'PredictorNotReady', message: 'no model is loaded yet' };
  }
  if (related.routerAddresses.length === 0) {
    const message = 'no router is ready: nobody can reach this service';
    return { status: 'False', reason: 'NoRouter', message };
  }
  if (routing.refused !== undefined) {
    const message = `a router refuses the routes of this service and keeps those it has: ${routing.refused}`;
    return { status: 'False', reason: 'RouteRefused', message };
  }
  if (routing.acknowledged === undefined) {
    // Routers go on with what they have: not to hear from them is no news.
    const wasReady = condition(before?.conditions, 'IngressReady')?.status === 'True';
    if (wasReady && sameShares(traffic, before)) return { status: 'True' };
  } else if (isAcknowledged(traffic, routing.acknowledged)) {
    return { status: 'True' };
  }
  return {
    status: 'Unknown',
    reason: 'RouterNotUpToDate',
    message: 'no router is connected, or one has not confirmed the latest routes',
  };
}

function isAcknowledged({ targets }: Traffic, shares: readonly Share[]): boolean {
  return targets.every((target) =>
    shares.some(
      ({ ref, percent }) => percent === target.percent && revisionName(ref) === target.revisionName,
    ),
  );
}

function sameShares({ targets }: Traffic, before: InferenceServiceStatus | undefined): boolean {
  const shares = (list: Traffic['targets']) =>
    list.map(({ revisionName, percent }) => `${revisionName}=${percent}`).join();
  return shares(targets) === shares(before?.components?.predictor?.traffic ?? []);
}

/** Returns the name of the runtime that the revision pinned. */
function runtimeName(deployment: KubeObject | undefined): Partial<InferenceServiceStatus> {
  const pin = runtimePin(deployment);
  if (pin === undefined) return {};
  return pin.kind === 'ServingRuntime'
    ? { servingRuntimeName: pin.name }
    : { clusterServingRuntimeName: pin.name };
}

/** Present, and True, only when the pods are not those that the plan made: Kubernetes counts what they were made from. */
function edited(deployment: KubeObject | undefined): ConditionState | undefined {
  const rollout = deployment?.metadata.annotations?.[ANNOTATIONS.rollout] ?? '1';
  if (rollout === '1') return undefined;
  return {
    status: 'True',
    severity: 'Info',
    reason: 'DeploymentEdited',
    message: `the pods of Deployment "${deployment?.metadata.name}" were edited or restarted by hand: it stays so until the next change of the spec makes a revision`,
  };
}

/** Present, and True, only when the pinned runtime has been edited since. */
function newerRuntime(
  { related }: PlanInput,
  deployment: KubeObject | undefined,
): ConditionState | undefined {
  const pin = runtimePin(deployment);
  const isOlder = [...related.runtimes, ...related.clusterRuntimes].some((runtime) =>
    isPinOfOlder(pin, runtime),
  );
  if (pin === undefined || !isOlder) return undefined;
  return {
    status: 'True',
    severity: 'Info',
    reason: 'RuntimeEdited',
    message: `${pin.kind} "${pin.name}" was edited after this revision was made; the next change of the spec takes it up`,
  };
}
