/** Checks requests against the signature of the model that they are for. */
import { invalid } from '../errors.ts';
import { checkTabular, MISSING_TEXT } from './tabular.ts';
import type { InferRequest, ModelMetadata, Tensor, TensorMetadata } from './types.ts';

/**
 * Checks that names, datatypes and shapes are the model's. The engine's own messages would be less clear.
 * @throws InferenceError INVALID_ARGUMENT with the path of the field.
 */
export function checkRequest(request: InferRequest, model: ModelMetadata): void {
  if (model.tabular === undefined) checkInputs(request, model);
  else checkTabular(request, model);
  checkOutputs(request, model);
}

/**
 * Checks that the inputs for a model with a batch dimension have the same number of rows: the model might repeat the rows
 * of one for those of another.
 * @throws InferenceError INVALID_ARGUMENT with the path of the field.
 */
export function checkBatch(inputs: readonly Tensor[], model: string): void {
  const [first] = inputs;
  for (const [i, { name, shape }] of inputs.entries()) {
    if (shape[0] === first?.shape[0]) continue;
    throw invalid(
      `inputs[${i}].shape: model '${model}' takes as many rows of each input, '${first?.name}' has ${first?.shape[0]}, '${name}' has ${shape[0]}`,
    );
  }
}

/**
 * Checks that a tensor's parameters name no region of shared memory (Triton's extension): its data would come from there,
 * or be expected there.
 * @throws InferenceError INVALID_ARGUMENT with the path of the field.
 */
export function checkInline(parameters: Readonly<Record<string, unknown>>, path: string): void {
  if (parameters[REGION] === undefined) return;
  throw invalid(
    `${path}.parameters.${REGION}: there is no shared memory here, send and receive data in messages`,
  );
}

const REGION = 'shared_memory_region';

function checkInputs(request: InferRequest, model: ModelMetadata): void {
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
  const missing = model.inputs.filter(({ name, optional }) => !optional && !given.has(name));
  if (missing.length > 0) {
    throw invalid(`inputs: model '${model.name}' also needs ${names(missing)}`);
  }
}

function checkOutputs(request: InferRequest, model: ModelMetadata): void {
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
  const missing = Array.isArray(input.data) ? input.data.indexOf(MISSING_TEXT) : -1;
  if (missing !== -1) throw invalid(`${path}.data[${missing}]: null is not a BYTES value`);
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
