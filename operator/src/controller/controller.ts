/** A controller is a value: which kind it reconciles, what makes it look, and what it then does. */
import type { Lister } from '../api/cluster.ts';
import type { Kind, Kinds } from '../api/kinds.ts';
import type { Logger } from '../log.ts';

/** Change of an object in the cluster; `object` is as it is now, or as it last was when `deleted`. */
export type Change = { [K in Kind]: { kind: K; object: Kinds[K]; deleted: boolean } }[Kind];

/** Outcome of a reconcile that did not fail; one that fails throws. */
export interface Outcome {
  /** True to reconcile again after a delay, which doubles each time in a row. */
  readonly retry?: boolean;
  /** ISO 8601 time at which to reconcile again though nothing has happened; undefined for never. */
  readonly resyncAt?: string;
}

/** Rules of one controller: when it looks at an object of its kind, and what it then does. */
export interface Controller {
  /** Kind of the objects that are reconciled. */
  readonly kind: Kind;
  /** Returns the keys, `namespace/name`, of the objects to reconcile because of a change. */
  readonly triggers: (change: Change, lister: Lister) => readonly string[];
  /**
   * Brings the cluster to what the object `key` asks for. @throws Error, after which it is to be called again
   */
  readonly reconcile: (key: string, log: Logger) => Promise<Outcome>;
}
