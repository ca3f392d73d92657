/**
 * Keeps a Service leading to the operator that leads: for what one operator alone can answer. The Service has no selector,
 * and its EndpointSlices are written here.
 */
import type { EndpointSlice, KubeObject, Observed, Service } from '../api/kube.ts';
import { FIELD_MANAGER, LABELS } from '../api/names.ts';
import { addressFamilies } from '../api/pod-ips.ts';
import type { KubeClient } from '../kube/client.ts';
import { pause } from '../kube/pause.ts';
import type { Logger } from '../log.ts';

/** Time between two writes: what somebody has changed or deleted is mended within it. */
const WRITE_INTERVAL_MS = 60_000;
/** Time from a write that failed to the next one. */
const RETRY_INTERVAL_MS = 2000;

/** Service that is to lead here, and where here is. */
export interface LeaderEndpointsOptions {
  readonly client: Pick<KubeClient, 'get' | 'apply'>;
  readonly namespace: string;
  readonly service: string;
  /** Addresses of this operator's pod. */
  readonly podIPs: readonly string[];
  readonly port: number;
  readonly log: Logger;
}

/** Makes the Service lead to this operator, and keeps it so until `signal` aborts; failures are logged. */
export async function keepLeaderEndpoints(
  options: LeaderEndpointsOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const interval = await writeEndpoints(options).then(
      () => WRITE_INTERVAL_MS,
      (error: Error) => {
        const { service, log } = options;
        log.warn('endpoints not written', { service, error: error.message });
        return RETRY_INTERVAL_MS;
      },
    );
    await pause(interval, signal);
  }
}

async function writeEndpoints(options: LeaderEndpointsOptions): Promise<void> {
  const { client, namespace, service: name } = options;
  const service = await client.get<Observed<Service>>({ kind: 'Service', namespace, name });
  for (const slice of endpointSlices(options, service.metadata.uid ?? '')) {
    await client.apply(slice);
  }
}

/** Builds one for each IP family of the pod; they go with the Service, which owns them. */
function endpointSlices(options: LeaderEndpointsOptions, uid: string): KubeObject[] {
  const { namespace, service: name, podIPs, port } = options;
  return addressFamilies(podIPs).map((addressType) => {
    const slice: EndpointSlice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${name}-leader-${addressType.toLowerCase()}`,
        namespace,
        labels: { [LABELS.serviceName]: name, [LABELS.sliceManagedBy]: FIELD_MANAGER },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid }],
      },
      addressType,
      ports: [{ name: 'grpc', port, protocol: 'TCP' }],
      endpoints: podIPs
        .filter((address) => addressFamilies([address])[0] === addressType)
        .map((address) => ({ addresses: [address], conditions: { ready: true } })),
    };
    return slice as KubeObject;
  });
}
