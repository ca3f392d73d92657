/** The only writer of a reconcile: carries out a plan, with no request for what is so already. */

import type { InferenceServiceData } from '../api/inferenceservice.ts';
import type { KubeObject } from '../api/kube.ts';
import type { Logger } from '../log.ts';
import type { Plan, PlanInput } from '../plan/input.ts';
import type { Writer } from './cluster.ts';

/**
 * Order: objects, growth, status (and with it traffic), shrinkage, deletion, events. Returns true when the
 * status was changed, so that the observed parent is out of date.
 */
export async function applyPlan(
  plan: Plan,
  { parent, children }: PlanInput,
  writer: Writer,
  log: Logger,
): Promise<boolean> {
  const observed: KubeObject[] = [
    ...children.deployments,
    ...children.services,
    ...children.endpointSlices,
  ];
  for (const child of plan.children) {
    const current = observed.find(
      (o) => o.kind === child.kind && o.metadata.name === child.metadata.name,
    );
    if (current !== undefined && covers(current, child)) continue;
    if (child.kind !== 'Deployment') await writer.apply(child);
    // A revision is made once. If it is there, the caches are behind: their next event comes here again.
    else if (!(await writer.create(child))) return false;
    log.info('applied', { kind: child.kind, name: child.metadata.name });
  }
  const shrinks = plan.scale.filter(({ replicas }) => replicas === 0);
  for (const step of plan.scale.filter((s) => !shrinks.includes(s))) await scale(step);
  const changed = await applyStatus(plan, parent, writer);
  for (const step of shrinks) await scale(step);
  for (const object of plan.prune) {
    await writer.delete(object);
    log.info('deleted', { kind: object.kind, name: object.metadata.name });
  }
  for (const event of plan.events) await writer.event(parent, event);
  return changed;

  async function scale({ deployment, replicas, reason }: Plan['scale'][number]): Promise<void> {
    const namespace = parent.metadata.namespace ?? '';
    await writer.scale({ namespace, name: deployment }, replicas);
    log.info('scaled', { deployment, replicas, reason });
  }
}

async function applyStatus(
  { status }: Plan,
  parent: InferenceServiceData,
  writer: Writer,
): Promise<boolean> {
  // Through JSON, because a field that is undefined is absent to the API server.
  const next = JSON.parse(JSON.stringify(status)) as object;
  if (equal(parent.status ?? {}, next)) return false;
  const { apiVersion, kind, metadata } = parent;
  const { name, namespace, resourceVersion } = metadata;
  const object = { apiVersion, kind, metadata: { name, namespace }, status: next };
  return (await writer.applyStatus(object)) !== resourceVersion;
}

/**
 * True when every field of `wanted` has its value in `current`: applying it would change nothing. Fields
 * that others own or the API server adds do not matter. Lists must agree item by item.
 */
export function covers(current: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(current) &&
      current.length === wanted.length &&
      wanted.every((item, i) => covers(current[i], item))
    );
  }
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof current !== 'object' || current === null) return false;
    return Object.entries(wanted).every(([key, value]) =>
      covers((current as Record<string, unknown>)[key], value),
    );
  }
  return current === wanted;
}

function equal(a: object, b: object): boolean {
  return covers(a, b) && covers(b, a);
}
