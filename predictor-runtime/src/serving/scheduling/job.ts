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
  readonly outputs: readonly string[];
  readonly priority?: number;
  readonly timeoutMs?: number;
  readonly caller?: Caller;
  readonly method?: Method;
  readonly trace?: RequestTrace;
}
