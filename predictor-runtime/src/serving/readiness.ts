/** Readiness of the versions of models: an ensemble can serve while all of its models can. */
import { InferenceError } from '../protocol/errors.ts';
import type { VersionChoice } from '../protocol/versions.ts';
import type { ModelVersions } from './model-versions.ts';

/** Every model that is known, by its name. */
type Models = ReadonlyMap<string, ModelVersions>;

/**
 * Returns why a version cannot serve; undefined when it can.
 * @param dependents ensembles that ask for the model as one of their steps
 * @throws InferenceError NOT_FOUND.
 */
export function whyNotReady(
  versions: ModelVersions,
  choice: VersionChoice,
  { models, dependents = [] }: { models: Models; dependents?: readonly string[] },
): string | undefined {
  const { name } = versions;
  try {
    const { model } = versions.choose(choice);
    const ensembles = [...dependents, name];
    for (const step of model?.config.ensemble ?? []) {
      const reason = whyStepNotReady(step, { models, ensembles });
      if (reason !== undefined) return `model '${name}' needs another: ${reason}`;
    }
    return undefined;
  } catch (error) {
    if (error instanceof InferenceError && error.code === 'MODEL_NOT_READY') return error.message;
    throw error;
  }
}

function whyStepNotReady(
  { model: name, version }: { readonly model: string; readonly version?: number },
  { models, ensembles }: { models: Models; ensembles: readonly string[] },
): string | undefined {
  if (ensembles.includes(name)) return circle(ensembles, name);
  const versions = models.get(name);
  if (versions === undefined) return `model '${name}' is not loaded`;
  try {
    return whyNotReady(versions, { version }, { models, dependents: ensembles });
  } catch (error) {
    return (error as Error).message;
  }
}

/** Says that ensembles need each other. @param again the one that was there already */
export function circle(ensembles: readonly string[], again: string): string {
  return `ensembles ${[...ensembles, again].join(' → ')} are a circle`;
}
