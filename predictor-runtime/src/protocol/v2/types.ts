/** The values that cross the data plane, whatever the transport and the engine. */
import type { Datatype, TensorData } from './datatypes.ts';

/** A dense tensor in row-major order; `data.length` equals the product of `shape`. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** A value in V2's `parameters`. */
export type Parameter = string | number | bigint | boolean;
/** The `parameters` of a V2 request or response, by name. */
export type Parameters = Readonly<Record<string, Parameter>>;

/** An inference request; the model that it is for is named beside it. */
export interface InferRequest {
  readonly id?: string;
  readonly inputs: readonly Tensor[];
  /** Outputs that are asked for; an empty list asks for all. */
  readonly outputs: readonly RequestedOutput[];
  /** True when outputs are to be sent as raw bytes, unless they say otherwise themselves. */
  readonly binaryOutputs: boolean;
  readonly parameters?: Parameters;
}

/** An output that a request asks for, and the form that it wants it in. */
export interface RequestedOutput {
  readonly name: string;
  /** True when the output is to be sent as raw bytes after the JSON; undefined leaves it to the request. */
  readonly binary?: boolean;
  /**
   * Number of classes to send in the tensor's place (Triton's classification extension); undefined sends the tensor.
   */
  readonly classification?: number;
  /** Form of BYTES in JSON; undefined means text. */
  readonly contentType?: 'base64';
}

/** The answer to an inference request; `id` is that of the request. */
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
  /** True for an input that may be left out: the model has a value of its own for it. */
  readonly optional?: boolean;
  /** True for an output that is left out unless a request asks for it by name. */
  readonly onRequest?: boolean;
}

/** The table that a model of rows and columns takes. */
export interface TabularSignature {
  /** Number of columns; -1 when the model does not say. */
  readonly features: number;
  /** Names of the columns, where the model has them. */
  readonly columns?: readonly string[];
  /** True when `columns` has `_` for each space in a name. */
  readonly joinsWords?: boolean;
  /** Numbers of the columns that are text. */
  readonly textColumns: readonly number[];
  /** Numbers of the columns that may be text where columns come by name, and are numbers in a whole table. */
  readonly textByName?: readonly number[];
  /** Numbers of the columns that are not read, where a request by name may leave them out and have others. */
  readonly spareColumns?: readonly number[];
}

/** V2's metadata of a model without its name, which the engine does not know. */
export interface Signature {
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** The table of a model of rows and columns, whose inputs may come in other ways than `inputs` says. */
  readonly tabular?: TabularSignature;
}

/** V2's metadata of a model. */
export interface ModelMetadata extends Signature {
  readonly name: string;
}

/** Returns the number of elements of a concrete shape; [] is a scalar and has one. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
