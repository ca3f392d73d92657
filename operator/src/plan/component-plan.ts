/** The plan of one component: its revisions, their shares of the traffic, their Deployments, scales and scalers. */
import { condition } from '../api/conditions.ts';
import type { ComponentStatus, ScaleChange } from '../api/inferenceservice.ts';
import type { Deployment, KubeObject, Observed } from '../api/kube.ts';
import { ANNOTATIONS, LABELS } from '../api/names.ts';
import { formatRevision, parseRevision, type RevisionRef, revisionName } from '../api/revision.ts';
import type { Component, ReplicaBounds } from './component.ts';
import { serviceAccountName } from './credentials.ts';
import { deployment, scaledDeployment } from './deployment.ts';
import { heldScale } from './hold.ts';
import { ok, type PlanInput, problem, type Result, type SpecProblem } from './input.ts';
import { podTemplate } from './pod.ts';
import { type Revision, revisions } from './revision.ts';
import { selectRuntime } from './runtime.ts';
import {
  activeRevisions,
  type BoundsOptions,
  isRollingOut,
  neededForAll,
  replicasOf,
  revisionBounds,
} from './scale.ts';
import { scaleChanges, scaleReason } from './scale-change.ts';
import { scalers } from './scaler.ts';
import { type Traffic, traffic } from './traffic.ts';

/** Plan of one component, of which the plan of the InferenceService is made. */
export interface ComponentPlan {
  readonly component: Component;
  /** Name of the revision that the spec asks for. */
  readonly target: string;
  /** That revision as observed; undefined before its Deployment exists. */
  readonly revision: Revision | undefined;
  readonly traffic: Traffic;
  /** Bounds of the replicas of the target. */
  readonly bounds: ReplicaBounds;
  /** Names of the revisions whose requests the routers are to hold. */
  readonly held: readonly string[];
  /** Last change of each revision's scale, this plan's included. */
  readonly scaleChanges: readonly ScaleChange[];
  /** Deployments of all revisions that are kept, with the replicas that each is to have. */
  readonly deployments: readonly KubeObject[];
  /** Scalers of the cluster for those revisions that are to have pods. */
  readonly scalers: readonly KubeObject[];
  /** Reason why the spec cannot be carried out; undefined when it can. */
  readonly problem?: SpecProblem;
}

/** Plans one component: revision, shares of traffic, Deployments and scales, in this order. */
export function planComponent(component: Component, input: PlanInput): ComponentPlan {
  const { parent, config, routing } = input;
  const existing = revisions(parent, input.children, input.pods);
  const before = parent.status?.components?.[component.name];

  // 1. The revision that the spec asks for: one that exists, or a new one.
  const found = existing.findLast(({ specHash }) => specHash === component.specHash);
  const isOutdated =
    found !== undefined && isNew(found, before) && hasChanged(found, component, input);
  const revision = isOutdated ? undefined : found;
  const ref = revision?.ref ?? nextRevision(component, existing, before);
  const target = revisionName(ref);

  // 2. Shares of traffic, and from them who needs how many pods.
  const rollout = rolloutOf({ component, target, existing, before });
  const { traffic: shares } = rollout;
  const boundsOf = (name: string) => revisionBounds({ ...rollout, revision: name });
  const bounds = boundsOf(target);
  const wasStopped = condition(parent.status?.conditions, 'Stopped')?.status === 'True';

  // 3. A new revision's Deployment; of existing ones only the scale changes.
  const mustWait = component.isRecreated && othersRun(target, existing, input.pods);
  // A model that cannot be loaded is to be known before the first request comes.
  const atFirst = component.isStopped || mustWait ? 0 : Math.max(1, bounds.min);
  const created = revision === undefined ? newRevision(component, input, ref, atFirst) : ok([]);
  const active = activeRevisions(existing, target, shares, routing);
  // Nothing is ended for a revision that cannot be made.
  const isAlone = component.isRecreated && revision !== undefined;
  const mayRun = (r: Revision) => (isAlone ? mayRunAlone(r, target, mustWait) : active.has(r.name));
  const expired = expiredRevisions(existing, active, shares.previous, config.revisionHistoryLimit);
  const desired = new Map(input.desired.map((d) => [formatRevision(d.ref), d]));
  const isGivenUp = (r: Revision) => created.ok && isAbandoned(r, target, before);
  const scaleOf = (r: Revision) => {
    const isActive = mayRun(r) && !component.isStopped;
    const own = boundsOf(r.name);
    const isStarting =
      wasStopped || (isRollingOut({ ...rollout, revision: r.name }) && own.min > 0);
    const opinion = desired.get(formatRevision(r.ref));
    const asked = { revision: r, isActive, bounds: own, component, isStarting, desired: opinion };
    const wanted = replicasOf(asked);
    const held = heldScale({ ...asked, wanted, traffic: shares, routing, before });
    return { ...held, reason: scaleReason(asked, held.replicas) };
  };
  const kept = existing
    .filter((r) => !expired.has(r.name) && !isGivenUp(r))
    .map((r) => ({ revision: r, ...scaleOf(r) }));
  const deployments = kept.map((r) => scaledDeployment(parent, r.revision, r.replicas));

  // 4. The scalers of the cluster, where the class asks for some.
  const running = kept.flatMap(({ revision: r }) => (mayRun(r) ? r.name : []));
  const made = created.ok && atFirst > 0 ? created.value.map(nameOf) : [];
  return {
    component,
    target,
    revision,
    traffic: shares,
    bounds,
    scaleChanges: scaleChanges(kept, before, input.now),
    held: kept.filter(({ isHeld }) => isHeld).map(({ revision: { name } }) => name),
    deployments: created.ok ? [...deployments, ...created.value] : deployments,
    scalers: scalersOf(component.isStopped ? [] : [...running, ...made], rollout, input),
    ...(created.ok ? {} : { problem: created.problem }),
  };
}

