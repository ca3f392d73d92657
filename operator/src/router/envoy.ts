/**
 * RouteTable → Envoy's resources: pure, and shown by golden files. Defaults of Envoy that break model serving
 * are set here (docs: router.md).
 */
import { REVISION_HEADER } from '../api/names.ts';
import type { Route, RouteCluster, RouteTable, RouteTarget } from '../api/route-table.ts';
import type { Message } from './protos.ts';

/** The routers' port for requests, and the one on which they tell that they have a configuration. */
export const HTTP_PORT = 8080;
export const HEALTH_PORT = 8002;
const ROUTE_CONFIG = 'wherry';
const TYPE = 'type.googleapis.com/';

/** Resources by name. */
export interface EnvoyResources {
  readonly clusters: Readonly<Record<string, Message>>;
  readonly endpoints: Readonly<Record<string, Message>>;
  readonly listeners: Readonly<Record<string, Message>>;
  readonly routes: Readonly<Record<string, Message>>;
}

export function envoyResources(table: RouteTable): EnvoyResources {
  return {
    clusters: Object.fromEntries(table.clusters.map((c) => [c.name, cluster(c)])),
    endpoints: Object.fromEntries(table.clusters.map((c) => [c.name, loadAssignment(c)])),
    listeners: { http: httpListener(), health: healthListener() },
    routes: { [ROUTE_CONFIG]: routeConfiguration(table.routes) },
  };
}

const ADS = { ads: {}, resource_api_version: 'V3' };

function seconds(value: number): Message {
  return { seconds: Math.floor(value), nanos: Math.round((value % 1) * 1e9) };
}

/** Far above what a pod takes: admission is the pod's business, Envoy's 1024 would answer 503 for it. */
const NO_LIMIT = { value: 1_000_000 };

function cluster({ name, protocol }: RouteCluster): Message {
  return {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: ADS },
    connect_timeout: seconds(2),
    lb_policy: 'LEAST_REQUEST',
    // Draining or ejected pods get nothing, however few are left; their state applies at once.
    common_lb_config: { healthy_panic_threshold: { value: 0 }, update_merge_window: seconds(0) },
    circuit_breakers: {
      thresholds: [
        {
          max_connections: NO_LIMIT,
          max_pending_requests: NO_LIMIT,
          max_requests: NO_LIMIT,
          max_retries: NO_LIMIT,
        },
      ],
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
        common_http_protocol_options: { idle_timeout: seconds(60) },
        explicit_http_config:
          protocol === 'h2c' ? { http2_protocol_options: {} } : { http_protocol_options: {} },
      },
    },
  };
}

function loadAssignment({ name, endpoints }: RouteCluster): Message {
  const hosts = endpoints.map(({ address, port, state }) => ({
    health_status: state === 'healthy' ? 'HEALTHY' : 'DRAINING',
    endpoint: { address: { socket_address: { address, port_value: port } } },
  }));
  return {
    cluster_name: name,
    endpoints: hosts.length === 0 ? [] : [{ locality: {}, lb_endpoints: hosts }],
  };
}

function routeConfiguration(routes: readonly Route[]): Message {
  const byPath = routes.filter(({ pathPrefix }) => pathPrefix !== undefined);
  return {
    name: ROUTE_CONFIG,
    virtual_hosts: [
      ...routes.map((route) => ({
        name: route.key,
        domains: route.hosts,
        routes: serviceRoutes(route, { match: { prefix: '/' } }),
      })),
      {
        name: 'paths',
        domains: ['*'],
        routes: [
          ...byPath.flatMap((route) =>
            serviceRoutes(route, {
              match: { prefix: `${route.pathPrefix}/` },
              prefix_rewrite: '/',
            }),
          ),
          {
            match: { prefix: '/' },
            direct_response: {
              status: 404,
              body: { inline_string: 'no service has this host or path' },
            },
          },
        ],
      },
    ],
  };
}

/** The service's routes: gRPC first when a revision has a port of its own for it. */
function serviceRoutes(
  route: Route,
  { match, prefix_rewrite }: { match: Message; prefix_rewrite?: string },
): Message[] {
  const rewrite = prefix_rewrite === undefined ? {} : { prefix_rewrite };
  const action = (cluster: (target: RouteTarget) => string): Message => ({
    route: {
      ...rewrite,
      weighted_clusters: {
        clusters: route.targets.map((target) => share(target, cluster(target))),
      },
      timeout: seconds(route.timeoutSeconds),
      retry_policy: RETRY_POLICY,
    },
  });
  const http = { match, ...action(({ cluster }) => cluster) };
  if (route.targets.every(({ grpcCluster }) => grpcCluster === undefined)) return [http];
  const grpc = action(({ cluster, grpcCluster }) => grpcCluster ?? cluster);
  return [{ match: { ...match, grpc: {} }, ...grpc }, http];
}

function share({ weight, revision }: RouteTarget, name: string): Message {
  return {
    name,
    weight: { value: weight },
    response_headers_to_add: [
      {
        header: { key: REVISION_HEADER, value: revision },
        append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
      },
    ],
  };
}

/** Only where no pod can have begun the request: an inference is a POST and may not be free to repeat. */
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

function httpListener(): Message {
  return listener('http', HTTP_PORT, {
    stat_prefix: 'http',
    codec_type: 'AUTO',
    rds: { config_source: ADS, route_config_name: ROUTE_CONFIG },
    use_remote_address: { value: true },
    strip_any_host_port: true,
    normalize_path: { value: true },
    server_header_transformation: 'PASS_THROUGH',
    request_headers_timeout: seconds(10),
    // Envoy's own texts hold no quotes; its JSON formatter leaves this value out.
    local_reply_config: {
      body_format: {
        text_format_source: { inline_string: '{"error":"%LOCAL_REPLY_BODY%"}' },
        content_type: 'application/json',
      },
    },
  });
}

/** Answers once LDS has come, which is after clusters and endpoints. */
function healthListener(): Message {
  return listener('health', HEALTH_PORT, {
    stat_prefix: 'health',
    route_config: {
      virtual_hosts: [
        {
          name: 'health',
          domains: ['*'],
          routes: [{ match: { path: '/ready' }, direct_response: { status: 200 } }],
        },
      ],
    },
  });
}

function listener(name: string, port: number, connectionManager: Message): Message {
  return {
    name,
    address: { socket_address: { address: '0.0.0.0', port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `${TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              ...connectionManager,
              http_filters: [
                {
                  name: 'envoy.filters.http.router',
                  typed_config: {
                    '@type': `${TYPE}envoy.extensions.filters.http.router.v3.Router`,
                  },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}
