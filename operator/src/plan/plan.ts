/**
 * plan(input): what an InferenceService needs now. The only file that knows the order of things; pure, so
 * that one input YAML and one output YAML show a behaviour (operator/test/golden).
 */
import { condition } from '../api/conditions.ts';
import type { InferenceServiceStatus } from '../api/inferenceservice.ts';
import type { Deployment, KubeObject, Observed } from '../api/kube.ts';
import { revisionName, revisionNumber } from '../api/names.ts';
import { type Component, component } from './component.ts';
import { serviceAccountName } from './credentials.ts';
import { deployment } from './deployment.ts';
import {
  ok,
  type Plan,
  type PlanEvent,
  type PlanInput,
  problem,
  type Result,
  type Scale,
} from './input.ts';
import { podTemplate } from './pod.ts';
import { type Revision, revisions } from './revision.ts';
import { selectRuntime } from './runtime.ts';
import { activeRevisions, bounds, neededForAll, scaleOf } from './scale.ts';
import { services } from './service.ts';
import { invalidStatus, status } from './status.ts';
import { traffic } from './traffic.ts';

export function plan(input: PlanInput): Plan {
  const { parent, related, config, demand, routing } = input;
  const asked = component(parent);
  const existing = revisions(parent, input.children);

  // 1. The revision that the spec asks for: one that exists, or a new one.
  const revision = existing.findLast(({ specHash }) => specHash === asked.specHash);
  const target = revision?.name ?? nextRevision(parent.metadata.name, existing, parent.status);

  // 2. Shares of traffic, and from them who needs how many pods.
  const before = parent.status?.components?.predictor;
  const rolledOut = existing.find(({ name }) => name === before?.latestRolledoutRevision);
  const needed = neededForAll(asked, rolledOut);
  const shares = traffic({
    target,
    canaryPercent: asked.predictor.canaryTrafficPercent,
    ready: Object.fromEntries(existing.map(({ name, ready }) => [name, ready])),
    neededForAll: needed,
    previous: before,
  });
  const boundsOf = (name: string) =>
    bounds({ component: asked, revision: name, traffic: shares, target, needed });

  // 3. A new revision's Deployment; existing ones never change.
  const created =
    revision === undefined ? newRevision(input, asked, target, boundsOf(target).min) : ok([]);
  const active = activeRevisions(existing, target, shares, routing);
  const scale = existing.flatMap(
    (r): Scale[] | Scale =>
      scaleOf({
        revision: r,
        active: active.has(r.name),
        bounds: boundsOf(r.name),
        component: asked,
        demand: demand[r.name],
      }) ?? [],
  );

  // 4. The rest follows.
  const next = created.ok
    ? status({
        input,
        component: asked,
        target,
        revision,
        deployment: revision?.deployment ?? created.value[0],
        traffic: shares,
        bounds: boundsOf(target),
      })
    : invalidStatus(input, created.problem);
  const { routerAddresses } = related;
  return {
    children: created.ok
      ? [...created.value, ...services({ isvc: parent, routerAddresses, config })]
      : [],
    prune: expired(existing, active, shares.previousRolledOut, config.revisionHistoryLimit),
    scale,
    status: next,
    events: events(parent.status, next),
  };
}

/** One above every number that was ever used, so that a name never means two things. */
function nextRevision(
  isvc: string,
  existing: readonly Revision[],
  before: InferenceServiceStatus | undefined,
): string {
  const used = [
    ...existing.map(({ number }) => number),
    revisionNumber(before?.components?.predictor?.latestCreatedRevision ?? ''),
  ];
  return revisionName(isvc, Math.max(0, ...used) + 1);
}

function newRevision(
  { related, config }: PlanInput,
  asked: Component,
  name: string,
  replicas: number,
): Result<Observed<Deployment>[]> {
  const account = serviceAccountName(asked.isvc);
  // Its pods could not be made, and what lets them into a store is not known yet.
  if (account !== 'default' && related.serviceAccount === undefined) {
    return problem(
      'InvalidPredictorSpec',
      `serviceAccountName: there is no ServiceAccount "${account}" in this namespace`,
    );
  }
  const runtime = asked.model === undefined ? ok(undefined) : selectRuntime(asked.model, related);
  if (!runtime.ok) return runtime;
  const options = { component: asked, runtime: runtime.value, revision: name };
  const { serviceAccount } = related;
  const template = podTemplate({ ...options, config, serviceAccount });
  if (!template.ok) return template;
  return ok([deployment({ ...options, template: template.value, replicas })]);
}

/** Idle revisions beyond the history limit, oldest first; the one before the current is always kept. */
function expired(
  existing: readonly Revision[],
  active: ReadonlySet<string>,
  previousRolledOut: string | undefined,
  limit: number,
): KubeObject[] {
  const idle = existing.filter(({ name, replicas }) => !active.has(name) && replicas === 0);
  const removable = idle.filter(({ name }) => name !== previousRolledOut);
  return removable.slice(0, Math.max(0, idle.length - limit)).map(({ deployment }) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: deployment.metadata,
  }));
}

/** KServe's events: one for each change of Ready to True or False. */
function events(
  before: InferenceServiceStatus | undefined,
  after: InferenceServiceStatus,
): PlanEvent[] {
  const was = condition(before?.conditions, 'Ready')?.status ?? 'Unknown';
  const ready = condition(after.conditions, 'Ready');
  if (ready === undefined || ready.status === was) return [];
  if (ready.status === 'True') {
    return [
      { type: 'Normal', reason: 'InferenceServiceReady', message: 'InferenceService is ready' },
    ];
  }
  // Pods that wait for a node have the scheduler's own event.
  if (ready.status === 'Unknown' || ready.reason === 'Unschedulable') return [];
  const message = `${ready.reason}: ${ready.message}`;
  return [{ type: 'Warning', reason: 'InferenceServiceNotReady', message }];
}
