/** An answer of the API server that is not a success. */
export class KubeError extends Error {
  /** HTTP status code. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'KubeError';
    this.code = code;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.code === 404;
}

export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.code === 409;
}

/** The resource version is too old to watch from: list again. */
export function isGone(error: unknown): boolean {
  return error instanceof KubeError && error.code === 410;
}
