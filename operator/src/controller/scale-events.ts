/**
 * Events about changes of scale. A scale that goes up and down all the time is told of less often: the status and the
 * metrics have every change.
 */
import type { Writer } from '../api/cluster.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { keyOf } from '../api/kube.ts';
import { NewsBudget } from './news-budget.ts';

/** Number of events about one service that may be written at once, and milliseconds after which one more may be. */
const BURST = 10;
const INTERVAL_MS = 60_000;
/** Number of services that are remembered: the ones that were told of last. */
const REMEMBERED = 10_000;

/**
 * Reason of an event about a scale: it was changed by plan, or raised from zero for requests that wait; and then a pod of
 * a warm pool stood in, or none of the pool could.
 */
export type ScaleEventReason = 'Scaled' | 'Woken' | 'StandsIn' | 'WarmPoolUnfit';

interface Told {
  readonly budget: NewsBudget;
  /** Number of changes since the last event. */
  untold: number;
}

/** Writes events about changes of scale, for each service no more than its budget. */
export class ScaleEvents {
  readonly #writer: Pick<Writer, 'event'>;
  readonly #now: () => number;
  /** Services by key, the one told of last at the end. */
  readonly #services = new Map<string, Told>();

  /** Makes a writer of events. @param now returns the milliseconds of a clock that never goes back */
  constructor(writer: Pick<Writer, 'event'>, now = () => performance.now()) {
    this.#writer = writer;
    this.#now = now;
  }

  /** Tells of one change, or counts it for the next event. @throws Error when the event could not be written */
  async tell(isvc: InferenceServiceData, reason: ScaleEventReason, text: string): Promise<void> {
    const told = this.#told(keyOf(isvc));
    if (!told.budget.take()) {
      told.untold++;
      return;
    }
    const { untold } = told;
    told.untold = 0;
    const message = untold === 0 ? text : `${text} (${untold} changes before it have no event)`;
    await this.#writer.event(isvc, { type: 'Normal', reason, message });
  }

  #told(key: string): Told {
    const now = this.#now;
    const told = this.#services.get(key) ?? {
      budget: new NewsBudget({ burst: BURST, intervalMs: INTERVAL_MS, now }),
      untold: 0,
    };
    this.#services.delete(key);
    this.#services.set(key, told);
    const [oldest] = this.#services.keys();
    if (this.#services.size > REMEMBERED && oldest !== undefined) this.#services.delete(oldest);
    return told;
  }
}
