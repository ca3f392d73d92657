/** A request on its way through the scheduler, and who waits for it. */
import type { Method } from '../../engine/engine.ts';
import type { RequestTrace } from '../../platform/tracing.ts';
import type { Tensor } from '../../protocol/v2/types.ts';

/** One who waits for an answer. */
export interface Caller {
  /**
   * Signal that is aborted when the caller has left. It is made when it is first asked for: most requests are over
   * before anybody does.
   */
  readonly signal: AbortSignal;
}

/** One request, already checked against the model. */
export interface Job {
  readonly inputs: readonly Tensor[];
  /** Names of the wanted outputs; none stands for all. */
  readonly outputs: readonly string[];
  /** Urgency of the request, 1 being the most urgent; 0 and undefined leave it to the queue. */
  readonly priority?: number;
  /** Time until the request is given up, in ms; 0 and undefined leave it to the queue. */
  readonly timeoutMs?: number;
  /**
   * Time that the request names by itself, in ms: a bound of its wait where the queue has a rule for waiting, otherwise
   * of all until its answer. 0 and undefined are none.
   */
  readonly ownTimeoutMs?: number;
  /** Caller that waits for the answer; undefined when the answer is wanted in any case. */
  readonly caller?: Caller;
  /** Task of the run; `infer` if not given. */
  readonly method?: Method;
  /** Trace that the stages of the run are told to; undefined when the request is not traced. */
  readonly trace?: RequestTrace;
}
