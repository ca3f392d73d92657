/** reconcile(key) = observe → plan → apply. */
import type { OperatorConfig } from '../api/config.ts';
import type { Logger } from '../log.ts';
import { plan } from '../plan/plan.ts';
import { applyPlan } from './apply.ts';
import type { Lister, Writer } from './cluster.ts';
import { observe, type Surroundings } from './observe.ts';

export interface ReconcilerOptions {
  readonly lister: Lister;
  readonly writer: Writer;
  readonly surroundings: Surroundings;
  readonly config: OperatorConfig;
}

/** The reconcile function of InferenceServices; `key` is namespace/name. */
export function inferenceServiceReconciler({
  lister,
  writer,
  surroundings,
  config,
}: ReconcilerOptions): (key: string, log: Logger) => Promise<void> {
  /** By key, the version of the service that our last write of its status has replaced. */
  const replaced = new Map<string, string | undefined>();
  return async (key, log) => {
    const input = observe(key, lister, surroundings, config);
    if (input === undefined) {
      // What belongs to a deleted InferenceService goes with it, by owner reference.
      replaced.delete(key);
      return;
    }
    const { resourceVersion } = input.parent.metadata;
    // The caches are behind our own write: what it changed comes as an event, and then here again.
    if (resourceVersion !== undefined && replaced.get(key) === resourceVersion) return;
    const changed = await applyPlan(plan(input), input, writer, log);
    if (changed) replaced.set(key, resourceVersion);
    else replaced.delete(key);
  };
}
