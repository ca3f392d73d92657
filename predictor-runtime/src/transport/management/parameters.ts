/** The parameters of a management call's query. */
import type { Request } from 'express';
import { invalid } from '../../protocol/errors.ts';

/** Returns a parameter as it is written; undefined when it is absent. @throws InferenceError when it is given twice. */
export function text(req: Request, name: string): string | undefined {
  const value = req.query[name];
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(`${name}: is given twice`);
}

/** Returns a parameter as a number of at least 0; `otherwise` when it is absent. @throws InferenceError INVALID_ARGUMENT. */
export function wholeNumber(req: Request, name: string, otherwise: number): number {
  const value = text(req, name);
  if (value === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(value)) throw invalid(`${name}: expected a whole number, got '${value}'`);
  return Number(value);
}
