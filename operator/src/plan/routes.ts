/** An InferenceService and its pods → routes: shares come from status.traffic, endpoints from the pods. */
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { keyOf, type Observed, type Pod } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import { parseRevision } from '../api/revision.ts';
import {
  clusterName,
  type Endpoint,
  type Route,
  type RouteCluster,
  type RouteTarget,
  type ServiceRoutes,
} from '../api/route-table.ts';
import { pathPrefix } from './hosts.ts';
import { isH2c, servingPort } from './pod.ts';
import { isPodReady } from './revision.ts';

/** KServe's HTTPRoute timeout when the spec has none. */
const DEFAULT_TIMEOUT_SECONDS = 60;

export interface ServiceRoutesInput {
  readonly isvc: InferenceServiceData;
  /** Pods of the service's revisions. */
  readonly pods: readonly Observed<Pod>[];
  /** The hosts that the service has, of those that it claims. */
  readonly hosts: readonly string[];
}

/** The routes of one service and their clusters; undefined while it has no traffic to route. */
export function serviceRoutes(input: ServiceRoutesInput): ServiceRoutes | undefined {
  const { isvc, pods } = input;
  if (isvc.metadata.deletionTimestamp !== undefined) return undefined;
  const { namespace = '', name } = isvc.metadata;
  const podsOf = Map.groupBy(pods, ({ metadata }) => metadata.labels?.[LABELS.revision] ?? '');
  const clustersOf = (revision: string) =>
    revisionClusters(namespace, revision, podsOf.get(revision) ?? []);
  const found = (isvc.status?.components?.predictor?.traffic ?? []).map(
    ({ revisionName, percent }): FoundTarget => ({
      revision: revisionName,
      percent,
      clusters: clustersOf(revisionName),
    }),
  );
  if (found.length === 0) return undefined;
  // A router that comes back may still send to a revision that has pods but no share any more.
  const idle = [...podsOf.keys()]
    .filter((revision) => parseRevision(namespace, revision)?.service === name)
    .filter((revision) => !found.some((target) => target.revision === revision))
    .sort();
  return {
    route: route(input, weighted(found)),
    clusters: [...found.flatMap((target) => target.clusters), ...idle.flatMap(clustersOf)],
  };
}

function route({ isvc, hosts }: ServiceRoutesInput, targets: RouteTarget[]): Route {
  return {
    key: keyOf(isvc),
    hosts,
    pathPrefix: pathPrefix(isvc),
    timeoutSeconds: isvc.spec.predictor.timeout ?? DEFAULT_TIMEOUT_SECONDS,
    targets,
  };
}

interface FoundTarget {
  readonly revision: string;
  readonly percent: number;
  readonly clusters: readonly RouteCluster[];
}

function weighted(found: readonly FoundTarget[]): RouteTarget[] {
  const weight = weights(found);
  return found.map(({ revision, percent, clusters }, i) => {
    const http = clusters.find(({ protocol }) => protocol === 'http1') ?? clusters[0];
    const grpc = clusters.find(({ protocol }) => protocol === 'h2c');
    return {
      revision,
      percent,
      weight: weight[i] ?? 0,
      cluster: http?.name ?? '',
      grpcCluster: grpc !== undefined && grpc !== http ? grpc.name : undefined,
    };
  });
}

/** A revision with no healthy endpoint gets no requests while another one has some, be it a dark one. */
function weights(found: readonly FoundTarget[]): number[] {
  const alive = found.map(({ clusters }) =>
    clusters.some(({ endpoints }) => endpoints.some(({ state }) => state === 'healthy')),
  );
  const shares = found.map(({ percent }, i) => (alive[i] ? percent : 0));
  if (shares.some((share) => share > 0)) return shares;
  return alive.includes(true) ? alive.map(Number) : found.map(({ percent }) => percent);
}

/** A cluster for the HTTP port and, when the container has one, for the gRPC port. */
function revisionClusters(
  namespace: string,
  revision: string,
  pods: readonly Observed<Pod>[],
): RouteCluster[] {
  const ports = pods[0]?.spec?.containers.flatMap((container) => container.ports ?? []) ?? [];
  const grpcPort = ports.find(({ name = '' }) => isH2c(name));
  const onlyGrpc = grpcPort !== undefined && ports.length === 1;
  const http: RouteCluster = {
    name: clusterName(namespace, revision),
    protocol: onlyGrpc ? 'h2c' : 'http1',
    endpoints: endpoints(pods, (pod) => servingPort(pod.spec)),
  };
  if (grpcPort === undefined || onlyGrpc) return [http];
  const grpc: RouteCluster = {
    name: clusterName(namespace, revision, 'grpc'),
    protocol: 'h2c',
    endpoints: endpoints(pods, () => grpcPort.containerPort),
  };
  return [http, grpc];
}

function endpoints(
  pods: readonly Observed<Pod>[],
  port: (pod: Observed<Pod>) => number,
): Endpoint[] {
  return pods
    .flatMap((pod): Endpoint[] => {
      const address = pod.status?.podIP;
      if (address === undefined || address === '' || !isPodReady(pod)) return [];
      const draining = pod.metadata.deletionTimestamp !== undefined;
      return [{ address, port: port(pod), state: draining ? 'draining' : 'healthy' }];
    })
    .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
}
