/** One inference request over each transport: what comes back is the same value, whatever carried it. */
import type { ServiceError } from '@grpc/grpc-js';
import { ERROR_TABLE, type ErrorCode } from '../src/protocol/errors.ts';
import { decodeElements, encodeElements } from '../src/protocol/v2/binary.ts';
import { type Datatype, datatype } from '../src/protocol/v2/datatypes.ts';
import { fill, numbers } from '../src/protocol/v2/elements.ts';
import type { Tensor } from '../src/protocol/v2/types.ts';
import { type BinaryOutput, sendBinary } from './binary-client.ts';
import type { Call } from './grpc-client.ts';
import { parseLossless } from './lossless-json.ts';

/** A tensor as V2 JSON has it; `raw_b64` is the same as bytes. */
export interface JsonTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: readonly unknown[];
  readonly raw_b64?: string;
}

export interface InferCase {
  readonly model: string;
  readonly version?: string;
  readonly inputs: readonly JsonTensor[];
  readonly outputs?: readonly string[];
}

/** Values are JSON's, but 64-bit integers are strings of digits. */
export type Result =
  | { readonly outputs: readonly JsonTensor[] }
  | { readonly error: string; readonly status: number };

export interface Endpoints {
  readonly url: string;
  readonly call: Call;
}

export interface Transport {
  readonly name: string;
  /** False for datatypes that it has no form for. */
  carries(type: Datatype): boolean;
  /** The status that an error has here. */
  statusOf(code: ErrorCode): number;
  infer(endpoints: Endpoints, request: InferCase): Promise<Result>;
}

const everything = () => true;
const http = (code: ErrorCode) => ERROR_TABLE[code].http;
const grpc = (code: ErrorCode) => ERROR_TABLE[code].grpc;
const path = ({ model, version }: InferCase) =>
  `/v2/models/${model}${version === undefined ? '' : `/versions/${version}`}/infer`;
const asked = (outputs: readonly string[] = []) => outputs.map((name) => ({ name }));

export const TRANSPORTS: readonly Transport[] = [
  {
    name: 'REST, JSON',
    carries: everything,
    statusOf: http,
    async infer({ url }, request) {
      const inputs = request.inputs.map(({ raw_b64: _, ...input }) => input);
      const body = JSON.stringify({ inputs, outputs: asked(request.outputs) });
      const reply = await fetch(url + path(request), { method: 'POST', body });
      const json = parseLossless(await reply.text()) as { error: string; outputs: JsonTensor[] };
      if (!reply.ok) return { error: json.error, status: reply.status };
      return { outputs: json.outputs.map((tensor) => ({ ...tensor, data: plain(tensor) })) };
    },
  },
  {
    name: 'REST, bytes',
    carries: everything,
    statusOf: http,
    async infer({ url }, request) {
      const buffers = request.inputs.map(bytesOf);
      const inputs = request.inputs.map(({ data: _, raw_b64: __, ...input }, i) => ({
        ...input,
        parameters: { binary_data_size: buffers[i]?.length },
      }));
      const parameters = { binary_data_output: true };
      const json = { inputs, outputs: asked(request.outputs), parameters };
      const reply = await sendBinary(url + path(request), { json, buffers });
      if (reply.status !== 200) return { ...JSON.parse(reply.json), status: reply.status };
      let offset = 0;
      const { outputs } = JSON.parse(reply.json) as { outputs: (BinaryOutput & JsonTensor)[] };
      return {
        outputs: outputs.map(({ parameters: { binary_data_size: size }, ...output }) => {
          offset += size;
          return fromBytes(output, reply.binary.subarray(offset - size, offset));
        }),
      };
    },
  },
  {
    name: 'gRPC, typed contents',
    carries: (type) => CONTENTS[type] !== undefined,
    statusOf: grpc,
    infer: ({ call }, request) =>
      inferOverGrpc(call, {
        ...head(request),
        inputs: request.inputs.map(({ data, raw_b64: _, ...input }) => ({
          ...input,
          contents: { [CONTENTS[input.datatype] ?? '']: plainFlat(input.datatype, data) },
        })),
      }),
  },
  {
    name: 'gRPC, raw contents',
    carries: everything,
    statusOf: grpc,
    infer: ({ call }, request) =>
      inferOverGrpc(call, {
        ...head(request),
        inputs: request.inputs.map(({ data: _, raw_b64: __, ...input }) => input),
        raw_input_contents: request.inputs.map(bytesOf),
      }),
  },
];

