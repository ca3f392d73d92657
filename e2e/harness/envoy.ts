/** A real Envoy on this machine under a control plane of the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LATENCY_BOUNDS } from '../../operator/src/api/revision-signals.ts';
import { HEALTH_PORT } from '../../operator/src/router/shared-resources.ts';
import { eventually } from './load.ts';

/** A client certificate and the authority that has signed the control plane's, in PEM. */
export interface ClientTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface EnvoyOptions {
  readonly xdsPort: number;
  /** Node id; `router-1` when left out. */
  readonly name?: string;
  readonly tls?: ClientTls;
  /** Port of Envoy's admin interface on loopback; without it there is none. */
  readonly adminPort?: number;
  /** Worker threads; 1 when left out. */
  readonly workers?: number;
  /** False to return at once. */
  readonly waitUntilReady?: boolean;
}

export interface RunningEnvoy {
  readonly pid: number | undefined;
  stop(): void;
}

/** Starts `binary` as a router with its control plane at 127.0.0.1:`xdsPort`; waits until it is ready. */
export async function startEnvoy(binary: string, options: EnvoyOptions): Promise<RunningEnvoy> {
  const { name = 'router-1', workers = 1, waitUntilReady = true } = options;
  const dir = mkdtempSync(join(tmpdir(), 'wherry-envoy-'));
  const config = join(dir, 'envoy.yaml');
  writeFileSync(config, bootstrap(options));
  const args = ['-c', config, '--service-node', name, '--service-cluster', 'test'];
  const envoy: ChildProcess = spawn(
    binary,
    [...args, '--concurrency', String(workers), '--use-dynamic-base-id', '--log-level', 'error'],
    { stdio: 'inherit' },
  );
  const url = `http://127.0.0.1:${HEALTH_PORT}/ready`;
  if (waitUntilReady) await eventually('Envoy is ready', async () => (await fetch(url)).ok, 30);
  return {
    pid: envoy.pid,
    stop() {
      envoy.kill();
      rmSync(dir, { recursive: true });
    },
  };
}

/** What the chart's router starts with, as far as it matters here. */
function bootstrap({ xdsPort, tls, adminPort }: EnvoyOptions): string {
  const services = [{ envoy_grpc: { cluster_name: 'xds' } }];
  const api = (api_type: string) => ({
    api_type,
    transport_api_version: 'V3',
    grpc_services: services,
  });
  const ads = { ads: {}, resource_api_version: 'V3' };
  const loopback = (port_value: number) => ({
    address: { socket_address: { address: '127.0.0.1', port_value } },
  });
  return JSON.stringify({
    ...(adminPort !== undefined && { admin: loopback(adminPort) }),
    dynamic_resources: {
      ads_config: { ...api('DELTA_GRPC'), set_node_on_first_message_only: true },
      cds_config: ads,
      lds_config: ads,
    },
    stats_config: {
      stats_matcher: {
        inclusion_list: {
          patterns: [
            { prefix: 'revision.' },
            { prefix: 'control_plane.' },
            { prefix: 'http.http.ext_authz.' },
            { exact: 'cluster.xds.upstream_cx_rx_bytes_total' },
            { exact: 'cluster.xds.upstream_rq_retry' },
          ],
        },
      },
      histogram_bucket_settings: [
        { match: { prefix: 'revision.latency' }, buckets: LATENCY_BOUNDS },
      ],
    },
    stats_flush_interval: '1s',
    stats_eviction_interval: '60s',
    stats_sinks: [
      {
        name: 'envoy.stat_sinks.metrics_service',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig',
          transport_api_version: 'V3',
          grpc_service: services[0],
          report_counters_as_deltas: true,
          emit_tags_as_labels: true,
          histogram_emit_mode: 'HISTOGRAM',
        },
      },
    ],
    cluster_manager: { load_stats_config: api('GRPC') },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          connect_timeout: '1s',
          circuit_breakers: { thresholds: [{ max_requests: 100_000, max_retries: 100_000 }] },
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [{ lb_endpoints: [{ endpoint: loopback(xdsPort) }] }],
          },
          ...(tls && { transport_socket: tlsSocket(tls) }),
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
  });
}

function tlsSocket({ cert, key, ca }: ClientTls) {
  const pair = {
    certificate_chain: { inline_string: cert },
    private_key: { inline_string: key },
  };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      common_tls_context: {
        tls_certificates: cert === '' ? [] : [pair],
        validation_context: { trusted_ca: { inline_string: ca } },
        alpn_protocols: ['h2'],
        // As a client Envoy stops at 1.2.
        tls_params: { tls_maximum_protocol_version: 'TLSv1_3' },
      },
    },
  };
}
