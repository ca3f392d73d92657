/** The controller of InferenceServices: reconcile(key) = observe → plan → apply. */
import type { Lister, Writer } from '../api/cluster.ts';
import type { OperatorConfig } from '../api/config.ts';
import { keyOf } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import type { Logger } from '../log.ts';
import { serviceAccountName } from '../plan/credentials.ts';
import { plan } from '../plan/plan.ts';
import { applyPlan } from './apply.ts';
import type { Change, Controller, Outcome } from './controller.ts';
import { observe, type Surroundings } from './observe.ts';

export interface InferenceServiceControllerOptions {
  readonly lister: Lister;
  readonly writer: Writer;
  readonly surroundings: Surroundings;
  readonly config: OperatorConfig;
}

export function inferenceServiceController(options: InferenceServiceControllerOptions): Controller {
  return {
    kind: 'InferenceService',
    triggers: inferenceServicesOf,
    reconcile: reconciler(options),
  };
}

/** The InferenceServices that a change may concern. */
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
  /** The version of a service that our last write of its status has replaced, by key. */
  const replaced = new Map<string, string | undefined>();
  return async (key, log) => {
    const input = observe(key, lister, surroundings, config);
    if (input === undefined) {
      // What belongs to a deleted InferenceService goes with it, by owner reference.
      replaced.delete(key);
      return {};
    }
    const { resourceVersion } = input.parent.metadata;
    // The caches are behind our own write: what it changed comes as an event, and then here again.
    if (resourceVersion !== undefined && replaced.get(key) === resourceVersion) return {};
    const planned = plan(input);
    const { statusChanged, refusals, isStale } = await applyPlan(planned, input, writer, log);
    if (statusChanged) replaced.set(key, resourceVersion);
    else replaced.delete(key);
    return { retry: refusals.length > 0 || isStale, resyncAt: planned.resyncAt };
  };
}
