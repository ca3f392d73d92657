/** The parameters of load and unload requests, over REST and gRPC. Source: Triton, model repository extension. */
import { InferenceError, invalid } from '../protocol/errors.ts';
import type { LoadOverride } from '../serving/repository/repository.ts';

const FILE = 'file:';

/**
 * Reads what a load request brings along.
 * @param bytesOf reads the content of a file, as the transport carries it; the path is for its error
 * @throws InferenceError INVALID_ARGUMENT for a parameter that is unknown or no text.
 */
export function loadOverride(
  parameters: Readonly<Record<string, unknown>>,
  bytesOf: (content: unknown, path: string) => Buffer,
): LoadOverride {
  const files = new Map<string, Buffer>();
  for (const [key, content] of Object.entries(parameters)) {
    const path = `parameters.${key}`;
    if (key.startsWith(FILE)) files.set(key.slice(FILE.length), bytesOf(content, path));
    else if (key !== 'config') throw invalid(`${path}: expected config or file:PATH`);
  }
  const { config } = parameters;
  if (config !== undefined && typeof config !== 'string') {
    throw invalid('parameters.config: expected a string with the configuration in JSON');
  }
  return { config, files };
}

/**
 * Reads how an unload request wants a model to go.
 * @throws InferenceError INVALID_ARGUMENT for a parameter that is unknown or no boolean.
 */
export function unloadOptions(parameters: Readonly<Record<string, unknown>>): {
  dependents: boolean;
} {
  const { unload_dependents: dependents = false, ...others } = parameters;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw invalid(`parameters.${unknown}: expected unload_dependents`);
  if (typeof dependents !== 'boolean') {
    throw invalid('parameters.unload_dependents: expected true or false');
  }
  return { dependents };
}

/** Refuses the name of a repository: a server has one index of all. @throws InferenceError UNIMPLEMENTED. */
export function refuseRepositoryName(name: string): void {
  if (name === '') return;
  const text = `repository_name: '${name}' cannot be named, models are found by their own names`;
  throw new InferenceError('UNIMPLEMENTED', text);
}
