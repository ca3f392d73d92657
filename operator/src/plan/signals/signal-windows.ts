/**
 * Signals of all revisions over the last minutes, from the reports of all routers. Only revisions whose requests ended in
 * that time take room.
 */
import { formatRevision, type RevisionRef, serviceKey } from '../../api/revision.ts';
import type { SignalReport, Signals } from '../../api/revision-signals.ts';
import { NO_SIGNALS, sumSignals } from './signals.ts';

/** Time for which signals are kept, and the steps of that time. */
export interface SignalWindowsOptions {
  /** Milliseconds for which signals are kept. */
  readonly length: number;
  /** Milliseconds of the periods in which signals are added up: a window begins and ends with one of them. */
  readonly resolution: number;
}

/** Period of time, and the routers without whose reports nothing is known of it. */
export interface SignalPeriod {
  /** Beginning in milliseconds; the period of `resolution` that it falls in counts from its start. */
  readonly from: number;
  /** End in milliseconds; the period of `resolution` that it falls in does not count. */
  readonly to: number;
  /** Names of the routers that take traffic. */
  readonly routers: readonly string[];
}

/** Times between which no report of a router is missing, and the last one of them. */
interface Span {
  readonly from: number;
  to: number;
  readonly stream: string;
  sequence: number;
}

/** Keeps what routers report, and answers for windows of time. Times are in milliseconds of one clock. */
export class SignalWindows {
  readonly #options: SignalWindowsOptions;
  /** Signals by service key, by the formatted revision, and by the number of the period. */
  readonly #services = new Map<string, Map<string, Map<number, Signals>>>();
  /** Spans of each router, oldest first, by its name. */
  readonly #reported = new Map<string, Span[]>();
  #cleanedAt = Number.NEGATIVE_INFINITY;
  /** Number of the oldest period that is kept. */
  #oldest = Number.NEGATIVE_INFINITY;

  constructor(options: SignalWindowsOptions) {
    this.#options = options;
  }

  /** Number of the services of which signals are kept. */
  get size(): number {
    return this.#services.size;
  }

  /** Adds a router's report, which has just come. @param now milliseconds */
  record(report: SignalReport, now: number): void {
    this.#noteReport(report, now);
    const period = this.#period(now);
    for (const signals of report.revisions) {
      const periods = this.#periods(signals.ref);
      periods.set(period, sumSignals([periods.get(period) ?? NO_SIGNALS, signals]));
    }
    this.#clean(now);
  }

  /**
   * Returns the signals of a revision in a period; none in them when it had no request. Undefined when they are not known:
   * the period began before the signals that are kept, or a report of one of the routers is missing.
   */
  between(ref: RevisionRef, { from, to, routers }: SignalPeriod): Signals | undefined {
    const first = this.#period(from);
    const end = this.#period(to);
    if (first < this.#oldest) return undefined;
    if (!routers.every((router) => this.#hasReported(router, first, end))) return undefined;
    const periods = this.#services.get(serviceKey(ref))?.get(formatRevision(ref)) ?? [];
    return sumSignals(
      [...periods].flatMap(([period, signals]) =>
        period >= first && period < end ? [signals] : [],
      ),
    );
  }

  /** Forgets a service that is gone: another one of its name begins anew. @param key `namespace/name` */
  forget(key: string): void {
    this.#services.delete(key);
  }

  #period(time: number): number {
    return Math.floor(time / this.#options.resolution);
  }

  #periods(ref: RevisionRef): Map<number, Signals> {
    const key = serviceKey(ref);
    const id = formatRevision(ref);
    const revisions = this.#services.get(key) ?? new Map<string, Map<number, Signals>>();
    this.#services.set(key, revisions);
    const periods = revisions.get(id) ?? new Map<number, Signals>();
    revisions.set(id, periods);
    return periods;
  }

  #noteReport({ router, stream, sequence }: SignalReport, now: number): void {
    const spans = this.#reported.get(router) ?? [];
    this.#reported.set(router, spans);
    const last = spans.at(-1);
    const isNext = last?.stream === stream && last.sequence + 1 === sequence;
    // A clock that was set back begins anew, too.
    if (last !== undefined && isNext && now >= last.to) Object.assign(last, { to: now, sequence });
    else spans.push({ from: now, to: now, stream, sequence });
  }

  /** Says whether no report of a router is missing from the start of the period `first` to that of `end`. */
  #hasReported(router: string, first: number, end: number): boolean {
    const { resolution } = this.#options;
    const spans = this.#reported.get(router) ?? [];
    return spans.some(({ from, to }) => from <= first * resolution && to >= end * resolution);
  }

  /** Drops what is older than the length, once for each period: it looks at all that is kept. */
  #clean(now: number): void {
    const { length, resolution } = this.#options;
    if (Math.abs(now - this.#cleanedAt) < resolution) return;
    this.#cleanedAt = now;
    this.#oldest = this.#period(now - length);
    for (const [key, revisions] of this.#services) {
      for (const [id, periods] of revisions) {
        for (const period of periods.keys()) if (period < this.#oldest) periods.delete(period);
        if (periods.size === 0) revisions.delete(id);
      }
      if (revisions.size === 0) this.#services.delete(key);
    }
    for (const [router, spans] of this.#reported) {
      const kept = spans.filter(({ to }) => to >= now - length);
      if (kept.length === 0) this.#reported.delete(router);
      else this.#reported.set(router, kept);
    }
  }
}
