/** Versions of a model, as folders, paths and messages write them. */
import { InferenceError } from './errors.ts';

/** The version that a caller wants a request to go to: a number, a label, or else the model's default version. */
export interface VersionChoice {
  readonly version?: number;
  readonly label?: string;
}

/**
 * Reads the version that a folder's name says: a whole number, with or without leading zeros (TensorFlow Serving).
 * Undefined for other folders, which hold no version.
 */
export function parseVersion(folder: string): number | undefined {
  const version = Number(folder);
  return isNumbered(folder) && Number.isSafeInteger(version) ? version : undefined;
}

/** True for a folder whose name is a number: a version's, or one that is too large to be a version. */
export function isNumbered(folder: string): boolean {
  return /^\d+$/.test(folder);
}

/** True for a folder whose name is a number that is too large for a version. */
export function isBeyondVersions(folder: string): boolean {
  return isNumbered(folder) && !Number.isSafeInteger(Number(folder));
}

/**
 * Reads a version in a path or a message: a number, or else a label.
 * @throws InferenceError NOT_FOUND for a number that no version can have.
 */
export function parseVersionChoice(text: string | undefined): VersionChoice {
  if (text === undefined || text === '') return {};
  if (!isNumbered(text)) return { label: text };
  const version = Number(text);
  if (Number.isSafeInteger(version)) return { version };
  throw new InferenceError('NOT_FOUND', `there is no version '${text}'`);
}
