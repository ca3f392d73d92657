/** V2 over gRPC: protobuf messages as plain objects ↔ InferRequest and InferResponse. */
import { invalid } from '../../protocol/errors.ts';
import { decodeElements, encodeElements } from '../../protocol/v2/binary.ts';
import { checkInline } from '../../protocol/v2/check.ts';
import { type Datatype, datatype } from '../../protocol/v2/datatypes.ts';
import { checkDatatype, decodeShape, fill, show } from '../../protocol/v2/elements.ts';
import type {
  InferRequest,
  InferResponse,
  Parameter,
  Parameters,
  Tensor,
  TensorMetadata,
} from '../../protocol/v2/types.ts';

/** A field of InferTensorContents. */
type ContentsField =
  | 'bool_contents'
  | 'int_contents'
  | 'int64_contents'
  | 'uint_contents'
  | 'uint64_contents'
  | 'fp32_contents'
  | 'fp64_contents'
  | 'bytes_contents';

/** The message ModelInferRequest, whose 64-bit integers are strings, as a double would not hold them. */
export interface InferMessage {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly string[];
    readonly parameters: ParameterMap;
    readonly contents?: Partial<Record<ContentsField, readonly unknown[]>> | null;
  }[];
  readonly outputs: readonly { readonly name: string; readonly parameters: ParameterMap }[];
  readonly parameters: ParameterMap;
  readonly raw_input_contents: readonly Buffer[];
}

/** A `parameters` map; `parameter_choice` names the field that is set. */
export type ParameterMap = Readonly<
  Record<string, { readonly parameter_choice?: string; readonly [field: string]: unknown }>
>;

/** Field of each datatype's elements; FP16 and BF16 have no field and come raw only. */
const CONTENTS: Record<Datatype, ContentsField | undefined> = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  FP16: undefined,
  BF16: undefined,
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
};

/** Decodes a request. @throws InferenceError INVALID_ARGUMENT with the path of the field. */
export function decodeInferMessage(message: InferMessage): InferRequest {
  for (const kind of ['inputs', 'outputs'] as const) {
    message[kind].forEach(({ parameters }, i) => {
      checkInline(parameters, `${kind}[${i}]`);
    });
  }
  const raw = message.raw_input_contents;
  if (raw.length > 0 && raw.length !== message.inputs.length) {
    throw invalid(
      `raw_input_contents: has ${raw.length} entries for ${message.inputs.length} inputs; use it for all of them or none`,
    );
  }
  return {
    id: message.id === '' ? undefined : message.id,
    inputs: message.inputs.map((input, i) => decodeInput(input, raw[i], `inputs[${i}]`)),
    outputs: message.outputs.map(({ name, parameters }, i) => ({
      name,
      classification: classification(parameters, `outputs[${i}].parameters.classification`),
    })),
    parameters: decodeParameters(message.parameters),
    // A caller that sends bytes can read bytes.
    binaryOutputs: raw.length > 0,
  };
}

/** Returns the plain values of a `parameters` map; 64-bit integers are bigints where a number would not hold them. */
export function decodeParameters(map: ParameterMap): Parameters {
  return Object.fromEntries(
    Object.entries(map).map(([name, parameter]) => {
      const field = parameter.parameter_choice;
      const value = field === undefined ? '' : parameter[field];
      const isLong = field === 'int64_param' || field === 'uint64_param';
      return [name, isLong ? integer(value as string) : (value as Parameter)];
    }),
  );
}

function integer(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

function classification(parameters: ParameterMap, path: string): number | undefined {
  const { classification: count } = decodeParameters(parameters);
  if (count === undefined) return undefined;
  if (typeof count === 'number' && count > 0) return count;
  throw invalid(`${path}: expected a whole number above 0, got ${show(count)}`);
}

function decodeInput(
  { name, datatype: type, shape: dims, contents }: InferMessage['inputs'][number],
  raw: Buffer | undefined,
  path: string,
): Tensor {
  checkDatatype(type, `${path}.datatype`);
  const shape = decodeShape(dims, `${path}.shape`);
  const given = Object.values(contents ?? {}).some((list) => list.length > 0);
  if (raw !== undefined) {
    if (given) throw invalid(`${path}.contents: is given beside raw_input_contents`);
    const data = decodeElements(type, shape, raw, `raw_input_contents of ${path}`);
    return { name, datatype: type, shape, data };
  }
  const field = CONTENTS[type];
  if (field === undefined) throw invalid(`${path}: ${type} is sent in raw_input_contents`);
  const values = contents?.[field] ?? [];
  const at = `${path}.contents.${field}`;
  const expected = shape.reduce((product, dim) => product * dim, 1);
  if (values.length !== expected) {
    throw invalid(`${at}: shape [${shape}] has ${expected} elements, got ${values.length}`);
  }
  return { name, datatype: type, shape, data: fill(type, values.map(element[field] ?? same), at) };
}

const same = (value: unknown) => value;

/** Functions that make of protobuf's element what `fill` takes. */
const element: Partial<Record<ContentsField, (value: unknown) => unknown>> = {
  int64_contents: (value) => BigInt(value as string),
  uint64_contents: (value) => BigInt(value as string),
};

/** Encodes a response. @param raw true for tensors as bytes; otherwise typed contents, where every datatype has them */
export function encodeInferMessage(response: InferResponse, raw: boolean): object {
  const asBytes = raw || response.outputs.some((tensor) => CONTENTS[tensor.datatype] === undefined);
  return {
    model_name: response.modelName,
    model_version: response.modelVersion,
    id: response.id,
    outputs: response.outputs.map((tensor) => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape,
      ...(asBytes ? {} : { contents: contentsOf(tensor) }),
    })),
    raw_output_contents: asBytes ? response.outputs.map(encodeElements) : [],
  };
}

function contentsOf({ datatype: type, data }: Tensor): object {
  const values = Array.from(data as ArrayLike<unknown>, (value) => {
    if (typeof value === 'bigint') return value.toString();
    return datatype(type).kind === 'bool' ? value === 1 : value;
  });
  return { [CONTENTS[type] as ContentsField]: values };
}

/** Encodes the metadata of a tensor. */
export function encodeMetadata({ name, datatype: type, shape }: TensorMetadata): object {
  return { name, datatype: type, shape };
}
