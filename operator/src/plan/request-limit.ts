/**
 * The limit of requests at once in pods whose server keeps none itself: each router keeps a share of it, in connections
 * with one request each. Source: Envoy, circuit breakers, `per_host_thresholds`.
 */
import type { ConditionState } from '../api/conditions.ts';
import type { ServingRuntimeData } from '../api/inferenceservice.ts';
import type { KubeObject, ScaledDeployment } from '../api/kube.ts';
import { ANNOTATIONS } from '../api/names.ts';
import type { Component } from './component.ts';
import { isH2c, servingPorts } from './pod.ts';
import { fetchesModel } from './runtime.ts';

/** The routers that share a limit. */
export interface Routers {
  /** Number of routers, those among them that start or end. */
  readonly count: number;
  /** Worker threads of each. */
  readonly workers: number;
}

/** Deployment that may tell the limit of its pods, and by how many ports they take requests. */
type LimitedDeployment = KubeObject & Pick<ScaledDeployment, 'spec'>;

/** Returns the annotations of a Deployment by which the routers know the limit; none where the server keeps it. */
export function limitAnnotations(
  { spec }: Component,
  runtime: ServingRuntimeData | undefined,
): Record<string, string> {
  const { containerConcurrency = 0 } = spec;
  const keepsItself = runtime !== undefined && fetchesModel(runtime);
  if (containerConcurrency === 0 || keepsItself) return {};
  return { [ANNOTATIONS.requestLimit]: String(containerConcurrency) };
}

/**
 * Returns how many connections a router may have to each port of a pod; undefined where the routers keep no limit. Each
 * worker thread may open one where it has none, above what is said here. At least one is needed.
 */
export function connectionLimit(
  deployment: LimitedDeployment | undefined,
  { count, workers }: Routers,
): number | undefined {
  const limit = requestLimit(deployment);
  if (limit === undefined) return undefined;
  const share = Math.floor(limit / (Math.max(1, count) * portsOf(deployment)));
  return Math.max(1, share - (workers - 1));
}

/** Present, and True, only when the routers may send more requests at once to a pod than its limit. */
export function limitNotKept(
  deployment: LimitedDeployment | undefined,
  { count, workers }: Routers,
): ConditionState | undefined {
  const limit = requestLimit(deployment);
  const needed = count * workers * portsOf(deployment);
  if (limit === undefined || limit >= needed) return undefined;
  const ports = portsOf(deployment) === 1 ? '' : ', for each of two ports';
  return {
    status: 'True',
    severity: 'Info',
    reason: 'TooManyRouters',
    message: `a pod may get ${needed} requests at once, more than containerConcurrency ${limit}: one from each worker of each router (${count} routers of ${workers}${ports}); have fewer of them, or set ${needed} or more`,
  };
}

function requestLimit(deployment: KubeObject | undefined): number | undefined {
  const text = deployment?.metadata.annotations?.[ANNOTATIONS.requestLimit];
  return text === undefined ? undefined : Number(text);
}

/** Counts the ports that requests come by: routers know the pods of each as others. */
function portsOf(deployment: LimitedDeployment | undefined): number {
  const ports = servingPorts(deployment?.spec?.template?.spec);
  return ports.length > 1 && ports.some(({ name = '' }) => isH2c(name)) ? 2 : 1;
}
