/** Statuses by which calls end. */
import { status as Status } from '@grpc/grpc-js';

export { Status };

/** The end of a call, as its client is told. */
export interface CallStatus {
  readonly code: Status;
  readonly details: string;
}

/** The status of a call that went well. */
export const OK: CallStatus = { code: Status.OK, details: '' };

/** Ends a call with another status than OK. */
export class CallError extends Error implements CallStatus {
  override readonly name = 'CallError';
  readonly code: Status;

  constructor(code: Status, message: string) {
    super(message);
    this.code = code;
  }

  get details(): string {
    return this.message;
  }
}

/** Returns the status that an error stands for: its own where it has one, UNKNOWN for any other. */
export function statusOf(error: unknown): CallStatus {
  const { code, details, message } = error as Partial<CallStatus & Error>;
  const isStatus = typeof code === 'number' && Status[code] !== undefined;
  return {
    code: isStatus ? code : Status.UNKNOWN,
    details: details ?? message ?? 'the server met an error',
  };
}
