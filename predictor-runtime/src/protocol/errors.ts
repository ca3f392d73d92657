/**
 * The domain errors of the predictor runtime and the one table that maps them to a transport.
 * The core throws `InferenceError`; only transport/ reads the table.
 */

/** A kind of error, in terms of the caller's request and not of a transport. */
export type ErrorCode = keyof typeof ERROR_TABLE;

/** The HTTP status and the gRPC status of each error code. */
export const ERROR_TABLE = {
  INVALID_ARGUMENT: { http: 400, grpc: 3 },
  UNAUTHENTICATED: { http: 401, grpc: 16 },
  PERMISSION_DENIED: { http: 403, grpc: 7 },
  NOT_FOUND: { http: 404, grpc: 5 },
  METHOD_NOT_ALLOWED: { http: 405, grpc: 12 },
  CONFLICT: { http: 409, grpc: 9 },
  REQUEST_TOO_LARGE: { http: 413, grpc: 8 },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, grpc: 3 },
  OVERLOADED: { http: 429, grpc: 8 },
  CANCELLED: { http: 499, grpc: 1 },
  MODEL_NOT_READY: { http: 503, grpc: 14 },
  UNAVAILABLE: { http: 503, grpc: 14 },
  DEADLINE_EXCEEDED: { http: 504, grpc: 4 },
  MODEL_FAILED: { http: 500, grpc: 13 },
  UNIMPLEMENTED: { http: 501, grpc: 12 },
  INTERNAL: { http: 500, grpc: 13 },
} as const;

/** An error whose message is meant for the caller: lower-case, it says what is wrong, where, and what to do. */
export class InferenceError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'InferenceError';
    this.code = code;
  }
}

/** Makes the error of a request that is wrong in itself. The message starts with the path of the field. */
export function invalid(message: string): InferenceError {
  return new InferenceError('INVALID_ARGUMENT', message);
}

/**
 * A row of a request that a model refuses, as its framework would. The row is counted from 0, and those who cut a request
 * into parts add what came before.
 */
export class RowError extends Error {
  readonly row: number;
  readonly problem: string;

  /** Makes the error. @param problem the column and what is wrong there, with what to do: `column 2: …` */
  constructor(row: number, problem: string) {
    super(`row ${row}, ${problem}`);
    this.name = 'RowError';
    this.row = row;
    this.problem = problem;
  }

  /** Returns the error as it is for a request that has `rows` more rows before. */
  after(rows: number): RowError {
    return rows === 0 ? this : new RowError(this.row + rows, this.problem);
  }
}

/** A model that cannot be loaded, with the reason that a user needs to mend it. */
export class ModelLoadError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ModelLoadError';
  }
}
