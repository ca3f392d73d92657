/** InferenceServices and their pods → RouteTable: shares come from status.traffic, endpoints from the pods. */
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { keyOf, type Observed, type Pod } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import {
  clusterName,
  type Endpoint,
  type Route,
  type RouteCluster,
  type RouteTable,
  type RouteTarget,
} from '../api/route-table.ts';
import { hosts } from './hosts.ts';
import { isH2c, servingPort } from './pod.ts';
import { isPodReady } from './revision.ts';

/** KServe's HTTPRoute timeout when the spec has none. */
const DEFAULT_TIMEOUT_SECONDS = 60;

export interface RouteTableInput {
  readonly services: readonly InferenceServiceData[];
  readonly pods: readonly Observed<Pod>[];
  readonly config: OperatorConfig;
}

/** The routes of every service that has traffic, in the order of their keys. */
export function routeTable({ services, pods, config }: RouteTableInput): RouteTable {
  const podsOf = Map.groupBy(pods, podRevision);
  const routes: Route[] = [];
  const clusters: RouteCluster[] = [];
  for (const isvc of [...services].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    if (isvc.metadata.deletionTimestamp !== undefined) continue;
    const found = (isvc.status?.components?.predictor?.traffic ?? []).map(
      ({ revisionName, percent }) => {
        const own = podsOf.get(clusterName(isvc.metadata.namespace ?? '', revisionName)) ?? [];
        return { revision: revisionName, percent, clusters: revisionClusters(isvc, revisionName, own) };
      },
    );
    if (found.length === 0) continue;
    clusters.push(...found.flatMap((target) => target.clusters));
    routes.push(route(isvc, weighted(found), config));
  }
  return { routes, clusters };
}

function podRevision({ metadata }: Observed<Pod>): string {
  return clusterName(metadata.namespace ?? '', metadata.labels?.[LABELS.revision] ?? '');
}

function route(isvc: InferenceServiceData, targets: RouteTarget[], config: OperatorConfig): Route {
  const { external, internal, pathPrefix } = hosts(isvc, config);
  return {
    key: keyOf(isvc),
    hosts: [...(external ? [external.service, external.predictor] : []), ...internal],
    pathPrefix,
    timeoutSeconds: isvc.spec.predictor.timeout ?? DEFAULT_TIMEOUT_SECONDS,
    targets,
  };
}

interface FoundTarget {
  readonly revision: string;
  readonly percent: number;
  readonly clusters: readonly RouteCluster[];
}

/** A revision with no healthy endpoint gets no requests while another one has some. */
function weighted(found: readonly FoundTarget[]): RouteTarget[] {
  const alive = ({ clusters }: FoundTarget) =>
    clusters.some(({ endpoints }) => endpoints.some(({ state }) => state === 'healthy'));
  const serving = found.filter((target) => target.percent > 0 && alive(target));
  const fallback = serving.length > 0 ? serving : found.filter(alive);
  const anyAlive = fallback.length > 0;
  return found.map(({ revision, percent, clusters }) => {
    const http = clusters.find(({ protocol }) => protocol === 'http1') ?? clusters[0];
    const grpc = clusters.find(({ protocol }) => protocol === 'h2c');
    const takes = fallback.some((target) => target.revision === revision);
    const onlyFallback = serving.length === 0;
    return {
      revision,
      percent,
      weight: anyAlive ? (takes ? (onlyFallback ? 1 : percent) : 0) : Math.max(percent, 0),
      cluster: http?.name ?? '',
      grpcCluster: grpc !== undefined && grpc !== http ? grpc.name : undefined,
    };
  });
}

/** A cluster for the HTTP port and, when the container has one, for the gRPC port. */
function revisionClusters(
  { metadata }: InferenceServiceData,
  revision: string,
  pods: readonly Observed<Pod>[],
): RouteCluster[] {
  const namespace = metadata.namespace ?? '';
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
