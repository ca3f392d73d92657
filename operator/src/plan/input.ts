/** Input and outcome of a plan: plain values, no client, no clock. */
import type { ObjectEvent } from '../api/cluster.ts';
import type { OperatorConfig } from '../api/config.ts';
import type {
  InferenceServiceData,
  InferenceServiceStatus,
  ServingRuntimeData,
} from '../api/inferenceservice.ts';
import type { Kind } from '../api/kinds.ts';
import type { KubeObject, Observed, Pod, ServiceAccount } from '../api/kube.ts';
import type { RevisionRef } from '../api/revision.ts';
import type { Share } from '../api/route-table.ts';
import type { ScaleReason } from './autoscale/decision.ts';

/** Everything that a plan may know. */
export interface PlanInput {
  readonly parent: InferenceServiceData;
  /** Objects that the InferenceService owns, of every kind that api/kinds.ts calls a child, as last seen. */
  readonly children: readonly KubeObject[];
  /** Pods of the revisions. */
  readonly pods: readonly Observed<Pod>[];
  readonly related: {
    /** ServingRuntimes of the namespace. */
    readonly runtimes: readonly ServingRuntimeData[];
    readonly clusterRuntimes: readonly ServingRuntimeData[];
    /** The account that the predictor's pods run as; absent when the namespace has none of that name. */
    readonly serviceAccount?: Observed<ServiceAccount>;
    /** Kinds of children that the cluster does not know, because nobody has installed them. */
    readonly absentKinds: readonly Kind[];
    /** IP addresses of the routers that take traffic, of both families. */
    readonly routerAddresses: readonly string[];
    /** Number of routers, those among them that start or end. */
    readonly routerCount: number;
    /** Key of an older service that claims the same external host. */
    readonly hostOwner?: string;
  };
  readonly routing: RoutingState;
  /** Replicas that the autoscaler desires; a revision is absent while it has no opinion. */
  readonly desired: readonly DesiredReplicas[];
  readonly config: OperatorConfig;
  /** ISO 8601 time of the observation. */
  readonly now: string;
}

/** State of the routers as far as it concerns one InferenceService. */
export interface RoutingState {
  /** Shares that every connected router applies; undefined while one differs or none is connected. */
  readonly acknowledged?: readonly Share[];
  /** Revisions that a router may still send requests to; undefined while that is not known. */
  readonly inUse?: readonly RevisionRef[];
  /** Reason for which a router refused the service's routes; undefined when none did. */
  readonly refused?: string;
}

/** Replicas that the autoscaler desires for a revision. */
export interface DesiredReplicas {
  readonly ref: RevisionRef;
  readonly replicas: number;
  readonly reason: ScaleReason;
}

/** Everything that an InferenceService needs now. */
export interface Plan {
  /** Objects that it is to own, in the order of their writing; what it owns beyond them is deleted. */
  readonly children: readonly KubeObject[];
  /** Pods of a warm pool that stood in for a revision and are to end; undefined when none is. */
  readonly ended?: readonly Observed<Pod>[];
  readonly status: InferenceServiceStatus;
  readonly events: readonly ObjectEvent[];
  /** ISO 8601 time at which to plan again though nothing has happened; undefined when there is none. */
  readonly resyncAt?: string;
}

/** Reason why a spec cannot be carried out, in KServe's words: those reasons of modelStatus.lastFailureInfo. */
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

/** Makes the result that is a value. */
export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** Makes the result that is a problem. */
export function problem<T>(reason: SpecProblem['reason'], message: string): Result<T> {
  return { ok: false, problem: { reason, message } };
}
