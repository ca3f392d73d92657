/** The client of a gRPC call, and how long it waits. */
import type { Metadata } from '@grpc/grpc-js';
import type { Caller } from '../../serving/scheduling/job.ts';

/** Part of a call that unary calls and streams have in common. */
export interface GrpcCall {
  readonly cancelled: boolean;
  readonly metadata: Metadata;
  /** Returns a header of the request by its name in lower case. */
  header(name: string): string | undefined;
  /** Returns the method's path. */
  getPath(): string;
  /** Returns the time up to which the client waits, in ms since 1970; Infinity when it names none. */
  getDeadline(): number;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** The client of one call. */
export class GrpcCaller implements Caller {
  readonly #call: GrpcCall;
  #controller: AbortController | undefined;

  constructor(call: GrpcCall) {
    this.#call = call;
  }

  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    const controller = new AbortController();
    this.#controller = controller;
    if (this.#call.cancelled) controller.abort();
    else this.#call.on('cancelled', () => controller.abort());
    return controller.signal;
  }
}

/** Returns the deadline of a call, in ms since 1970; undefined when it has none. */
export function deadlineOf(call: Pick<GrpcCall, 'getDeadline'>): number | undefined {
  const at = call.getDeadline();
  return Number.isFinite(at) ? at : undefined;
}
