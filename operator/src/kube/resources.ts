/** Paths of the API server for each kind. */
import { KINDS, type Kind, type Resource } from '../api/kinds.ts';

/** Kinds that the operator uses without watching them. */
const UNWATCHED: Readonly<Record<string, Resource>> = {
  Secret: { apiVersion: 'v1', plural: 'secrets', namespaced: true },
  Lease: { apiVersion: 'coordination.k8s.io/v1', plural: 'leases', namespaced: true },
  Event: { apiVersion: 'events.k8s.io/v1', plural: 'events', namespaced: true },
};

/** Returns the place of a kind in the API. @throws Error for a kind that the operator does not use */
export function resource(kind: string): Resource {
  const found = (KINDS as Readonly<Record<string, Resource>>)[kind as Kind] ?? UNWATCHED[kind];
  if (found === undefined) throw new Error(`kind ${kind} has no row in api/kinds.ts`);
  return found;
}

/**
 * Returns the path of an object, such as `/apis/apps/v1/namespaces/default/deployments/iris`. Without a name it is
 * that of the collection, and without a namespace that of the kind in all namespaces.
 * @throws Error for a kind that the operator does not use
 */
export function path(kind: string, namespace?: string, name?: string): string {
  const { apiVersion, plural, namespaced } = resource(kind);
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = namespaced && namespace !== undefined ? `/namespaces/${namespace}` : '';
  return `${root}${scope}/${plural}${name === undefined ? '' : `/${name}`}`;
}
