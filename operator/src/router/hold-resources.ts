/**
 * Makes the parts of Envoy's resources by which it holds requests. Its filter for external authorization asks the
 * control plane, which answers when there is room in a pod; until then the request stays in Envoy, however large it is,
 * and no byte of it leaves. The filter is disabled but for revisions that are held.
 */
import { formatRevision, parseRevision, type RevisionRef } from '../api/revision.ts';
import { HOLD_LIMITS } from './hold.ts';
import type { Message } from './protos.ts';

const TYPE = 'type.googleapis.com/';
/** The cluster of the control plane in the routers' bootstrap. */
const CONTROL_PLANE = 'xds';
/** Filter for requests whose host tells the service. */
const HOLD_FILTER = 'wherry.hold';
/**
 * Filter for requests by path. Envoy chooses a request's filters by the route that it has at first, and by path that
 * is the same for all services; the script that finds the service's own route says whether the filter is to act.
 */
const PATH_HOLD_FILTER = 'wherry.path-hold';
/** The key under which a held revision is named to the control plane. */
const REVISION_KEY = 'revision';

/** Key of a route's metadata, and of a request's, which says that a revision of the route is held. */
export const HELD_KEY = 'held';
/** Seconds that Envoy waits for an answer: longer than the control plane lets requests wait. */
const ANSWER_SECONDS = HOLD_LIMITS.seconds + 5;
/** Seconds for which a held request may be without a byte. */
export const HELD_IDLE_SECONDS = ANSWER_SECONDS + 5;

/**
 * Makes the filters that hold requests, in the order in which they have to stand.
 * @param pathFilter name of the filter whose script says, by metadata of its name, that a request by path is held
 */
export function holdFilters(pathFilter: string): Message[] {
  const enabled = { filter: pathFilter, path: [{ key: HELD_KEY }], value: { bool_match: true } };
  return [
    { name: HOLD_FILTER, disabled: true, typed_config: authorization({}) },
    {
      name: PATH_HOLD_FILTER,
      disabled: true,
      typed_config: authorization({ filter_enabled_metadata: enabled }),
    },
  ];
}

function authorization(more: Message): Message {
  return {
    '@type': `${TYPE}envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`,
    transport_api_version: 'V3',
    grpc_service: {
      envoy_grpc: { cluster_name: CONTROL_PLANE },
      timeout: { seconds: ANSWER_SECONDS },
      // A request waits on when its operator ends: another one is asked.
      retry_policy: {
        retry_on: 'connect-failure,reset,unavailable',
        num_retries: { value: 100 },
        // Envoy takes the longest pause for the time limit of each try, too: a shorter one would lose its place in line.
        retry_back_off: {
          base_interval: { nanos: 250_000_000 },
          max_interval: { seconds: ANSWER_SECONDS },
        },
      },
    },
    failure_mode_allow: false,
    status_on_error: { code: 'ServiceUnavailable' },
    // The control plane has no need to see what clients send.
    allowed_headers: { patterns: [{ exact: ':path' }] },
    ...more,
  };
}

/** Enables the filter for requests by path, on the route that all of them have at first. */
export const PATH_HOLD_ENABLED: Message = {
  [PATH_HOLD_FILTER]: { '@type': `${TYPE}envoy.config.route.v3.FilterConfig`, config: check({}) },
};

/** Returns the configuration of filters that holds the requests of a weighted cluster for a revision. */
export function heldConfig(ref: RevisionRef): Message {
  const own = check({ [REVISION_KEY]: formatRevision(ref) });
  return { [HOLD_FILTER]: own, [PATH_HOLD_FILTER]: own };
}

function check(extensions: Record<string, string>): Message {
  return {
    '@type': `${TYPE}envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute`,
    check_settings: { context_extensions: extensions },
  };
}

/** Returns the revision that a CheckRequest asks for; undefined when the request is for one that is not held. */
export function checkedRevision(message: Message): RevisionRef | undefined {
  const { attributes } = message as {
    attributes?: { context_extensions?: Record<string, string> } | null;
  };
  const [namespace = '', name = ''] =
    attributes?.context_extensions?.[REVISION_KEY]?.split('/') ?? [];
  return parseRevision(namespace, name);
}
