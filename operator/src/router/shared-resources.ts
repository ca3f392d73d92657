/**
 * Makes Envoy's resources that all services share: listeners, the route configuration, and the virtual host
 * of requests by path. They depend on no service, so that a change of one never touches them.
 */
import { HELD_KEY, holdFilters, PATH_HOLD_ENABLED } from './hold-resources.ts';
import type { Message } from './protos.ts';
import { signalLoggers } from './signal-resources.ts';

/** The routers' port for requests. */
export const HTTP_PORT = 8080;
/** The routers' port on which `/ready` tells that they have every service's routes. */
export const HEALTH_PORT = 8002;
/** The listener that a router gets last of all, because it makes the router ready. */
export const HEALTH_LISTENER = 'health';

/** The source of every resource: the stream that the router has already. */
export const ADS = { ads: {}, resource_api_version: 'V3' };

const ROUTE_CONFIG = 'wherry';
const TYPE = 'type.googleapis.com/';
/** The filter with the script for requests by path; metadata for it have its name. */
export const PATH_FILTER = 'wherry.path';
const PATH_SUFFIX = 'path.wherry';
/** The header in which a request by path keeps the host that the client asked for. */
export const PATH_HOST_HEADER = 'x-wherry-path-host';

const NOT_FOUND = 'no service has this host or path';
/** Many namespaces may have a service of one name, and a router cannot see from which one it is called. */
const BARE_NAME =
  'inside the cluster a host needs the namespace, as in iris-predictor.default, which a bare name does not tell';

/** The choices that an installation has for the routers' listeners. */
export interface ListenerOptions {
  /** Address families to listen on; IPv4 alone when left out. */
  readonly families?: readonly ('IPv4' | 'IPv6')[];
  /** HTTP filters that requests pass before they are routed, in Envoy's field names. */
  readonly filters?: readonly Message[];
}

/** The shared messages by kind and resource name, in Envoy's field names. */
export interface SharedMessages {
  readonly listeners: Readonly<Record<string, Message>>;
  readonly routes: Readonly<Record<string, Message>>;
  readonly virtualHosts: Readonly<Record<string, Message>>;
}

/** Makes the resources that all services share. */
export function sharedMessages(options: ListenerOptions = {}): SharedMessages {
  return {
    listeners: { http: httpListener(options), [HEALTH_LISTENER]: healthListener(options) },
    routes: { [ROUTE_CONFIG]: { name: ROUTE_CONFIG, vhds: { config_source: ADS } } },
    virtualHosts: { [`${ROUTE_CONFIG}/paths`]: pathVirtualHost() },
  };
}

/**
 * Returns the name of a service's virtual host. Envoy takes what stands before the last slash for the route
 * configuration, so the service's key may hold none; a namespace holds no dot.
 */
export function virtualHostName(key: string): string {
  return `${ROUTE_CONFIG}/${key.replace('/', '.')}`;
}

/**
 * Returns the host that stands for the path `/serving/<namespace>/<name>`: the parts of the path from right
 * to left, as in `<name>.<namespace>.serving.path.wherry`. Only a service that has a route by path has it.
 */
export function pathHost(pathPrefix: string): string {
  return [...pathPrefix.split('/').slice(1).reverse(), PATH_SUFFIX].join('.');
}

/**
 * Turns a request by path into one for the host that stands for the path; `clearRouteCache` then finds the
 * service's own virtual host, so that routes by path need no resource that services share. Its metadata say whether
 * the request may have to be held. The path has been normalised by then. What does not look like a service's path
 * keeps its route, which answers 404.
 */
const PATH_SCRIPT = `
function envoy_on_request(request)
  local headers = request:headers()
  local path = headers:get(":path")
  local namespace, name, rest = string.match(path, "^/serving/([a-z0-9%-]+)/([a-z0-9%-]+)(.*)$")
  if namespace == nil then return end
  local first = string.sub(rest, 1, 1)
  if first == "" or first == "?" then
    rest = "/" .. rest
  elseif first ~= "/" then
    return
  end
  headers:replace("${PATH_HOST_HEADER}", headers:get(":authority"))
  headers:replace(":authority", name .. "." .. namespace .. ".serving.${PATH_SUFFIX}")
  headers:replace(":path", rest)
  request:clearRouteCache()
  if request:metadata():get("${HELD_KEY}") then
    request:streamInfo():dynamicMetadata():set("${PATH_FILTER}", "${HELD_KEY}", true)
  end
end
`;

