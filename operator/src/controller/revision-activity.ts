/** Puts together what KEDA is told of a revision: the load that the autoscaler measures, and what the routers hold. */
import { type RevisionRef, revisionName, serviceKey } from '../api/revision.ts';
import type { Share } from '../api/route-table.ts';
import type { RevisionActivity } from '../keda/external-scaler.ts';
import { isActive } from '../plan/activity.ts';
import { isHeldEverywhere } from '../plan/hold.ts';
import type { Reconciliation } from './reconciliation.ts';

/**
 * Returns what is known of a revision now; undefined where it has neither pods nor traffic, and before there is a
 * reconciliation.
 * @param acknowledged returns the shares of a service, by its key, that every router applies
 */
export function revisionActivity(
  ref: RevisionRef,
  reconciliation: Pick<Reconciliation, 'loadSignals'> | undefined,
  acknowledged: (key: string) => readonly Share[] | undefined,
): RevisionActivity | undefined {
  const signals = reconciliation?.loadSignals(ref);
  if (signals === undefined) return undefined;
  const isHeld = isHeldEverywhere(revisionName(ref), {
    acknowledged: acknowledged(serviceKey(ref)),
  });
  return { load: signals.load, isActive: isActive(signals, isHeld) };
}
