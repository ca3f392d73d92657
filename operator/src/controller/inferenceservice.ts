/**
 * The controller of InferenceServices observes, plans and applies, in that order, for one service at a time.
 */
import type { Lister, Writer } from '../api/cluster.ts';
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { isKind } from '../api/kinds.ts';
import { keyOf } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import type { Logger } from '../log.ts';
import { serviceAccountName } from '../plan/credentials.ts';
import type { PlanInput } from '../plan/input.ts';
import { plan } from '../plan/plan.ts';
import { applyPlan } from './apply.ts';
import type { Change, Controller, Outcome } from './controller.ts';
import { NewsBudget } from './news-budget.ts';
import { observe, type Surroundings } from './observe.ts';
import { ScaleEvents } from './scale-events.ts';

/** Everything that the controller of InferenceServices reads from and writes to. */
export interface InferenceServiceControllerOptions {
  readonly lister: Lister;
  readonly writer: Writer;
  readonly surroundings: Surroundings;
  readonly config: OperatorConfig;
}

/** Returns the controller of InferenceServices, with all their components. */
export function inferenceServiceController(options: InferenceServiceControllerOptions): Controller {
  return {
    kind: 'InferenceService',
    triggers: inferenceServicesOf,
    reconcile: reconciler(options),
  };
}

/** Returns the keys of the InferenceServices that a change may concern. */
export function inferenceServicesOf(change: Change, lister: Lister): string[] {
  const { namespace } = change.object.metadata;
  switch (change.kind) {
    case 'InferenceService':
      return [keyOf(change.object)];
    case 'ServiceAccount':
      // A service may have waited for it.
      return lister
        .list('InferenceService', namespace)
        .filter(({ spec }) => serviceAccountName(spec.predictor) === change.object.metadata.name)
        .map(keyOf);
    case 'ServingRuntime':
      return lister.list('InferenceService', namespace).map(keyOf);
    case 'ClusterServingRuntime':
      return lister.list('InferenceService').map(keyOf);
    default: {
      const service = change.object.metadata.labels?.[LABELS.inferenceService];
      return service === undefined ? [] : [`${namespace}/${service}`];
    }
  }
}

function reconciler(
  options: InferenceServiceControllerOptions,
): (key: string, log: Logger) => Promise<Outcome> {
  const { lister, writer, surroundings, config } = options;
  /** Resource version of a service that our last write of its status has replaced, by key. */
  const replaced = new Map<string, string | undefined>();
  const news = new NewsBudget();
  const scaleEvents = new ScaleEvents(writer);
  return async (key, log) => {
    const observed = observe(key, lister, surroundings, config);
    if (observed === undefined) {
      // Kubernetes deletes what the InferenceService owned, by owner reference.
      replaced.delete(key);
      return {};
    }
    const { resourceVersion } = observed.parent.metadata;
    // The caches are behind our own write: what it changed comes as an event, and then here again.
    if (resourceVersion !== undefined && replaced.get(key) === resourceVersion) return {};
    const input = await withToldRevisions(observed, writer);
    const planned = plan(input);
    const applied = await applyPlan({ plan: planned, input, writer, news, scaleEvents, log });
    if (applied.statusChanged) replaced.set(key, resourceVersion);
    else replaced.delete(key);
    return {
      retry: applied.refusals.length > 0 || applied.isStale,
      resyncAt: planned.resyncAt,
    };
  };
}

/**
 * Adds to the children those revisions in use that the status names and the caches do not show. Each kind has a
 * watch of its own, so that the status may come before the Deployment: to take that for a Deployment that somebody
 * has deleted would make a new revision for nothing, at every reconcile until the caches catch up.
 */
async function withToldRevisions(input: PlanInput, writer: Writer): Promise<PlanInput> {
  const { parent, children } = input;
  const { namespace = '' } = parent.metadata;
  const known = new Set(children.filter((child) => isKind('Deployment', child)).map(keyOf));
  const missing = [...new Set(toldRevisions(parent))]
    .map((name) => `${namespace}/${name}`)
    .filter((key) => !known.has(key));
  if (missing.length === 0) return input;
  const read = await Promise.all(missing.map((key) => writer.read('Deployment', key)));
  return { ...input, children: [...children, ...read.filter((object) => object !== undefined)] };
}

/** Returns the names of the revisions that the status says are made, rolled out or sent traffic. */
function toldRevisions({ status }: InferenceServiceData): string[] {
  return Object.values(status?.components ?? {}).flatMap(
    ({ latestCreatedRevision, latestRolledoutRevision, traffic = [] }) =>
      [
        latestCreatedRevision,
        latestRolledoutRevision,
        ...traffic.filter(({ percent }) => percent > 0).map(({ revisionName }) => revisionName),
      ].filter((name) => name !== undefined),
  );
}
