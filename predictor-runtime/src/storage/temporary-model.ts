/** Models that a caller of the management API names by a storage URI. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '../platform/environment.ts';
import type { Logger } from '../platform/log.ts';
import { InferenceError, invalid } from '../protocol/errors.ts';
import { fetchModel, isBelow } from './storage.ts';

/** Circumstances of a fetch that its caller does not choose. */
export interface TemporaryModelOptions {
  /** Beginnings of the storage URIs that callers may name. */
  readonly allowedUris: readonly string[];
  readonly env: Env;
  readonly log: Logger;
}

/** The folder, or the one file, of a fetched model. */
export interface TemporaryModel {
  readonly dir: string;
  /** True when the folder was made for this model, so that it is to be removed with it. */
  readonly isOwn: boolean;
}

/**
 * Fetches the model of a storage URI into a new temporary folder; a model that is on this machine stays where it is.
 * @throws InferenceError NOT_FOUND for what is no URI, PERMISSION_DENIED for one that is not allowed, INVALID_ARGUMENT
 *   with the reason of a failure.
 */
export async function fetchTemporaryModel(
  uri: string,
  { allowedUris, env, log }: TemporaryModelOptions,
): Promise<TemporaryModel> {
  if (!/^([a-z][\w+.-]*:\/\/|\/)/i.test(uri)) {
    throw new InferenceError('NOT_FOUND', `url: the repository has no folder '${uri}'`);
  }
  if (!isBelow(uri, allowedUris)) {
    throw new InferenceError(
      'PERMISSION_DENIED',
      `url: '${uri}' begins with none of --allowed_uri`,
    );
  }
  const own = await mkdtemp(join(tmpdir(), 'wherry-model-'));
  const dir = await fetchModel(uri, { dir: own, env, log }).catch(async (error: Error) => {
    await rm(own, { recursive: true });
    throw invalid(error.message);
  });
  if (dir !== own) await rm(own, { recursive: true });
  return { dir, isOwn: dir === own };
}
