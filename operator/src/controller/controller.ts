/** A controller as a value: which kind it reconciles, what makes it look, and what it then does. */
import type { Lister } from '../api/cluster.ts';
import type { Kind, Kinds } from '../api/kinds.ts';
import type { Logger } from '../log.ts';

/** A change of an object: as it is now, or last was when `deleted`. */
export type Change = { [K in Kind]: { kind: K; object: Kinds[K]; deleted: boolean } }[Kind];

/** How a reconcile ended; one that failed throws. */
export interface Outcome {
  /** Look again after a while that grows from time to time. */
  readonly retry?: boolean;
  /** ISO 8601 time at which to look again. */
  readonly resyncAt?: string;
}

export interface Controller {
  readonly kind: Kind;
  /** The keys (namespace/name) of the objects to reconcile because of a change. */
  readonly triggers: (change: Change, lister: Lister) => readonly string[];
  readonly reconcile: (key: string, log: Logger) => Promise<Outcome>;
}
