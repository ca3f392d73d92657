/**
 * The Services by which callers inside the cluster reach an InferenceService: both names lead to the
 * routers, so that they
 * get the same traffic split as callers outside.
 *   <isvc>-predictor  a Service without selector; its EndpointSlices, one an IP family, name the routers
 *   <isvc>            an alias (ExternalName) of the routers' Service, as in KServe's Knative mode
 */
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import type { EndpointSlice, KubeObject, Service } from '../api/kube.ts';
import { FIELD_MANAGER, LABELS, ownedLabels, predictorName } from '../api/names.ts';
import { owner } from './owner.ts';

/** Port of the routers' pods; their Service has port 80. */
export const ROUTER_PORT = 8080;
const PORT_NAME = 'http';

/** Options of `services`. */
export interface ServiceOptions {
  readonly isvc: InferenceServiceData;
  readonly routerAddresses: readonly string[];
  readonly config: OperatorConfig;
}

/** The two Services and the EndpointSlices, in the order in which they are applied. */
export function services(options: ServiceOptions): KubeObject[] {
  return [alias(options), predictor(options), ...endpointSlices(options)];
}

function metadata({ isvc }: ServiceOptions, name: string) {
  return {
    name,
    namespace: isvc.metadata.namespace,
    labels: ownedLabels(isvc.metadata.name),
    ownerReferences: [owner(isvc)],
  };
}

function alias(options: ServiceOptions): KubeObject {
  const { router, clusterDomain } = options.config;
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(options, options.isvc.metadata.name),
    spec: {
      type: 'ExternalName',
      externalName: `${router.name}.${router.namespace}.svc.${clusterDomain}`,
    },
  };
  return service as KubeObject;
}

function predictor(options: ServiceOptions): KubeObject {
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(options, predictorName(options.isvc.metadata.name)),
    spec: {
      type: 'ClusterIP',
      ipFamilyPolicy: 'PreferDualStack',
      ports: [{ name: PORT_NAME, port: 80, targetPort: ROUTER_PORT, protocol: 'TCP' }],
    },
  };
  return service as KubeObject;
}

/** One for each family of the routers' addresses, and one that is empty while there is no router. */
function endpointSlices(options: ServiceOptions): KubeObject[] {
  const byFamily = Map.groupBy(options.routerAddresses, addressFamily);
  if (byFamily.size === 0) byFamily.set('IPv4', []);
  return [...byFamily]
    .sort()
    .map(([family, addresses]) => endpointSlice(options, family, addresses));
}

type AddressFamily = 'IPv4' | 'IPv6';

function addressFamily(address: string): AddressFamily {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

function endpointSlice(
  options: ServiceOptions,
  addressType: AddressFamily,
  addresses: readonly string[],
): KubeObject {
  const name = predictorName(options.isvc.metadata.name);
  const base = metadata(options, `${name}-router${addressType === 'IPv6' ? '-ipv6' : ''}`);
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...base,
      labels: {
        ...base.labels,
        [LABELS.serviceName]: name,
        [LABELS.sliceManagedBy]: FIELD_MANAGER,
      },
    },
    addressType,
    ports: [{ name: PORT_NAME, port: ROUTER_PORT, protocol: 'TCP' }],
    endpoints: [...addresses]
      .sort()
      .map((address) => ({ addresses: [address], conditions: { ready: true } })),
  };
  return slice as KubeObject;
}
