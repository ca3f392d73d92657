/** Where the API server keeps each kind. */
import { KINDS, type Kind, type Resource } from '../api/kinds.ts';

/** Kinds that the operator uses without watching them. */
const UNWATCHED: Readonly<Record<string, Resource>> = {
  Secret: { apiVersion: 'v1', plural: 'secrets', namespaced: true },
  Lease: { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', namespaced: true },
  Event: { apiVersion: 'events.k8s.io/v1', plural: 'events', namespaced: true },
};

export function resource(kind: string): Resource {
  const found = (KINDS as Readonly<Record<string, Resource>>)[kind as Kind] ?? UNWATCHED[kind];
  if (found === undefined) throw new Error(`kind ${kind} has no row in api/kinds.ts`);
  return found;
}

/** `/apis/apps/v1/namespaces/default/deployments/iris`; without a name the collection, without a namespace all of them. */
export function path(kind: string, namespace?: string, name?: string): string {
  const { apiVersion, plural, namespaced } = resource(kind);
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = namespaced && namespace !== undefined ? `/namespaces/${namespace}` : '';
  return `${root}${scope}/${plural}${name === undefined ? '' : `/${name}`}`;
}
