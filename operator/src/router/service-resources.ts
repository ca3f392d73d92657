/**
 * Translates the routes of one service into Envoy's resources; golden files show the results. Defaults of
 * Envoy that break model serving are set here (docs: router.md).
 */
import { REVISION_HEADER } from '../api/names.ts';
import { revisionName } from '../api/revision.ts';
import {
  clusterName,
  type Route,
  type RouteCluster,
  type RouteTarget,
  type ServiceRoutes,
} from '../api/route-table.ts';
import { HELD_IDLE_SECONDS, HELD_KEY, heldConfig } from './hold-resources.ts';
import type { Message } from './protos.ts';
import {
  ADS,
  PATH_FILTER,
  PATH_HOST_HEADER,
  pathHost,
  virtualHostName,
} from './shared-resources.ts';

const TYPE = 'type.googleapis.com/';
/** Seconds without any byte after which Envoy ends a stream, whatever the route's timeout. */
const STREAM_IDLE_SECONDS = 300;

/** The messages of one service by kind and resource name, in Envoy's field names. */
export interface ServiceMessages {
  readonly clusters: Readonly<Record<string, Message>>;
  readonly endpoints: Readonly<Record<string, Message>>;
  readonly virtualHosts: Readonly<Record<string, Message>>;
}

/**
 * Translates one service's routes into its clusters, their endpoints and, if it has hosts, a virtual host.
 */
export function serviceMessages({ route, clusters }: ServiceRoutes): ServiceMessages {
  const named = clusters.map((c) => [clusterName(c.ref, c.port), c] as const);
  const host = virtualHost(route);
  return {
    clusters: Object.fromEntries(named.map(([name, c]) => [name, cluster(name, c)])),
    endpoints: Object.fromEntries(named.map(([name, c]) => [name, loadAssignment(name, c)])),
    virtualHosts: host === undefined ? {} : { [virtualHostName(route.key)]: host },
  };
}

/**
 * Returns the hosts by which requests reach a route: those of clients, and the one that stands for its path.
 */
export function routedHosts({ hosts, pathPrefix }: Route): string[] {
  return pathPrefix === undefined ? [...hosts] : [...hosts, pathHost(pathPrefix)];
}

/** Returns the names of the clusters that a route sends to: two for a target that also serves gRPC. */
export function routedClusters({ targets }: Route): string[] {
  return targets.flatMap(({ ref, grpc }) =>
    grpc ? [clusterName(ref), clusterName(ref, 'grpc')] : [clusterName(ref)],
  );
}

function seconds(value: number): Message {
  return { seconds: Math.floor(value), nanos: Math.round((value % 1) * 1e9) };
}

/** A limit far above what a pod takes: admission is the pod's business, but Envoy answers 503 beyond 1024. */
const NO_LIMIT = { value: 1_000_000 };
/** Requests of a revision that may wait in a router for connections, where these are limited. */
const MAX_PENDING = { value: 1000 };
/** Seconds after which an idle connection goes that counts, so that another worker may have it. */
const LIMITED_IDLE_SECONDS = 1;
/** Pods among which a router looks for the one with the fewest requests: a request waits for the one that it gets. */
const LIMITED_CHOICES = { value: 8 };

function cluster(name: string, { protocol, connectionLimit }: RouteCluster): Message {
  const isLimited = connectionLimit !== undefined;
  return {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: ADS },
    connect_timeout: seconds(2),
    lb_policy: 'LEAST_REQUEST',
    ...(isLimited && { least_request_lb_config: { choice_count: LIMITED_CHOICES } }),
    // Draining or ejected pods get nothing, however few are left; their state applies at once.
    common_lb_config: { healthy_panic_threshold: { value: 0 }, update_merge_window: seconds(0) },
    circuit_breakers: {
      thresholds: [
        {
          max_connections: NO_LIMIT,
          max_pending_requests: isLimited ? MAX_PENDING : NO_LIMIT,
          max_requests: NO_LIMIT,
          max_retries: NO_LIMIT,
        },
      ],
      ...(isLimited && { per_host_thresholds: [{ max_connections: { value: connectionLimit } }] }),
    },
    outlier_detection: {
      consecutive_gateway_failure: { value: 5 },
      enforcing_consecutive_gateway_failure: { value: 100 },
      enforcing_consecutive_5xx: { value: 0 },
      enforcing_success_rate: { value: 0 },
      base_ejection_time: seconds(5),
      max_ejection_percent: { value: 50 },
    },
    lrs_server: { self: {}, resource_api_version: 'V3' },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPE}envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
        common_http_protocol_options: {
          idle_timeout: seconds(isLimited ? LIMITED_IDLE_SECONDS : 60),
        },
        explicit_http_config:
          protocol === 'h2c'
            ? { http2_protocol_options: isLimited ? ONE_STREAM : {} }
            : { http_protocol_options: {} },
      },
    },
  };
}

