/** An InferenceService and its pods → routes: shares come from status.traffic, endpoints from the pods. */
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { keyOf, type Observed, type Pod, type ScaledDeployment } from '../api/kube.ts';
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
import { connectionLimit, type Routers } from './request-limit.ts';
import { isPodReady } from './revision.ts';

/** Everything that the routes of a service follow from. */
export interface ServiceRoutesInput {
  readonly isvc: InferenceServiceData;
  /** Pods of the service's revisions. */
  readonly pods: readonly Observed<Pod>[];
  /** Deployments of the service's revisions. */
  readonly deployments: readonly Observed<ScaledDeployment>[];
  /** The hosts that the service has, of those that it claims. */
  readonly hosts: readonly string[];
  /** Says whether a pod has answered that it is ready, which its kubelet has not said yet; none has by default. */
  readonly hasAnswered?: (pod: Observed<Pod>) => boolean;
  /** Routers that limit the requests of pods; absent where every server does so itself. */
  readonly routers?: Routers;
}

/** The routes of one service and their clusters; undefined while it has no traffic to route. */
export function serviceRoutes(input: ServiceRoutesInput): ServiceRoutes | undefined {
  const { isvc, pods, deployments, hasAnswered = () => false, routers } = input;
  if (isvc.metadata.deletionTimestamp !== undefined) return undefined;
  const { namespace = '', name } = isvc.metadata;
  const podsOf = Map.groupBy(pods, ({ metadata }) => metadata.labels?.[LABELS.revision] ?? '');
  const clustersOf = (ref: RevisionRef) => {
    const name = revisionName(ref);
    const deployment = deployments.find(({ metadata }) => metadata.name === name);
    const limit = routers && connectionLimit(deployment, routers);
    return revisionClusters(ref, { pods: podsOf.get(name) ?? [], deployment, hasAnswered, limit });
  };
  const { traffic = [], heldRevisions = [] } = isvc.status?.components?.predictor ?? {};
  const found = traffic.flatMap(({ revisionName: name, percent }): FoundTarget[] => {
    const ref = parseRevision(namespace, name);
    if (ref === undefined) return [];
    const held = heldRevisions.includes(name) && ({ held: true } as const);
    return [{ ref, percent, ...held, clusters: clustersOf(ref) }];
  });
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
  const { timeout = DEFAULT_TIMEOUT_SECONDS, containerConcurrency = 0 } = isvc.spec.predictor;
  return {
    key: keyOf(isvc),
    hosts,
    pathPrefix: pathPrefix(isvc),
    timeoutSeconds: timeout,
    ...(containerConcurrency > 0 && { concurrency: containerConcurrency }),
    targets,
  };
}

interface FoundTarget extends Share {
  readonly clusters: readonly RouteCluster[];
}

function weighted(found: readonly FoundTarget[]): RouteTarget[] {
  const weight = weights(found);
  return found.map(({ clusters, ...share }, i) => ({
    ...share,
    weight: weight[i] ?? 0,
    grpc: clusters.some(({ port }) => port === 'grpc'),
  }));
}

/**
 * A revision with no healthy endpoint gets no requests while another one has some, be it a dark one; a held one gets
 * its share, which waits for a pod.
 */
function weights(found: readonly FoundTarget[]): number[] {
  const alive = found.map(
    ({ held, clusters }) =>
      held ?? clusters.some(({ endpoints }) => endpoints.some(({ state }) => state === 'healthy')),
  );
  const shares = found.map(({ percent }, i) => (alive[i] ? percent : 0));
  if (shares.some((share) => share > 0)) return shares;
  return alive.includes(true) ? alive.map(Number) : found.map(({ percent }) => percent);
}

/** The pods of one revision, and the Deployment that makes them. */
interface RevisionPods {
  readonly pods: readonly Observed<Pod>[];
  readonly deployment: Observed<ScaledDeployment> | undefined;
  readonly hasAnswered: (pod: Observed<Pod>) => boolean;
  /** Most connections of a router to each port of a pod; undefined for no limit. */
  readonly limit: number | undefined;
}

/** A cluster for the HTTP port and, when the serving container has one, for the gRPC port: no sidecar's is open. */
function revisionClusters(
  ref: RevisionRef,
  { pods, deployment, hasAnswered, limit }: RevisionPods,
): RouteCluster[] {
  // Requests that wait for the first pod are on their way to its port already.
  const ports = servingPorts(pods[0]?.spec ?? deployment?.spec?.template?.spec);
  const isEnding = deployment?.spec?.replicas === 0;
  const grpcPort = ports.find(({ name = '' }) => isH2c(name));
  const onlyGrpc = grpcPort !== undefined && ports.length === 1;
  const limited = limit !== undefined && { connectionLimit: limit };
  const http: RouteCluster = {
    ref,
    port: 'http',
    protocol: onlyGrpc ? 'h2c' : 'http1',
    ...limited,
    endpoints: endpoints(pods, { isEnding, hasAnswered, port: (pod) => servingPort(pod.spec) }),
  };
  if (grpcPort === undefined || onlyGrpc) return [http];
  const grpc: RouteCluster = {
    ref,
    port: 'grpc',
    protocol: 'h2c',
    ...limited,
    endpoints: endpoints(pods, { isEnding, hasAnswered, port: () => grpcPort.containerPort }),
  };
  return [http, grpc];
}

interface EndpointOptions extends Pick<RevisionPods, 'hasAnswered'> {
  readonly port: (pod: Observed<Pod>) => number;
  /** True when all pods are about to be deleted. */
  readonly isEnding: boolean;
}

function endpoints(
  pods: readonly Observed<Pod>[],
  { port, isEnding, hasAnswered }: EndpointOptions,
): Endpoint[] {
  return pods
    .flatMap((pod): Endpoint[] => {
      const address = pod.status?.podIP;
      const isReady = isPodReady(pod);
      if (address === undefined || address === '' || !(isReady || hasAnswered(pod))) return [];
      const draining = isEnding || pod.metadata.deletionTimestamp !== undefined;
      const state = draining ? 'draining' : 'healthy';
      return [{ address, port: port(pod), state, ...(!isReady && { answered: true }) }];
    })
    .sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
}
