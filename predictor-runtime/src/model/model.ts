/** What the data plane knows of an engine: a loaded model and the loader that makes one. */
import type { ModelMetadata, Tensor } from '../v2/types.ts';

/** A loaded model. `infer` gets validated inputs and gives the named outputs in the order asked. */
export interface Model {
  readonly metadata: ModelMetadata;
  /** @throws InferenceError MODEL_FAILED when the engine refuses or fails to run the graph. */
  infer(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]>;
  /** Frees the engine's memory; the model must not be used afterwards. */
  close(): Promise<void>;
}

/** A model that cannot be loaded, with the reason that a user needs to mend it. */
export class ModelLoadError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ModelLoadError';
  }
}
