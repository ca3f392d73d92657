/**
 * How callers inside the cluster reach an InferenceService: both names lead to the routers, so that they
 * get the same traffic split as callers outside.
 *   <isvc>-predictor  a Service without selector; its EndpointSlice names the routers
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

export interface ServiceOptions {
  readonly isvc: InferenceServiceData;
  readonly routerAddresses: readonly string[];
  readonly config: OperatorConfig;
}

/** The two Services and the EndpointSlice, in the order in which they are applied. */
export function services(options: ServiceOptions): KubeObject[] {
  return [alias(options), predictor(options), endpointSlice(options)];
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
      ports: [{ name: PORT_NAME, port: 80, targetPort: ROUTER_PORT, protocol: 'TCP' }],
    },
  };
  return service as KubeObject;
}

function endpointSlice(options: ServiceOptions): KubeObject {
  const name = predictorName(options.isvc.metadata.name);
  const base = metadata(options, `${name}-router`);
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
    addressType: 'IPv4',
    ports: [{ name: PORT_NAME, port: ROUTER_PORT, protocol: 'TCP' }],
    endpoints: [...options.routerAddresses]
      .sort()
      .map((address) => ({ addresses: [address], conditions: { ready: true } })),
  };
  return slice as KubeObject;
}
