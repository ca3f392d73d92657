/** An InferenceService and its pods → routes: shares come from status.traffic, endpoints from the pods. */
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { keyOf, type Observed, type Pod } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import { parseRevision, type RevisionRef, revisionName, sameRevision } from '../api/revision.ts';
import type {
  Endpoint,
  Route,
  RouteCluster,
  RouteTarget,
  ServiceRoutes,
  Share,
} from '../api/route-table.ts';
import { DEFAULT_TIMEOUT_SECONDS } from './grace.ts';
import { pathPrefix } from './hosts.ts';
import { isH2c, servingPort, servingPorts } from './pod.ts';
import { isPodReady } from './revision.ts';

/** Everything that the routes of a service follow from. */
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
  const clustersOf = (ref: RevisionRef) =>
    revisionClusters(ref, podsOf.get(revisionName(ref)) ?? []);
  const found = (isvc.status?.components?.predictor?.traffic ?? []).flatMap(
    (target): FoundTarget[] => {
      const ref = parseRevision(namespace, target.revisionName);
      return ref ? [{ ref, percent: target.percent, clusters: clustersOf(ref) }] : [];
    },
  );
  if (found.length === 0) return undefined;
  // A router that comes back may still send to a revision that has pods but no share any more.
  const idle = [...podsOf.keys()]
    .sort()
    .flatMap((revision) => parseRevision(namespace, revision) ?? [])
    .filter((ref) => ref.service === name)
    .filter((ref) => !found.some((target) => sameRevision(target.ref, ref)));
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

interface FoundTarget extends Share {
  readonly clusters: readonly RouteCluster[];
}

function weighted(found: readonly FoundTarget[]): RouteTarget[] {
  const weight = weights(found);
  return found.map(({ ref, percent, clusters }, i) => ({
    ref,
    percent,
    weight: weight[i] ?? 0,
    grpc: clusters.some(({ port }) => port === 'grpc'),
  }));
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

/** A cluster for the HTTP port and, when the serving container has one, for the gRPC port: no sidecar's is open. */
function revisionClusters(ref: RevisionRef, pods: readonly Observed<Pod>[]): RouteCluster[] {
  const ports = servingPorts(pods[0]?.spec);
  const grpcPort = ports.find(({ name = '' }) => isH2c(name));
  const onlyGrpc = grpcPort !== undefined && ports.length === 1;
  const http: RouteCluster = {
    ref,
    port: 'http',
    protocol: onlyGrpc ? 'h2c' : 'http1',
    endpoints: endpoints(pods, (pod) => servingPort(pod.spec)),
  };
  if (grpcPort === undefined || onlyGrpc) return [http];
  const grpc: RouteCluster = {
    ref,
    port: 'grpc',
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
