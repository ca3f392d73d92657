/** Writes of a reconcile: a plan is carried out here, with no request for what is so already. */
import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Refusal, type Writer } from '../api/cluster.ts';
import type {
  InferenceServiceData,
  InferenceServiceStatus,
  ScaleChange,
} from '../api/inferenceservice.ts';
import { isKind, KINDS, type Kind } from '../api/kinds.ts';
import { type KubeObject, keyOf } from '../api/kube.ts';
import { ANNOTATIONS } from '../api/names.ts';
import type { Logger } from '../log.ts';
import type { Plan, PlanInput } from '../plan/input.ts';
import { belongsTo, owner } from '../plan/owner.ts';
import { type ChildRefusal, nameTaken, withRefusals } from '../plan/refusal.ts';
import type { NewsBudget } from './news-budget.ts';
import type { ScaleEvents } from './scale-events.ts';

/** Everything that it takes to carry out a plan. */
export interface ApplyOptions {
  readonly plan: Plan;
  /** Observation that the plan was made from. */
  readonly input: PlanInput;
  readonly writer: Writer;
  /** Budget for statuses that tell news and no change of the service itself. */
  readonly news: NewsBudget;
  readonly scaleEvents: ScaleEvents;
  readonly log: Logger;
}

/** Result of carrying out a plan. */
export interface Applied {
  /** True when the status was changed, so that the observed parent is out of date. */
  readonly statusChanged: boolean;
  /** Refusals of the cluster; the status tells of them, and the plan is to be tried again later. */
  readonly refusals: readonly ChildRefusal[];
  /** True when the caches were behind the cluster: the service is to be looked at again. */
  readonly isStale: boolean;
}

/**
 * Carries out `plan`: it first deletes scalers that are no longer planned, makes, changes and grows children, then
 * writes the status, then shrinks and deletes children, and last writes the events. Every child is tried and the
 * status is written, whatever becomes of others.
 * @throws AggregateError of the children's failures that are no refusals, after all the rest is done
 * @throws Error at once when the status or an event cannot be written
 */
export async function applyPlan(options: ApplyOptions): Promise<Applied> {
  const { plan, input, writer, news, scaleEvents, log } = options;
  const { parent } = input;
  const children = new Children(input, writer, log);
  await children.prune(plan.children, isScaler);
  for (const child of plan.children) await children.write(child);
  const told = withRefusals(plan, input, children.refusals);
  const statusChanged = await applyStatus(told, parent, { writer, news });
  for (const child of plan.children) await children.shrink(child);
  for (const pod of plan.ended ?? []) await children.end(pod);
  await children.prune(plan.children, (kind) => !isScaler(kind));
  for (const event of told.events) await writer.event(parent, event);
  for (const { revisionName, message } of children.scaled(told)) {
    await scaleEvents.tell(parent, 'Scaled', `${revisionName}: ${message}`);
  }
  const { refusals, isStale, failures } = children;
  if (failures.length > 0) {
    throw new AggregateError(failures, failures.map(({ message }) => message).join('; '));
  }
  return { statusChanged, refusals, isStale };
}

/** The children of one InferenceService while a plan is carried out. */
class Children {
  readonly refusals: ChildRefusal[] = [];
  readonly failures: Error[] = [];
  isStale = false;
  /** Names of the Deployments whose scale was changed. */
  readonly #scaled = new Set<string>();
  readonly #input: PlanInput;
  readonly #writer: Writer;
  readonly #log: Logger;

  constructor(input: PlanInput, writer: Writer, log: Logger) {
    this.#input = input;
    this.#writer = writer;
    this.#log = log;
  }