/** Makes a connection of HTTP/2 carry one request at a time, as those of HTTP/1.1 do. */
const ONE_STREAM = { max_concurrent_streams: { value: 1 } };

function loadAssignment(name: string, { endpoints }: RouteCluster): Message {
  const hosts = endpoints.map(({ address, port, state }) => ({
    health_status: state === 'healthy' ? 'HEALTHY' : 'DRAINING',
    endpoint: { address: { socket_address: { address, port_value: port } } },
  }));
  return {
    cluster_name: name,
    endpoints: hosts.length === 0 ? [] : [{ locality: {}, lb_endpoints: hosts }],
  };
}

/** Returns undefined when no host leads to the service: Envoy refuses a virtual host without domains. */
function virtualHost(route: Route): Message | undefined {
  const domains = routedHosts(route);
  if (domains.length === 0) return undefined;
  const action = (port: RouteCluster['port']) => ({
    route: routeAction(route, port),
    ...(isHeld(route) && HELD_ROUTE),
  });
  const http = { match: { prefix: '/' }, ...action('http') };
  const grpc = { match: { prefix: '/', grpc: {} }, ...action('grpc') };
  const split = route.targets.some((target) => target.grpc);
  return {
    name: virtualHostName(route.key),
    domains,
    routes: split ? [grpc, http] : [http],
    retry_policy: RETRY_POLICY,
  };
}

/** Metadata by which a request by path knows that it may have to be held. */
const HELD_ROUTE = {
  metadata: { filter_metadata: { [PATH_FILTER]: { fields: { [HELD_KEY]: { boolValue: true } } } } },
};

function isHeld({ targets }: Route): boolean {
  return targets.some(({ held }) => held);
}

function routeAction(route: Route, port: RouteCluster['port']): Message {
  const { timeoutSeconds, targets, pathPrefix } = route;
  return {
    weighted_clusters: { clusters: targets.map((target) => share(target, port)) },
    timeout: seconds(timeoutSeconds),
    ...idleTimeout(route),
    // The pod sees the host that the client asked for, not the one that stands for the path.
    ...(pathPrefix === undefined ? {} : { host_rewrite_header: PATH_HOST_HEADER }),
  };
}

/** Makes Envoy wait longer for a byte where a request may take longer than it waits by default. */
function idleTimeout(route: Route): Message {
  const { timeoutSeconds } = route;
  if (timeoutSeconds === 0) return { idle_timeout: seconds(0) };
  const needed = Math.max(timeoutSeconds + 5, isHeld(route) ? HELD_IDLE_SECONDS : 0);
  return needed < STREAM_IDLE_SECONDS + 5 ? {} : { idle_timeout: seconds(needed) };
}

function share({ ref, weight, grpc, held }: RouteTarget, port: RouteCluster['port']): Message {
  return {
    name: clusterName(ref, grpc ? port : 'http'),
    weight: { value: weight },
    ...(held && { typed_per_filter_config: heldConfig(ref) }),
    response_headers_to_add: [
      {
        header: { key: REVISION_HEADER, value: revisionName(ref) },
        append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
      },
    ],
  };
}

/**
 * Retries only where no pod can have begun the request: an inference is a POST and may not be free to repeat.
 */
const RETRY_POLICY = {
  retry_on: 'connect-failure,refused-stream,reset-before-request',
  num_retries: { value: 3 },
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: {
        '@type': `${TYPE}envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate`,
      },
    },
  ],
  host_selection_retry_max_attempts: 3,
};
