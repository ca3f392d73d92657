/** The models that an ensemble needs: who loads an ensemble by API does not name them (Triton). */
import { ModelLoadError } from '../../protocol/errors.ts';
import type { ModelManager } from '../manager.ts';
import { circle } from '../readiness.ts';
import type { ModelConfig } from './model-config.ts';

/** Parts of a repository that load the models of an ensemble. */
export interface StepSources {
  readonly manager: ModelManager;
  /** Models whose folder could not be read: name → why. */
  readonly unreadable: ReadonlyMap<string, string>;
  /** Loads a model that is in the repository; nothing happens for another. */
  load(name: string): Promise<void>;
}

/**
 * Loads the models of an ensemble that are not loaded yet.
 * @param ensembles the one that is being loaded, after those that need it
 * @throws ModelLoadError when one of the models cannot serve.
 */
export async function loadSteps(
  { ensemble = [] }: ModelConfig,
  ensembles: readonly string[],
  { manager, unreadable, load }: StepSources,
): Promise<void> {
  for (const { model, version } of ensemble) {
    if (ensembles.includes(model)) throw new ModelLoadError(circle(ensembles, model));
    await manager.settled(model);
    if (!manager.servables(model).some(({ phase }) => phase === 'available')) await load(model);
    const reason = unreadable.has(model)
      ? `model '${model}': ${unreadable.get(model)}`
      : whyNot(manager, model, version);
    if (reason !== undefined) throw new ModelLoadError(`it needs another model: ${reason}`);
  }
}

function whyNot(
  manager: ModelManager,
  model: string,
  version: number | undefined,
): string | undefined {
  if (!manager.names().includes(model)) return `there is no model '${model}' in the repository`;
  try {
    return manager.notReadyReason(model, { version });
  } catch (error) {
    return (error as Error).message;
  }
}