  /** Makes, changes, adopts or grows one child. */
  async write(child: KubeObject): Promise<void> {
    const current = this.#current(child);
    await this.#attempt(child, async () => {
      if (current === undefined) return this.#make(child);
      if (KINDS[child.kind as Kind].child === 'apply') return this.#change(current, child);
      if (belongsTo(current, this.#input.parent) === 'orphan') {
        await this.#writer.adopt(current, owner(this.#input.parent));
        this.#done('adopted', child);
      }
      if (replicasOf(child) !== 0) await this.#scale(current, child);
    });
  }

  /** Scales a Deployment that is to have no pods down to 0. */
  async shrink(child: KubeObject): Promise<void> {
    const current = this.#current(child);
    if (current === undefined || replicasOf(child) !== 0) return;
    await this.#attempt(child, () => this.#scale(current, child));
  }

  /** Returns the changes of scale that were made, as the status of a plan tells them. */
  scaled({ status }: Plan): ScaleChange[] {
    return Object.values(status.components ?? {})
      .flatMap(({ scaleChanges = [] }) => scaleChanges)
      .filter(({ revisionName }) => this.#scaled.has(revisionName));
  }

  /** Deletes the children of some kinds that the InferenceService owns and the plan does not name. */
  async prune(planned: readonly KubeObject[], isOf: (kind: Kind) => boolean): Promise<void> {
    for (const object of this.#input.children.filter(({ kind }) => isOf(kind as Kind))) {
      const isPlanned = planned.some((child) => isSame(child, object));
      const isGoing = object.metadata.deletionTimestamp !== undefined;
      const isKept = KINDS[object.kind as Kind].child === 'keep';
      const isOwn = belongsTo(object, this.#input.parent) === 'own';
      if (isPlanned || isGoing || isKept || !isOwn) continue;
      await this.#attempt(object, async () => {
        await this.#writer.delete(object);
        this.#done('deleted', object);
      });
    }
  }

  /** Deletes a pod that is no longer needed; it finishes what it has under way. */
  async end(pod: KubeObject): Promise<void> {
    if (pod.metadata.deletionTimestamp !== undefined) return;
    await this.#attempt(pod, async () => {
      await this.#writer.delete(pod);
      this.#done('ended', pod);
    });
  }

  #current(child: KubeObject): KubeObject | undefined {
    return this.#input.children.find((object) => isSame(child, object));
  }

  async #make(child: KubeObject): Promise<void> {
    const isApplied = KINDS[child.kind as Kind].child === 'apply';
    const isMade = isApplied
      ? await this.#writer.apply(withAppliedHash(child))
      : await this.#writer.create(child);
    if (isMade) {
      this.#done('made', child);
      return;
    }
    const kind = child.kind as Kind;
    const existing = await this.#writer.read(kind, keyOf(child));
    // The object is the service's own and not in the caches yet, or it is about to go.
    if (existing === undefined || belongsTo(existing, this.#input.parent) !== 'another') {
      this.isStale = true;
      return;
    }
    this.refusals.push(nameTaken(kind, existing));
  }

  async #change(current: KubeObject, child: KubeObject): Promise<void> {
    if (belongsTo(current, this.#input.parent) === 'another') {
      this.refusals.push(nameTaken(child.kind as Kind, current));
      return;
    }
    const wanted = withAppliedHash(child);
    // The hash shows a field that the plan no longer has, the other fields what somebody else has changed.
    if (covers(current, wanted)) return;
    const { uid } = current.metadata;
    const isApplied = await this.#writer.apply({
      ...wanted,
      metadata: { ...wanted.metadata, uid },
    });
    if (isApplied) this.#done('applied', child);
    else this.isStale = true;
  }

  async #scale(current: KubeObject, child: KubeObject): Promise<void> {
    const replicas = replicasOf(child);
    const before = replicasOf(current) ?? 1;
    if (replicas === undefined || replicas === before) return;
    const { namespace = '', name } = child.metadata;
    const change = { from: before, to: replicas };
    if (!(await this.#writer.scale({ namespace, name }, change))) {
      this.isStale = true;
      return;
    }
    this.#scaled.add(name);
    this.#log.info('scaled', { deployment: name, ...change });
  }

  async #attempt(child: KubeObject, write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      const kind = child.kind as Kind;
      const { name } = child.metadata;
      if (error instanceof Refusal) {
        const message = `${kind} "${name}": ${error.message}`;
        this.refusals.push({ kind, name, reason: 'ApplyRefused', message });
        this.#log.warn('refused', { kind, name, reason: error.message });
      } else {
        this.failures.push(error as Error);
      }
    }
  }

  #done(what: string, { kind, metadata }: KubeObject): void {
    this.#log.info(what, { kind, name: metadata.name });
  }
}

function isScaler(kind: Kind): boolean {
  return KINDS[kind].isScaler === true;
}

function isSame(a: KubeObject, b: KubeObject): boolean {
  return a.kind === b.kind && a.metadata.name === b.metadata.name;
}

function replicasOf(object: KubeObject): number | undefined {
  return isKind('Deployment', object) ? object.spec?.replicas : undefined;
}

/** Returns an object with the hash of it, by which a later look tells whether it was applied as it is. */
export function withAppliedHash(child: KubeObject): KubeObject {
  const { metadata } = child;
  const digest = hash('sha256', JSON.stringify(child)).slice(0, 16);
  const annotations = { ...metadata.annotations, [ANNOTATIONS.appliedHash]: digest };
  return { ...child, metadata: { ...metadata, annotations } };
}

/** Writes the status where it has changed, and returns whether the cluster's has. */
async function applyStatus(
  { status }: Plan,
  parent: InferenceServiceData,
  { writer, news }: Pick<ApplyOptions, 'writer' | 'news'>,
): Promise<boolean> {
  const { apiVersion, kind, metadata } = parent;
  const { name, namespace, resourceVersion } = metadata;
  // Through JSON, because a field that is undefined is absent to the API server.
  const next = JSON.parse(JSON.stringify(status)) as InferenceServiceStatus;
  const before = parent.status ?? {};
  if (isDeepStrictEqual(before, next)) return false;
  const isNews = isDeepStrictEqual(withoutNews(before), withoutNews(next));
  // News without a budget wait for the next change of the service, which tells them without a write of their own.
  if (isNews && !news.take()) return false;
  const object = { apiVersion, kind, metadata: { name, namespace }, status: next };
  return (await writer.applyStatus(object)) !== resourceVersion;
}

/** Leaves out the conditions that tell of no state of the service itself. */
function withoutNews(status: InferenceServiceStatus): InferenceServiceStatus {
  const conditions = status.conditions?.filter(({ severity = '' }) => severity === '');
  return { ...status, conditions };
}

/**
 * Says whether every field of `wanted` has its value in `current`, so that applying it would change nothing. Fields
 * that only `current` has do not matter; lists must have the same length and agree item by item.
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