/** Everything that the shares of the revisions follow from. */
interface RolloutInput {
  readonly component: Component;
  readonly target: string;
  readonly existing: readonly Revision[];
  /** The component's status as written last. */
  readonly before: ComponentStatus | undefined;
}

/** Returns the shares of the traffic, with the pods that all of it would need. */
function rolloutOf({ component, target, existing, before }: RolloutInput) {
  const stable = existing.find(({ name }) => name === before?.latestRolledoutRevision);
  const needed = neededForAll(component, stable);
  const shares = traffic({
    target,
    canaryPercent: component.spec.canaryTrafficPercent,
    ready: Object.fromEntries(existing.map(({ name, ready }) => [name, ready])),
    neededForAll: needed,
    before,
  });
  return { component, traffic: shares, target, neededForAll: needed };
}

function scalersOf(
  names: readonly string[],
  rollout: Omit<BoundsOptions, 'revision'>,
  input: PlanInput,
): KubeObject[] {
  const { component } = rollout;
  const { externalScaler } = input.config;
  return names.flatMap((revision) => {
    const bounds = revisionBounds({ ...rollout, revision });
    return scalers({ component, revision, bounds, externalScaler }, input);
  });
}

function nameOf({ metadata }: KubeObject): string {
  return metadata.name;
}

/** Says whether a revision may run where only the target may: once no other has pods, or when it runs already. */
function mayRunAlone({ name, replicas }: Revision, target: string, mustWait: boolean): boolean {
  return name === target && (!mustWait || replicas > 0);
}

/** Says whether a revision other than the target has pods, be it ones that are ending, or is about to have some. */
function othersRun(
  target: string,
  existing: readonly Revision[],
  pods: PlanInput['pods'],
): boolean {
  const hasEnded = (phase: string | undefined) => phase === 'Failed' || phase === 'Succeeded';
  return (
    existing.some(({ name, replicas }) => name !== target && replicas > 0) ||
    pods.some(
      ({ metadata, status }) =>
        metadata.labels?.[LABELS.revision] !== target && !hasEnded(status?.phase),
    )
  );
}

/** One above every number that was ever used, so that a name never means two things. */
function nextRevision(
  { isvc, name }: Component,
  existing: readonly Revision[],
  before: ComponentStatus | undefined,
): RevisionRef {
  const { namespace = '', name: service } = isvc.metadata;
  const latest = parseRevision(namespace, before?.latestCreatedRevision ?? '');
  const used = existing.map(({ ref }) => ref.revision);
  const revision = Math.max(0, ...used, latest?.revision ?? 0) + 1;
  return { namespace, service, component: name, revision };
}

/** Says whether a revision has not served yet: pinned is what has. */
function isNew({ ref, ready }: Revision, before: ComponentStatus | undefined): boolean {
  const served = [
    before?.latestReadyRevision,
    before?.latestRolledoutRevision,
    before?.previousRolledoutRevision,
  ].map((name) => parseRevision(ref.namespace, name ?? '')?.revision ?? 0);
  return ready === 0 && ref.revision > Math.max(...served);
}

/** Says whether a revision would be made otherwise today: its runtime or its account has changed since. */
function hasChanged(
  { ref, deployment }: Revision,
  component: Component,
  input: PlanInput,
): boolean {
  const hashOf = ({ metadata }: KubeObject) => metadata.annotations?.[ANNOTATIONS.templateHash];
  const made = hashOf(deployment);
  const today = newRevision(component, input, ref, 0);
  return made !== undefined && today.ok && today.value.some((again) => hashOf(again) !== made);
}

/** Says whether a revision was given up before it has served: it is nothing to go back to. */
function isAbandoned(
  revision: Revision,
  target: string,
  before: ComponentStatus | undefined,
): boolean {
  return revision.name !== target && revision.replicas > 0 && isNew(revision, before);
}

function newRevision(
  component: Component,
  { related, config }: PlanInput,
  ref: RevisionRef,
  replicas: number,
): Result<Observed<Deployment>[]> {
  const account = serviceAccountName(component.spec);
  // Its pods could not be made, and what lets them into a store is not known yet.
  if (account !== 'default' && related.serviceAccount === undefined) {
    return problem(
      'InvalidPredictorSpec',
      `serviceAccountName: there is no ServiceAccount "${account}" in this namespace`,
    );
  }
  const { model } = component;
  const runtime = model === undefined ? ok(undefined) : selectRuntime(model, related);
  if (!runtime.ok) return runtime;
  const options = { component, runtime: runtime.value, revision: revisionName(ref) };
  const { serviceAccount } = related;
  const template = podTemplate({ ...options, config, serviceAccount });
  if (!template.ok) return template;
  return ok([deployment({ ...options, template: template.value, replicas })]);
}

/** Idle revisions beyond the history limit, oldest first; the one before the current is always kept. */
function expiredRevisions(
  existing: readonly Revision[],
  active: ReadonlySet<string>,
  previous: string | undefined,
  limit: number,
): ReadonlySet<string> {
  const idle = existing.filter(({ name, replicas }) => !active.has(name) && replicas === 0);
  const removable = idle.filter(({ name }) => name !== previous);
  return new Set(removable.slice(0, Math.max(0, idle.length - limit)).map(({ name }) => name));
}
