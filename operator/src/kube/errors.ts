/** What the API server's refusals mean. */

/** The part of a Kubernetes `Status` object that tells about a failure. */
export interface FailureStatus {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** An answer of the API server that is not a success. */
export class KubeError extends Error {
  /** HTTP status code. */
  readonly code: number;
  /** The API server's word for the failure, such as `Invalid` or `AlreadyExists`; empty when it gave none. */
  readonly reason: string;
  /** The API server's own message, whole, without the request in front; fit to be shown in a status. */
  readonly serverMessage: string;

  /** `request` says what was asked for, such as `apply /api/v1/namespaces/default/services/iris`. */
  constructor(request: string, { code = 500, reason = '', message = '' }: FailureStatus) {
    super(`${request}: ${code} ${message}`);
    this.name = 'KubeError';
    this.code = code;
    this.reason = reason;
    this.serverMessage = message;
  }
}

/** True when the object, or its kind, does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.code === 404;
}

/**
 * True for every 409: an object of that name exists, the resource version or uid is not the current one, or
 * another write came in between, such as that of a ResourceQuota.
 */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.code === 409;
}

/** True when an object of that name exists; a 409 on create can also be a conflict over a ResourceQuota. */
export function isAlreadyExists(error: unknown): boolean {
  return isConflict(error) && (error as KubeError).reason === 'AlreadyExists';
}

/** True when the object as sent breaks a rule of its kind, such as a field that must not change. */
export function isInvalid(error: unknown): boolean {
  return error instanceof KubeError && error.code === 422;
}

/** True when the resource version is too old to watch or to go on listing from: list again. */
export function isGone(error: unknown): boolean {
  return error instanceof KubeError && error.code === 410;
}

/** True when the API server could not answer now and said nothing about the objects: it is busy, or starting. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof KubeError && (error.code === 429 || error.code === 503);
}
