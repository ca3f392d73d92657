/** Where the API server keeps each kind. */
import { ISVC_API_VERSION, RUNTIME_API_VERSION } from '../api/names.ts';

export interface Resource {
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

const RESOURCES: Readonly<Record<string, Resource>> = {
  InferenceService: { apiVersion: ISVC_API_VERSION, plural: 'inferenceservices', namespaced: true },
  ServingRuntime: { apiVersion: RUNTIME_API_VERSION, plural: 'servingruntimes', namespaced: true },
  ClusterServingRuntime: {
    apiVersion: RUNTIME_API_VERSION,
    plural: 'clusterservingruntimes',
    namespaced: false,
  },
  Deployment: { apiVersion: 'apps/v1', plural: 'deployments', namespaced: true },
  Service: { apiVersion: 'v1', plural: 'services', namespaced: true },
  Pod: { apiVersion: 'v1', plural: 'pods', namespaced: true },
  ServiceAccount: { apiVersion: 'v1', plural: 'serviceaccounts', namespaced: true },
  EndpointSlice: {
    apiVersion: 'discovery.k8s.io/v1',
    plural: 'endpointslices',
    namespaced: true,
  },
  Lease: { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', namespaced: true },
  Event: { apiVersion: 'events.k8s.io/v1', plural: 'events', namespaced: true },
};

export function resource(kind: string): Resource {
  const found = RESOURCES[kind];
  if (found === undefined) throw new Error(`kind ${kind} has no resource in kube/resources.ts`);
  return found;
}

/** `/apis/apps/v1/namespaces/default/deployments/iris`; without a name the collection, without a namespace all of them. */
export function path(kind: string, namespace?: string, name?: string): string {
  const { apiVersion, plural, namespaced } = resource(kind);
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = namespaced && namespace !== undefined ? `/namespaces/${namespace}` : '';
  return `${root}${scope}/${plural}${name === undefined ? '' : `/${name}`}`;
}