function pathVirtualHost(): Message {
  const answer = (text: string) => ({
    direct_response: { status: 404, body: { inline_string: text } },
  });
  const notFound = answer(NOT_FOUND);
  const bareName = { name: ':authority', string_match: { safe_regex: { regex: '[^.:]+' } } };
  const enabled = {
    '@type': `${TYPE}envoy.config.route.v3.FilterConfig`,
    config: { '@type': `${TYPE}envoy.extensions.filters.http.lua.v3.LuaPerRoute` },
  };
  return {
    name: `${ROUTE_CONFIG}/paths`,
    domains: ['*'],
    routes: [
      {
        match: { prefix: '/serving/' },
        ...notFound,
        typed_per_filter_config: { [PATH_FILTER]: enabled, ...PATH_HOLD_ENABLED },
      },
      { match: { prefix: '/', headers: [bareName] }, ...answer(`${NOT_FOUND}; ${BARE_NAME}`) },
      { match: { prefix: '/' }, ...notFound },
    ],
  };
}

/** Envoy itself answers 403 only to an upgrade that it does not know, and says nothing. */
const UPGRADE_REFUSAL = {
  filter: {
    status_code_filter: {
      comparison: {
        op: 'EQ',
        value: { default_value: 403, runtime_key: 'wherry.upgrade_refusal' },
      },
    },
  },
  body: { inline_string: 'this upgrade of the connection is not supported: WebSocket is' },
};

/** A held request is sent away by Envoy itself when the control plane is gone: it may come again. */
const HOLD_FAILURE = {
  filter: { response_flag_filter: { flags: ['UAEX'] } },
  headers_to_add: [{ header: { key: 'retry-after', value: '1' }, append_action: 'ADD_IF_ABSENT' }],
};

/** Only revisions whose pods the router limits let a bounded number of requests wait. */
const TOO_MANY_WAIT = {
  filter: { response_flag_filter: { flags: ['UO'] } },
  status_code: { value: 429 },
  headers_to_add: [{ header: { key: 'retry-after', value: '1' }, append_action: 'ADD_IF_ABSENT' }],
  body: { inline_string: 'too many requests wait for the pods of this service already' },
};

function httpListener(options: ListenerOptions): Message {
  const pathFilter = {
    name: PATH_FILTER,
    disabled: true,
    typed_config: {
      '@type': `${TYPE}envoy.extensions.filters.http.lua.v3.Lua`,
      default_source_code: { inline_string: PATH_SCRIPT },
    },
  };
  const connectionManager = {
    stat_prefix: 'http',
    codec_type: 'AUTO',
    rds: { config_source: ADS, route_config_name: ROUTE_CONFIG },
    use_remote_address: { value: true },
    strip_any_host_port: true,
    strip_trailing_host_dot: true,
    http_protocol_options: { accept_http_10: true },
    normalize_path: { value: true },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    server_header_transformation: 'PASS_THROUGH',
    request_headers_timeout: { seconds: 10 },
    // A client must not choose the host that the pod sees beside the one that it is routed by.
    early_header_mutation_extensions: [
      {
        name: 'envoy.http.early_header_mutation.header_mutation',
        typed_config: {
          '@type': `${TYPE}envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation`,
          mutations: [{ remove: PATH_HOST_HEADER }],
        },
      },
    ],
    // Envoy's own texts hold no quotes; its JSON formatter leaves this value out.
    local_reply_config: {
      mappers: [UPGRADE_REFUSAL, HOLD_FAILURE, TOO_MANY_WAIT],
      body_format: {
        text_format_source: { inline_string: '{"error":"%LOCAL_REPLY_BODY%"}' },
        content_type: 'application/json',
      },
    },
    access_log: signalLoggers(),
    http_filters: [
      pathFilter,
      ...(options.filters ?? []),
      ...holdFilters(PATH_FILTER),
      ROUTER_FILTER,
    ],
  };
  return listener('http', HTTP_PORT, { options, connectionManager });
}

/** Makes the listener that answers `/ready`; a router gets it after everything else. */
function healthListener(options: ListenerOptions): Message {
  const connectionManager = {
    stat_prefix: HEALTH_LISTENER,
    route_config: {
      virtual_hosts: [
        {
          name: HEALTH_LISTENER,
          domains: ['*'],
          routes: [{ match: { path: '/ready' }, direct_response: { status: 200 } }],
        },
      ],
    },
    http_filters: [ROUTER_FILTER],
  };
  return listener(HEALTH_LISTENER, HEALTH_PORT, { options, connectionManager });
}

const ROUTER_FILTER = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': `${TYPE}envoy.extensions.filters.http.router.v3.Router` },
};

interface ListenerParts {
  readonly options: ListenerOptions;
  readonly connectionManager: Message;
}

function listener(name: string, port: number, parts: ListenerParts): Message {
  const { families = ['IPv4'] } = parts.options;
  return {
    name,
    address: { socket_address: socketAddress(families, port) },
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': `${TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
              ...parts.connectionManager,
            },
          },
        ],
      },
    ],
  };
}

function socketAddress(families: readonly string[], port: number): Message {
  if (!families.includes('IPv6')) return { address: '0.0.0.0', port_value: port };
  return { address: '::', port_value: port, ipv4_compat: families.includes('IPv4') };
}
