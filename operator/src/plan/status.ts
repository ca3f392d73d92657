/** What is true of an InferenceService, in KServe's fields: an output of the plan, never its memory elsewhere. */
import { allOf, type ConditionState, condition, conditions } from '../api/conditions.ts';
import type {
  InferenceServiceStatus,
  ModelStatus,
  ServingRuntimeData,
} from '../api/inferenceservice.ts';
import type { KubeObject } from '../api/kube.ts';
import { ANNOTATIONS } from '../api/names.ts';
import type { Component } from './component.ts';
import { runtimeHash } from './deployment.ts';
import { failureOf, failures, type PodFailure } from './failure.ts';
import { externalUrl, type Hosts, hosts, internalUrl } from './hosts.ts';
import type { PlanInput, SpecProblem } from './input.ts';
import type { Revision } from './revision.ts';
import type { ReplicaBounds } from './scale.ts';
import type { Traffic } from './traffic.ts';

export interface StatusOptions {
  readonly input: PlanInput;
  readonly component: Component;
  /** Name of the revision that the spec asks for. */
  readonly target: string;
  /** That revision as observed; undefined before its Deployment exists. */
  readonly revision: Revision | undefined;
  /** Its Deployment: as observed, or as it is about to be made. */
  readonly deployment: Pick<KubeObject, 'metadata'> | undefined;
  readonly traffic: Traffic;
  readonly bounds: ReplicaBounds;
}

/** Status of a service whose spec can be carried out. */
export function status(options: StatusOptions): InferenceServiceStatus {
  const { input, target, revision, deployment, traffic } = options;
  const { parent, config, now, routing } = input;
  const failure = revision === undefined ? undefined : failureOf(revision);
  const predictorReady = predictorState(options, failure);
  const names = hosts(parent, config);
  const ingressReady = hostProblem(input, names) ?? ingressState(traffic, routing, parent.status);
  const predictorUrl = names.external && externalUrl(names.external.predictor, config);
  const url = names.external
    ? externalUrl(names.external.service, config)
    : internalUrl(parent, config);
  const address = { url: internalUrl(parent, config) };
  return {
    observedGeneration: parent.metadata.generation,
    conditions: conditions(
      parent.status?.conditions,
      {
        PredictorReady: predictorReady,
        IngressReady: ingressReady,
        Ready: allOf([predictorReady, ingressReady]),
        NewerRuntimeAvailable: newerRuntime(input, deployment),
      },
      now,
    ),
    url,
    address,
    components: {
      predictor: {
        latestCreatedRevision: target,
        latestReadyRevision: traffic.latestReady,
        latestRolledoutRevision: traffic.rolledOut,
        previousRolledoutRevision: traffic.previousRolledOut,
        traffic: [...traffic.targets],
        url: predictorUrl,
        address,
      },
    },
    deploymentMode: 'Standard',
    ...runtimeName(deployment),
    modelStatus: modelStatus(options, failure),
  };
}

/** Status of a service whose spec cannot be carried out: what serves already is still told. */
export function invalidStatus(
  { parent, now, routing }: PlanInput,
  { reason, message }: SpecProblem,
): InferenceServiceStatus {
  const predictorReady: ConditionState = { status: 'False', reason, message };
  const before = parent.status;
  const served = before?.components?.predictor?.traffic !== undefined;
  const ingressReady: ConditionState =
    served && routing.acknowledged !== undefined
      ? { status: 'True' }
      : { status: 'Unknown', reason: 'PredictorNotReady', message: 'nothing to route to yet' };
  return {
    ...before,
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

function predictorState(
  { target, revision, traffic, bounds }: StatusOptions,
  failure: PodFailure | undefined,
): ConditionState {
  const ready = revision?.ready ?? 0;
  // As a Deployment's Available condition with maxUnavailable 25 %.
  const needed = bounds.min - Math.floor(bounds.min / 4);
  const settled = traffic.targets.find(({ revisionName }) => revisionName === target)?.percent;
  if (ready >= needed && settled === traffic.goalPercent) return { status: 'True' };
  if (failure !== undefined) {
    return {
      status: 'False',
      reason: failure.reason,
      message: `pod ${failure.location}: ${failure.message}`,
    };
  }
  return ready >= needed
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

function ingressState(
  traffic: Traffic,
  { acknowledged }: PlanInput['routing'],
  before: InferenceServiceStatus | undefined,
): ConditionState {
  if (traffic.latestReady === undefined && traffic.rolledOut === undefined) {
    return { status: 'Unknown', reason: 'PredictorNotReady', message: 'no model is loaded yet' };
  }
  if (acknowledged === undefined) {
    // Routers go on with what they have: not to hear from them is no news.
    const wasReady = condition(before?.conditions, 'IngressReady')?.status === 'True';
    if (wasReady && sameShares(traffic, before)) return { status: 'True' };
  } else if (
    traffic.targets.every(({ revisionName, percent }) => acknowledged[revisionName] === percent)
  ) {
    return { status: 'True' };
  }
  return {
    status: 'Unknown',
    reason: 'RouterNotUpToDate',
    message: 'no router is connected, or one has not confirmed the latest routes',
  };
}

function sameShares({ targets }: Traffic, before: InferenceServiceStatus | undefined): boolean {
  const shares = (list: Traffic['targets']) =>
    list.map(({ revisionName, percent }) => `${revisionName}=${percent}`).join();
  return shares(targets) === shares(before?.components?.predictor?.traffic ?? []);
}

function modelStatus(
  { revision, traffic, input }: StatusOptions,
  failure: PodFailure | undefined,
): ModelStatus {
  const loaded = (revision?.ready ?? 0) > 0;
  const failed = failure?.reason === 'ModelLoadFailed' && !loaded;
  const previous = input.parent.status?.modelStatus?.states?.activeModelState;
  const serves = traffic.rolledOut !== undefined || traffic.latestReady !== undefined;
  return {
    transitionStatus: loaded ? 'UpToDate' : failed ? 'BlockedByFailedLoad' : 'InProgress',
    states: {
      activeModelState: serves ? 'Loaded' : failed ? 'FailedToLoad' : previous && 'Pending',
      targetModelState: loaded ? 'Loaded' : failed ? 'FailedToLoad' : 'Pending',
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

/** The runtime that the revision pinned. */
function runtimeName(deployment: StatusOptions['deployment']): Partial<InferenceServiceStatus> {
  const pinned = deployment?.metadata.annotations?.[ANNOTATIONS.runtime];
  const [kind, name] = pinned?.split('/') ?? [];
  if (name === undefined) return {};
  return kind === 'ServingRuntime'
    ? { servingRuntimeName: name }
    : { clusterServingRuntimeName: name };
}

/** Present, and True, only when the pinned runtime has been edited since. */
function newerRuntime(
  { related }: PlanInput,
  deployment: StatusOptions['deployment'],
): ConditionState | undefined {
  const annotations = deployment?.metadata.annotations;
  const [kind, name] = annotations?.[ANNOTATIONS.runtime]?.split('/') ?? [];
  const all: readonly ServingRuntimeData[] =
    kind === 'ServingRuntime' ? related.runtimes : related.clusterRuntimes;
  const runtime = all.find(({ metadata }) => metadata.name === name);
  const pinned = annotations?.[ANNOTATIONS.runtimeHash];
  if (runtime === undefined || pinned === undefined || runtimeHash(runtime) === pinned) {
    return undefined;
  }
  return {
    status: 'True',
    severity: 'Info',
    reason: 'RuntimeEdited',
    message: `${kind} "${name}" was edited after this revision was made; the next change of the spec takes it up`,
  };
}
