/**
 * V1's classify and regress: examples of named features → results. Source: TensorFlow Serving, RESTful API. An ONNX
 * model has no signature for them: its inputs are the features, and its first floating-point output has the scores.
 */
import { invalid } from '../errors.ts';
import { datatype } from '../v2/datatypes.ts';
import { numbers } from '../v2/elements.ts';
import { array, object } from '../v2/json.ts';
import { elementCount, type InferRequest, type ModelMetadata, type Tensor } from '../v2/types.ts';
import { parseBody, rowInputs } from './predict.ts';

/**
 * Parses a V1 classify or regress request, in which an example's features override those of `context`.
 * @throws InferenceError INVALID_ARGUMENT with the path of the field, or when the model has no scores.
 */
export function decodeExamples(json: Buffer, model: ModelMetadata): InferRequest {
  const { examples, context = {} } = parseBody(json);
  const shared = object(context, 'context');
  const rows = array(examples, 'examples').map((example, i) => ({
    ...shared,
    ...object(example, `examples[${i}]`),
  }));
  const inputs = rowInputs(rows, model).map((input) => withRankOf(input, model));
  return { inputs, outputs: [{ name: scoresOf(model) }], binaryOutputs: false };
}

/** Returns the name of the output that classify and regress answer with. */
function scoresOf({ name, outputs }: ModelMetadata): string {
  const scores = outputs.find(({ datatype: type }) =>
    ['float', 'half', 'bfloat'].includes(datatype(type).kind),
  );
  if (scores !== undefined) return scores.name;
  throw invalid(`model '${name}' has no floating-point output to classify or regress with`);
}

/** Adds dimensions of 1 that the model has and the input lacks: a feature of one value may come as a plain number. */
function withRankOf(input: Tensor, model: ModelMetadata): Tensor {
  const rank = model.inputs.find(({ name }) => name === input.name)?.shape.length ?? 0;
  const missing = Array.from({ length: Math.max(0, rank - input.shape.length) }, () => 1);
  return { ...input, shape: [...input.shape, ...missing] };
}

/**
 * Writes all classes of each example: `{"results": [[[label, score], …], …]}`. A class without a label has its index.
 */
export function encodeClassifications(scores: Tensor, labels: readonly string[]): string {
  const rows = scoresByRow(scores).map((row) =>
    row.map((score, i) => [labels[i] ?? String(i), score]),
  );
  return JSON.stringify({ results: rows });
}

/**
 * Writes one value for each example: `{"results": [value, …]}`.
 * @throws InferenceError INVALID_ARGUMENT when the output has more than one.
 */
export function encodeRegressions(scores: Tensor): string {
  const rows = scoresByRow(scores);
  const [first = []] = rows;
  if (first.length !== 1 && rows.length > 0) {
    throw invalid(
      `output '${scores.name}' has ${first.length} values for each example, not one: use :predict`,
    );
  }
  return JSON.stringify({ results: rows.flat() });
}

function scoresByRow(scores: Tensor): number[][] {
  const [rows = 1, ...rest] = scores.shape;
  const size = elementCount(rest);
  const values = Array.from(numbers(scores));
  return Array.from({ length: rows }, (_, row) => values.slice(row * size, (row + 1) * size));
}
