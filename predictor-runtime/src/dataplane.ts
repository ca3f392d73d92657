/** Live, ready, metadata, infer: the server's behaviour with no transport in it. */
import { InferenceError, invalid } from './errors.ts';
import type { Model } from './model/model.ts';
import type {
  InferRequest,
  InferResponse,
  ModelMetadata,
  Tensor,
  TensorMetadata,
} from './v2/types.ts';

/** Where a model is in its life; `failed` keeps the reason. */
export type ModelState =
  | { readonly phase: 'loading' }
  | { readonly phase: 'ready'; readonly model: Model }
  | { readonly phase: 'failed'; readonly reason: string };

export class DataPlane {
  readonly #models = new Map<string, ModelState>();
  #draining = false;

  /** Records where a model is in its life; metadata and infer see the change at once. */
  set(name: string, state: ModelState): void {
    this.#models.set(name, state);
  }

  /** From now on the server is not ready; requests are still answered. */
  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  modelNames(): string[] {
    return [...this.#models.keys()];
  }

  /** Undefined when everything can be served, otherwise why not. */
  notReadyReason(): string | undefined {
    if (this.#draining) return 'the server is shutting down';
    for (const name of this.#models.keys()) {
      const reason = this.modelNotReadyReason(name);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** @throws InferenceError NOT_FOUND for an unknown model. */
  modelNotReadyReason(name: string): string | undefined {
    const state = this.#state(name);
    if (state.phase === 'loading') return `model '${name}' is loading`;
    return state.phase === 'failed' ? `model '${name}' failed to load: ${state.reason}` : undefined;
  }

  /** @throws InferenceError NOT_FOUND, MODEL_NOT_READY. */
  metadata(name: string): ModelMetadata {
    return this.#ready(name).metadata;
  }

  /** @throws InferenceError NOT_FOUND, MODEL_NOT_READY, INVALID_ARGUMENT, MODEL_FAILED. */
  async infer(name: string, request: InferRequest): Promise<InferResponse> {
    const model = this.#ready(name);
    checkRequest(request, model.metadata);
    const names = request.outputs.map((output) => output.name);
    const outputs = await model.infer(request.inputs, names);
    return { modelName: name, id: request.id, outputs };
  }

  #state(name: string): ModelState {
    const state = this.#models.get(name);
    if (state === undefined) {
      throw new InferenceError(
        'NOT_FOUND',
        `model '${name}' is not found; this server has ${this.modelNames().join(', ')}`,
      );
    }
    return state;
  }

  #ready(name: string): Model {
    const reason = this.modelNotReadyReason(name);
    if (reason !== undefined) throw new InferenceError('MODEL_NOT_READY', reason);
    return (this.#state(name) as { model: Model }).model;
  }
}

/** Names, datatypes and shapes of a request against the model's own; the engine would be less clear. */
function checkRequest(request: InferRequest, model: ModelMetadata): void {
  const given = new Map<string, Tensor>();
  for (const [i, input] of request.inputs.entries()) {
    if (given.has(input.name)) throw invalid(`inputs[${i}].name: '${input.name}' is given twice`);
    given.set(input.name, input);
    const expected = model.inputs.find(({ name }) => name === input.name);
    if (expected === undefined) {
      throw invalid(
        `inputs[${i}].name: model '${model.name}' has no input '${input.name}', expected ${names(model.inputs)}`,
      );
    }
    checkTensor(input, expected, `inputs[${i}]`);
  }
  const missing = model.inputs.filter(({ name }) => !given.has(name));
  if (missing.length > 0) {
    throw invalid(`inputs: model '${model.name}' also needs ${names(missing)}`);
  }
  const asked = request.outputs.map((output) => output.name);
  for (const [i, output] of asked.entries()) {
    if (!model.outputs.some(({ name }) => name === output)) {
      throw invalid(
        `outputs[${i}].name: model '${model.name}' has no output '${output}', expected ${names(model.outputs)}`,
      );
    }
    if (asked.indexOf(output) !== i) {
      throw invalid(`outputs[${i}].name: '${output}' is asked for twice`);
    }
  }
}

function checkTensor(input: Tensor, expected: TensorMetadata, path: string): void {
  if (input.datatype !== expected.datatype) {
    throw invalid(
      `${path}.datatype: input '${input.name}' is ${expected.datatype}, got ${input.datatype}`,
    );
  }
  const fits =
    expected.shape.length === input.shape.length &&
    expected.shape.every((dim, i) => dim === -1 || dim === input.shape[i]);
  if (!fits) {
    throw invalid(
      `${path}.shape: input '${input.name}' has shape [${expected.shape}], got [${input.shape}]`,
    );
  }
}

function names(tensors: readonly TensorMetadata[]): string {
  return tensors.map(({ name }) => `'${name}'`).join(', ');
}
