/** What a plan may know and what it decides: plain values, no client, no clock. */
import type { OperatorConfig } from '../api/config.ts';
import type {
  InferenceServiceData,
  InferenceServiceStatus,
  ServingRuntimeData,
} from '../api/inferenceservice.ts';
import type {
  Deployment,
  EndpointSlice,
  KubeObject,
  Observed,
  Pod,
  Service,
  ServiceAccount,
} from '../api/kube.ts';

export interface PlanInput {
  readonly parent: InferenceServiceData;
  /** What the InferenceService owns, as last seen. */
  readonly children: {
    readonly deployments: readonly Observed<Deployment>[];
    readonly services: readonly Observed<Service>[];
    readonly endpointSlices: readonly Observed<EndpointSlice>[];
    readonly pods: readonly Observed<Pod>[];
  };
  readonly related: {
    /** ServingRuntimes of the namespace. */
    readonly runtimes: readonly ServingRuntimeData[];
    readonly clusterRuntimes: readonly ServingRuntimeData[];
    /** The one that the predictor's pods run as; absent on a laptop. */
    readonly serviceAccount?: Observed<ServiceAccount>;
    /** IP addresses of the routers that take traffic. */
    readonly routerAddresses: readonly string[];
    /** Key of an older service that claims the same external host. */
    readonly hostOwner?: string;
  };
  readonly routing: RoutingState;
  /** The autoscaler's wish per revision; absent where it has no opinion yet. */
  readonly demand: Readonly<Record<string, number>>;
  readonly config: OperatorConfig;
  /** ISO 8601 time of the observation. */
  readonly now: string;
}

/** What the routers have confirmed about one InferenceService. */
export interface RoutingState {
  /** Percent per revision that every connected router applies; undefined while one differs or none is connected. */
  readonly acknowledged?: Readonly<Record<string, number>>;
  /** Revisions that a router may still send requests to; undefined while that is not known. */
  readonly inUse?: readonly string[];
}

export interface Plan {
  /** Objects to apply, in order. */
  readonly children: readonly KubeObject[];
  /** Owned objects to delete. */
  readonly prune: readonly KubeObject[];
  readonly scale: readonly Scale[];
  readonly status: InferenceServiceStatus;
  readonly events: readonly PlanEvent[];
}

/** A write of a Deployment's scale subresource. */
export interface Scale {
  readonly deployment: string;
  readonly replicas: number;
  readonly reason: string;
}

export interface PlanEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** Why a spec cannot be carried out; KServe's reasons of modelStatus.lastFailureInfo. */
export interface SpecProblem {
  readonly reason:
    | 'RuntimeNotRecognized'
    | 'RuntimeDisabled'
    | 'NoSupportingRuntime'
    | 'InvalidPredictorSpec';
  readonly message: string;
}

/** Either a value or the reason why there is none. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: SpecProblem };

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function problem<T>(reason: SpecProblem['reason'], message: string): Result<T> {
  return { ok: false, problem: { reason, message } };
}
