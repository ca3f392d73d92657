/**
 * The envelope of an inference, whichever transport carries it and whichever verb asks for it: readiness check, deadline,
 * trace, metrics, log line, and what the caller is told of an error.
 */
import type { DataPlane, InferOptions } from '../dataplane.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { Cohort } from '../platform/cohort.ts';
import type { Logger } from '../platform/log.ts';
import type { RequestTrace, Tracer } from '../platform/tracing.ts';
import { ERROR_TABLE, type ErrorCode, InferenceError, invalid } from '../protocol/errors.ts';
import type { VersionChoice } from '../protocol/versions.ts';
import type { Immediate } from '../serving/immediate.ts';
import type { Caller } from '../serving/scheduling/job.ts';

/** HTTP status of a request that the queue has no room for: 429, or 503 and gRPC's UNAVAILABLE as Triton has it. */
export type OverloadStatus = 429 | 503;

/** Parts of the server that the envelope tells of inferences, or asks about them. */
export interface EnvelopeOptions {
  readonly dataPlane: DataPlane;
  readonly metrics: Metrics;
  /** Tracer of the server; absent when nothing is traced. */
  readonly tracer?: Tracer;
  readonly log: Logger;
  /** True when each inference writes a line in the log. */
  readonly logRequests: boolean;
  readonly overloadStatus: OverloadStatus;
}

/** One inference, as its transport hands it over. */
export interface InferenceCall {
  /** Question that the call asks, and name of its span. */
  readonly verb: 'infer' | 'explain';
  /** Name of the model, which may be unknown. */
  readonly model: string;
  /** Version or label that the caller asks for; with neither field the default version. */
  readonly choice: VersionChoice;
  /** Client that waits for the answer. */
  readonly caller: Caller;
  /** Time when the transport itself stops waiting, in ms since 1970; undefined when it has no deadline of its own. */
  readonly deadlineAt?: number;
  /** Returns a header of HTTP or an entry of gRPC's metadata. @param name in lower case */
  header(name: string): string | undefined;
}

/** Steps of a transport inside the envelope. */
export interface CallSteps<Message, Answer> {
  /** Reads what has not arrived yet. The client takes this time, so that it is not measured. */
  receive(): Immediate<Message>;
  /** Decodes the message, has the data plane answer it, and encodes the answer. @throws InferenceError. */
  answer(message: Message, options: InferOptions): Immediate<Answer>;
}

/** Headers that say how long the caller waits, in ms: Wherry's own, and the one that Envoy adds. */
const TIMEOUT_HEADERS = ['x-request-timeout-ms', 'x-envoy-expected-rq-timeout-ms'];

/** Answers the inferences of one server, and tells of each of them. */
export class CallEnvelope {
  readonly #options: EnvelopeOptions;
  readonly #arrivals = new Cohort();

  constructor(options: EnvelopeOptions) {
    this.#options = options;
  }

  /**
   * Answers one inference. An unknown model or version is refused before anything is received or measured.
   * @throws InferenceError NOT_FOUND, MODEL_NOT_READY; what the steps throw.
   */
  async answer<Message, Answer>(
    call: InferenceCall,
    { receive, answer }: CallSteps<Message, Answer>,
  ): Promise<Answer> {
    // Labels of metrics come from the models that exist, never from what a caller invents.
    this.#options.dataPlane.modelNotReadyReason(call.model, call.choice);
    let started = performance.now();
    let trace: RequestTrace | undefined;
    let failure: Error | undefined;
    try {
      const message = await receive();
      started = performance.now();
      trace = this.#startTrace(call);
      await this.#arrivals.gathered();
      this.#mustBeReady(call);
      return await answer(message, { caller: call.caller, timeoutMs: timeoutOf(call), trace });
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      trace?.end(failure);
      this.#tell(call, failure, (performance.now() - started) / 1000);
    }
  }

  #startTrace({ verb, model, header }: InferenceCall): RequestTrace | undefined {
    return this.#options.tracer?.start({ verb, model, traceparent: header('traceparent') });
  }

  #mustBeReady({ model, choice }: InferenceCall): void {
    const reason = this.#options.dataPlane.modelNotReadyReason(model, choice);
    if (reason !== undefined) throw new InferenceError('MODEL_NOT_READY', reason);
  }

  #tell({ model, choice }: InferenceCall, failure: Error | undefined, seconds: number): void {
    const { metrics, log, logRequests, overloadStatus } = this.#options;
    const status = failure === undefined ? 200 : statusesOf(codeOf(failure), overloadStatus).http;
    metrics.inference(model, status, seconds);
    if (logRequests) log.info('inference', { model, ...choice, status, seconds });
  }
}

/** Returns the shortest of the times that the caller waits, in ms. @throws InferenceError INVALID_ARGUMENT. */
function timeoutOf({ deadlineAt, header }: InferenceCall): number | undefined {
  // A deadline that is over already must not read as none.
  let shortest = deadlineAt === undefined ? undefined : Math.max(1, deadlineAt - Date.now());
  for (const name of TIMEOUT_HEADERS) {
    const text = header(name);
    if (text === undefined) continue;
    const ms = Number(text);
    if (!Number.isFinite(ms) || ms < 0) {
      throw invalid(`${name}: expected a number of milliseconds, got '${text}'`);
    }
    if (ms > 0 && (shortest === undefined || ms < shortest)) shortest = ms;
  }
  return shortest;
}

/** An error as the caller may know it. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Translates what a handler threw into what its caller is told. Unexpected errors are logged, and not told. */
export function refusalOf(error: unknown, log: Logger): Refusal {
  if (error instanceof InferenceError) return { code: error.code, message: error.message };
  const { code, stack } = error as NodeJS.ErrnoException;
  // A client that left in the middle of its request is no fault of the server.
  if (code !== 'ECONNRESET') log.error('call failed', { error: stack });
  return { code: 'INTERNAL', message: 'internal error; the server log has the details' };
}

/** Returns the statuses of an error. @param overloadStatus HTTP status of a request that the queue has no room for */
export function statusesOf(
  code: ErrorCode,
  overloadStatus: OverloadStatus,
): (typeof ERROR_TABLE)[ErrorCode] {
  return ERROR_TABLE[code === 'OVERLOADED' && overloadStatus === 503 ? 'UNAVAILABLE' : code];
}

function codeOf(error: Error): ErrorCode {
  return error instanceof InferenceError ? error.code : 'INTERNAL';
}