const CONTENTS: Partial<Record<Datatype, string>> = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
};

function head({ model, version, outputs }: InferCase) {
  return { model_name: model, model_version: version, outputs: asked(outputs) };
}

interface GrpcOutput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: string[];
  readonly contents: Record<string, unknown[]> | null;
}

async function inferOverGrpc(call: Call, message: object): Promise<Result> {
  try {
    const { outputs, raw_output_contents: raw } = await call<{
      outputs: GrpcOutput[];
      raw_output_contents: Buffer[];
    }>('ModelInfer', message);
    return {
      outputs: outputs.map(({ name, datatype: type, shape: dims, contents }, i) => {
        const tensor = { name, datatype: type, shape: dims.map(Number) };
        const bytes = raw[i];
        if (bytes !== undefined) return fromBytes(tensor, bytes);
        return {
          ...tensor,
          data: plain({ ...tensor, data: contents?.[CONTENTS[type] ?? ''] ?? [] }),
        };
      }),
    };
  } catch (error) {
    const { code, details } = error as ServiceError;
    return { error: details, status: code };
  }
}

/** As the elements of a typed message. */
function plainFlat(type: Datatype, data: readonly unknown[]): unknown[] {
  const values = plain({ name: '', datatype: type, shape: [], data });
  if (type === 'BYTES') return values.map((value) => Buffer.from(value as string));
  return values.map((value) => (value === null ? Number.NaN : (SPECIAL[String(value)] ?? value)));
}

const SPECIAL: Record<string, number> = {
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

function bytesOf({ datatype: type, shape, data, raw_b64: raw, name }: JsonTensor): Buffer {
  if (raw !== undefined) return Buffer.from(raw, 'base64');
  const values = plain({ name, datatype: type, shape, data }).map((value) =>
    datatype(type).kind === 'bigint' ? BigInt(value as string) : value,
  );
  return encodeElements({ name, datatype: type, shape, data: fill(type, values, name) });
}

function fromBytes(
  { name, datatype: type, shape }: Pick<JsonTensor, 'name' | 'datatype' | 'shape'>,
  bytes: Buffer,
): JsonTensor {
  const data = decodeElements(type, shape, bytes, name);
  const tensor: Tensor = { name, datatype: type, shape, data };
  return {
    name,
    datatype: type,
    shape,
    data: plain({ name, datatype: type, shape, data: valuesOf(tensor) }),
  };
}

function valuesOf({ data, ...tensor }: Tensor): unknown[] {
  if (Array.isArray(data)) return data.map(String);
  const { kind } = datatype(tensor.datatype);
  if (kind === 'bigint') return Array.from(data as BigInt64Array, String);
  return kind === 'bool'
    ? Array.from(data as Uint8Array, (bit) => bit === 1)
    : Array.from(numbers({ ...tensor, data }));
}

/** Flat, with one form for each value. */
export function plain({ datatype: type, data }: JsonTensor): unknown[] {
  const isLong = datatype(type).kind === 'bigint';
  return (data as unknown[]).flat(9).map((value) => {
    if (Buffer.isBuffer(value)) return value.toString();
    if (typeof value === 'object' && value !== null)
      return String((value as { rawJSON?: string }).rawJSON);
    if (isLong) return String(value);
    if (typeof value !== 'number' || Number.isFinite(value)) return value;
    return Number.isNaN(value) ? null : String(value);
  });
}
