/**
 * Makes the access loggers by which Envoy counts how requests end, for each revision. They write no log: they make
 * statistics when a revision has its first request, and Envoy's metrics service sends those on. No label holds anything
 * that a client or a pod may choose, so that nobody can make their number grow.
 */
import type { Outcome } from '../api/revision-signals.ts';
import type { Message } from './protos.ts';

const TYPE = 'type.googleapis.com/';
/** Prefix of the names of the statistics. */
const SCOPE = 'revision';

/** Counter of ended requests, with the labels below. */
export const REQUESTS = `${SCOPE}.requests`;
/** Histogram of the successes' latencies in microseconds. */
export const LATENCY = `${SCOPE}.latency`;
/** Label with the name of the cluster, which tells the revision. */
export const CLUSTER_LABEL = 'cluster';
/** Label with the outcome. */
export const OUTCOME_LABEL = 'outcome';

const DETAILS = 'response.code_details';
const TYPE_HEADER = `request.headers['content-type']`;
const GRPC = `('content-type' in request.headers && ${TYPE_HEADER}.startsWith('application/grpc') && !${TYPE_HEADER}.startsWith('application/grpc-web'))`;
/** Codes that blame the caller, by the HTTP statuses that google.rpc.Code gives them. */
const GRPC_CLIENT_ERRORS = [3, 5, 6, 7, 8, 9, 10, 11, 16];

/** Condition of a success in CEL. */
const SUCCESS = `${DETAILS} == 'via_upstream' && response.code < 400 && (!${GRPC} || response.grpc_status == 0)`;

/** Outcome of a request in CEL; the first condition that holds decides. No regular expressions: each costs microseconds. */
const OUTCOME = cases(
  [
    // A connection that breaks ends its requests without a word, but for the first one.
    [`!has(${DETAILS})`, 'cancelled'],
    [SUCCESS, 'success'],
    [`${DETAILS}.startsWith('ext_authz')`, 'refused'],
    [`${DETAILS}.startsWith('downstream') || ${DETAILS}.startsWith('http')`, 'cancelled'],
    [`${DETAILS}.contains('timeout')`, 'timeout'],
    [`${DETAILS} == 'no_healthy_upstream' || ${DETAILS} == 'cluster_not_found'`, 'no_pod'],
    // The router itself has answered, or the pod's answer is not whole.
    [`${DETAILS} != 'via_upstream'`, 'reset'],
    ['response.code >= 500', 'server_error'],
    ['response.code >= 400', 'client_error'],
    ['response.grpc_status == 1', 'cancelled'],
    [`response.grpc_status in [${GRPC_CLIENT_ERRORS}]`, 'client_error'],
  ],
  'server_error',
);

/** Makes the access loggers of a listener. */
export function signalLoggers(): Message[] {
  const cluster = { name: CLUSTER_LABEL, value_format: '%UPSTREAM_CLUSTER%' };
  const outcome = { name: OUTCOME_LABEL, value_format: `%CEL(${OUTCOME})%` };
  const requests = { name: unprefixed(REQUESTS), tags: [cluster, outcome] };
  const latency = { name: unprefixed(LATENCY), tags: [cluster] };
  return [
    logger({ counters: [{ stat: requests, value_fixed: 1 }] }),
    {
      ...logger({
        histograms: [
          {
            stat: latency,
            unit: 'Microseconds',
            value_format: '%COMMON_DURATION(US_TX_END:US_RX_END:us)%',
          },
        ],
      }),
      filter: { extension_filter: successes() },
    },
  ];
}

function cases(conditions: readonly (readonly [string, Outcome])[], otherwise: Outcome): string {
  return conditions.reduceRight(
    (rest, [condition, outcome]) => `${condition} ? '${outcome}' : (${rest})`,
    `'${otherwise}'`,
  );
}

function successes(): Message {
  return {
    name: 'envoy.access_loggers.extension_filters.cel',
    typed_config: typedStruct('envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', {
      expression: SUCCESS,
    }),
  };
}

function logger(stats: Message): Message {
  return {
    name: 'envoy.access_loggers.stats',
    typed_config: typedStruct('envoy.extensions.access_loggers.stats.v3.Config', {
      // A revision without requests has none after a while: see stats_eviction_interval in the routers' bootstrap.
      stats_scope: { prefix: SCOPE, enable_eviction: true },
      ...stats,
    }),
  };
}

function unprefixed(name: string): string {
  return name.slice(SCOPE.length + 1);
}

/** Wraps a message whose .proto file grpc-js-xds lacks: Envoy reads it by the names of its fields. */
function typedStruct(type: string, value: Message): Message {
  return {
    '@type': `${TYPE}xds.type.v3.TypedStruct`,
    type_url: TYPE + type,
    value: struct(value),
  };
}

function struct(value: object): Message {
  return {
    fields: Object.fromEntries(Object.entries(value).map(([key, of]) => [key, structValue(of)])),
  };
}

function structValue(value: unknown): Message {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'number') return { numberValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(structValue) } };
  return { structValue: struct(value as object) };
}
