/** ONNX models through onnxruntime-node: the only file that knows the engine. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
// Before the engine: see there.
import './telemetry.ts';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { InferenceError } from '../errors.ts';
import { type Datatype, datatype, datatypeOfOnnx, type TensorData } from '../v2/datatypes.ts';
import type { ModelMetadata, Tensor, TensorMetadata } from '../v2/types.ts';
import { type Model, ModelLoadError } from './model.ts';

export interface OnnxOptions {
  /** Threads of one run; the container's CPU limit is a good value. */
  readonly threads: number;
}

/**
 * Loads `model.onnx`, or the only `*.onnx` file, of a folder.
 * @throws ModelLoadError when there is none, several, or ONNX Runtime refuses it.
 */
export async function loadOnnx(
  name: string,
  dir: string,
  { threads }: OnnxOptions,
): Promise<Model> {
  const path = await findModelFile(dir);
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(path, {
      intraOpNumThreads: threads,
      logSeverityLevel: 4,
    });
  } catch (error) {
    throw new ModelLoadError(`ONNX Runtime cannot load ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return new OnnxModel(metadata(name, session), session);
}

async function findModelFile(dir: string): Promise<string> {
  const entries = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    throw new ModelLoadError(`model folder ${dir} cannot be read: ${error.message}`);
  });
  const candidates = entries.filter((entry) => entry.endsWith('.onnx')).sort();
  const file = candidates.includes('model.onnx') ? 'model.onnx' : candidates[0];
  if (file === undefined) {
    const found = entries.length === 0 ? 'it is empty' : `it holds ${entries.slice(0, 10)}`;
    throw new ModelLoadError(`no .onnx file in ${dir}: ${found}`);
  }
  if (file !== 'model.onnx' && candidates.length > 1) {
    throw new ModelLoadError(
      `${candidates.length} .onnx files in ${dir} (${candidates}): name one of them model.onnx`,
    );
  }
  const path = join(dir, file);
  if ((await stat(path)).size === 0) throw new ModelLoadError(`${path} is an empty file`);
  return path;
}

function metadata(name: string, session: InferenceSession): ModelMetadata {
  return {
    name,
    platform: 'onnxruntime_onnx',
    inputs: session.inputMetadata.map(tensorMetadata),
    outputs: session.outputMetadata.map(tensorMetadata),
  };
}

function tensorMetadata(value: InferenceSession.ValueMetadata): TensorMetadata {
  const type = value.isTensor ? datatypeOfOnnx(value.type) : undefined;
  if (!value.isTensor || type === undefined) {
    const what = value.isTensor ? `element type ${value.type}` : 'a sequence or map';
    throw new ModelLoadError(
      `'${value.name}' is ${what}, which the V2 protocol cannot carry: export the model with plain tensors`,
    );
  }
  return {
    name: value.name,
    datatype: type,
    // A named or unnamed symbolic dimension is a string here; -1 says so in V2.
    shape: value.shape.map((dim) => (typeof dim === 'number' && dim >= 0 ? dim : -1)),
  };
}

class OnnxModel implements Model {
  readonly metadata: ModelMetadata;
  readonly #session: InferenceSession;

  constructor(metadata: ModelMetadata, session: InferenceSession) {
    this.metadata = metadata;
    this.#session = session;
  }

  async infer(inputs: readonly Tensor[], outputs: readonly string[]): Promise<Tensor[]> {
    const feeds: Record<string, OrtTensor> = {};
    for (const input of inputs) feeds[input.name] = toOrt(input);
    const names = outputs.length > 0 ? outputs : this.#session.outputNames;
    let results: InferenceSession.ReturnType;
    try {
      results = await this.#session.run(feeds, [...names]);
    } catch (error) {
      throw new InferenceError(
        'MODEL_FAILED',
        `model '${this.metadata.name}' failed: ${(error as Error).message}`,
        { cause: error },
      );
    }
    return names.map((name) => fromOrt(name, results[name] as OrtTensor));
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}

function toOrt(tensor: Tensor): OrtTensor {
  const type = datatype(tensor.datatype).onnx as 'float32';
  const value = new OrtTensor(type, tensor.data as Float32Array, tensor.shape as number[]);
  // onnxruntime-common wraps the bits in a Float16Array where there is one, which the native code cannot read.
  if (tensor.datatype === 'FP16') Object.defineProperty(value, 'data', { value: tensor.data });
  return value;
}

function fromOrt(name: string, tensor: OrtTensor): Tensor {
  const type = datatypeOfOnnx(tensor.type) as Datatype;
  return { name, datatype: type, shape: tensor.dims, data: elements(tensor, type) };
}

function elements({ data }: OrtTensor, type: Datatype): TensorData {
  if (type !== 'FP16' || data instanceof Uint16Array) return data as TensorData;
  const { buffer, byteOffset, length } = data as Float32Array;
  return new Uint16Array(buffer, byteOffset, length);
}
