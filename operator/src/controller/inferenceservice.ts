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
  return async (key, log) => {
    const input = observe(key, lister, surroundings, config);
    // What belongs to a deleted InferenceService goes with it, by owner reference.
    if (input === undefined) return;
    await applyPlan(plan(input), input, writer, log);
  };
}
