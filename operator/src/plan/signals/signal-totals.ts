/** Sums of all signals that were reported of each revision, for as long as the revision is there. */
import { formatRevision, type RevisionRef, serviceKey } from '../../api/revision.ts';
import type { RevisionSignals, SignalReport } from '../../api/revision-signals.ts';
import { NO_SIGNALS, sumSignals } from './signals.ts';

/** Sums by revision; one that had no request yet has none. */
export class SignalTotals {
  /** Sums by service key, and then by the formatted revision. */
  readonly #services = new Map<string, Map<string, RevisionSignals>>();

  /** Adds a router's report. */
  record({ revisions }: SignalReport): void {
    for (const signals of revisions) {
      const { ref } = signals;
      const key = serviceKey(ref);
      const totals = this.#services.get(key) ?? new Map<string, RevisionSignals>();
      this.#services.set(key, totals);
      const id = formatRevision(ref);
      totals.set(id, { ref, ...sumSignals([totals.get(id) ?? NO_SIGNALS, signals]) });
    }
  }

  /** Forgets a revision that is gone. */
  forget(ref: RevisionRef): void {
    const key = serviceKey(ref);
    const totals = this.#services.get(key);
    totals?.delete(formatRevision(ref));
    if (totals?.size === 0) this.#services.delete(key);
  }

  /** Forgets a service that is gone. @param key `namespace/name` */
  forgetService(key: string): void {
    this.#services.delete(key);
  }

  /** Returns the sums of all revisions. */
  *all(): Generator<RevisionSignals> {
    for (const totals of this.#services.values()) yield* totals.values();
  }
}
