/** The values that cross the data plane: independent of transport and of engine. */
import type { Datatype, TensorData } from './datatypes.ts';

/** A dense tensor in row-major order; `data.length` equals the product of `shape`. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A value of a `parameters` object. */
export type Parameter = string | number | bigint | boolean;
export type Parameters = Readonly<Record<string, Parameter>>;

export interface InferRequest {
  readonly id?: string;
  readonly inputs: readonly Tensor[];
  /** The wanted outputs, in order; empty means all. */
  readonly outputs: readonly RequestedOutput[];
  /** How outputs that do not say so themselves are to be sent. */
  readonly binaryOutputs: boolean;
  readonly parameters?: Parameters;
}

export interface RequestedOutput {
  readonly name: string;
  /** As raw bytes after the JSON; undefined leaves it to the request. */
  readonly binary?: boolean;
  /** As the N largest values with their indices and labels (Triton's classification extension). */
  readonly classification?: number;
  /** BYTES in JSON as `base64`; otherwise as text. */
  readonly contentType?: 'base64';
}

export interface InferResponse {
  readonly modelName: string;
  readonly modelVersion?: string;
  readonly id?: string;
  readonly parameters?: Parameters;
  readonly outputs: readonly Tensor[];
}

/** One input or output of a model; -1 in `shape` is a dimension the caller chooses. */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** An input that may be left out: the model has a value of its own for it. */
  readonly optional?: boolean;
  /** An output that is left out unless a request asks for it by name. */
  readonly onRequest?: boolean;
}

/** What a model of rows and columns takes. */
export interface TabularSignature {
  /** Columns of a row; -1 when the model does not say. */
  readonly features: number;
  readonly columns?: readonly string[];
  /** It reads text, in some columns at least. */
  readonly readsText: boolean;
}

/** What an engine says of a model: V2's metadata but for its name. */
export interface Signature {
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** Of models of rows and columns, whose inputs may come in other ways than `inputs` has them. */
  readonly tabular?: TabularSignature;
}

/** What a model says of itself. */
export interface ModelMetadata extends Signature {
  readonly name: string;
}

/** Number of elements of a concrete shape; [] is a scalar and has one. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
