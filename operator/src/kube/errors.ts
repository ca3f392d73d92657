/** Errors for the API server's refusals, and what they mean. */

/** Part of a Kubernetes `Status` object that tells about a failure. */
export interface FailureStatus {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** An answer of the API server that is not a success. */
export class KubeError extends Error {
  /** HTTP status code of the answer. */
  readonly code: number;
  /** The API server's word for the failure, such as `Invalid` or `AlreadyExists`; empty when it gave none. */
  readonly reason: string;
  /** The API server's own message, whole and without the request in front, so that a status can show it. */
  readonly serverMessage: string;

  /**
   * Makes the error of one call. @param request the call, as in `apply
   * /api/v1/namespaces/default/services/iris`
   */
  constructor(request: string, { code = 500, reason = '', message = '' }: FailureStatus) {
    super(`${request}: ${code} ${message}`);
    this.name = 'KubeError';
    this.code = code;
    this.reason = reason;
    this.serverMessage = message;
  }
}

/** Says whether an error is a 404: the object, or its kind, does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.code === 404;
}

/**
 * Says whether an error is a 409: an object of that name exists, the resource version or uid is not the current one,
 * or another write came in between, such as that of a ResourceQuota.
 */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.code === 409;
}

/**
 * Says whether an object of that name exists; a 409 on create can also be a conflict over a ResourceQuota.
 */
export function isAlreadyExists(error: unknown): boolean {
  return isConflict(error) && (error as KubeError).reason === 'AlreadyExists';
}

/** Says whether an error is a 403 because the namespace is being deleted: nothing can be made in it any more. */
export function isNamespaceEnding(error: unknown): boolean {
  return (
    error instanceof KubeError &&
    error.code === 403 &&
    error.serverMessage.endsWith('because it is being terminated')
  );
}

/**
 * Says whether an error is a 422: the object as sent breaks a rule of its kind, such as a field that must not
 * change.
 */
export function isInvalid(error: unknown): boolean {
  return error instanceof KubeError && error.code === 422;
}

/**
 * Says whether an error is a 410: the resource version is too old to watch or list from, so that a new list
 * is needed.
 */
export function isGone(error: unknown): boolean {
  return error instanceof KubeError && error.code === 410;
}

/**
 * Says whether an error is a 429 or 503: the API server is busy or starting, and said nothing about the
 * objects.
 */
export function isUnavailable(error: unknown): boolean {
  return error instanceof KubeError && (error.code === 429 || error.code === 503);
}
