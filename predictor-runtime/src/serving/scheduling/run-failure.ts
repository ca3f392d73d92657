/** Errors of runs, as the callers of a model are told them. */
import { ExecutorError } from '../../engine/executor.ts';
import { InferenceError, invalid, RowError } from '../../protocol/errors.ts';

/** Makes the error of a request whose run failed. @param name name of the model */
export function runFailure(name: string, error: unknown): InferenceError {
  const { message } = error as Error;
  if (error instanceof RowError) return invalid(`model '${name}': ${message}`);
  if (!(error instanceof ExecutorError)) {
    return new InferenceError('INTERNAL', `model '${name}': ${message}`, { cause: error });
  }
  const code = error.failure === 'cancelled' ? 'CANCELLED' : 'MODEL_FAILED';
  const what = error.failure === 'died' ? 'lost its executor, which' : 'failed:';
  return new InferenceError(code, `model '${name}' ${what} ${message}`, { cause: error });
}
