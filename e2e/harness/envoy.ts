/** A real Envoy on this machine under a control plane of the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HEALTH_PORT } from '../../operator/src/router/envoy.ts';
import { eventually } from './load.ts';

export interface RunningEnvoy {
  stop(): void;
}

/** Starts `binary` as the router `router-1`, with its control plane at 127.0.0.1:`xdsPort`; waits until it is ready. */
export async function startEnvoy(binary: string, xdsPort: number): Promise<RunningEnvoy> {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-envoy-'));
  const config = join(dir, 'envoy.yaml');
  writeFileSync(config, bootstrap(xdsPort));
  const args = ['-c', config, '--service-node', 'router-1', '--service-cluster', 'test'];
  const envoy: ChildProcess = spawn(
    binary,
    [...args, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'],
    { stdio: 'inherit' },
  );
  const url = `http://127.0.0.1:${HEALTH_PORT}/ready`;
  await eventually('Envoy is ready', async () => (await fetch(url)).ok, 30);
  return {
    stop() {
      envoy.kill();
      rmSync(dir, { recursive: true });
    },
  };
}

function bootstrap(xdsPort: number): string {
  const services = [{ envoy_grpc: { cluster_name: 'xds' } }];
  const api = { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: services };
  const ads = { ads: {}, resource_api_version: 'V3' };
  const address = { socket_address: { address: '127.0.0.1', port_value: xdsPort } };
  return JSON.stringify({
    dynamic_resources: { ads_config: api, cds_config: ads, lds_config: ads },
    cluster_manager: { load_stats_config: api },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          connect_timeout: '1s',
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
          },
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
