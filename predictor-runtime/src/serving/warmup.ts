/**
 * The requests that a model answers before it serves: `warmup/*.json` in its folder, each a V2 inference request, and
 * the samples of Triton's `model_warmup`.
 */

import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ModelLoadError } from '../protocol/errors.ts';
import { decodeElements } from '../protocol/v2/binary.ts';
import { allocate, datatype, type TensorData } from '../protocol/v2/datatypes.ts';
import { decodeInferRequest } from '../protocol/v2/json.ts';
import { elementCount, type ModelMetadata, type Tensor } from '../protocol/v2/types.ts';
import type { ModelConfig, WarmupSample } from './repository/model-config.ts';

/** A request that is run before the model serves. */
export interface WarmupRequest {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
}

interface WarmupOptions {
  readonly modelDir: string;
  readonly config: ModelConfig;
  readonly metadata: ModelMetadata;
}

const FOLDER = 'warmup';

/** Reads the requests of a model. @throws ModelLoadError that names the file or sample. */
export async function warmupRequests(options: WarmupOptions): Promise<WarmupRequest[]> {
  const { modelDir, config, metadata } = options;
  const outputs = metadata.outputs.map(({ name }) => name);
  const dir = join(modelDir, FOLDER);
  const files = await readdir(dir).catch(() => []);
  const requests: WarmupRequest[] = [];
  for (const file of files.filter((name) => name.endsWith('.json')).sort()) {
    const path = join(dir, file);
    try {
      const { inputs } = decodeInferRequest(await readFile(path));
      requests.push({ name: file, inputs, outputs });
    } catch (error) {
      throw new ModelLoadError(`${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  for (const sample of config.warmup) {
    const inputs: Tensor[] = [];
    for (const input of sample.inputs) inputs.push(await sampleInput(input, sample, options));
    for (let i = 0; i < sample.count; i++) requests.push({ name: sample.name, inputs, outputs });
  }
  return requests;
}

async function sampleInput(
  { name, datatype: type, dims, data }: WarmupSample['inputs'][number],
  { batchSize }: WarmupSample,
  { modelDir, config }: WarmupOptions,
): Promise<Tensor> {
  const shape = config.maxBatchSize > 0 ? [Math.max(1, batchSize), ...dims] : [...dims];
  const count = elementCount(shape);
  if (typeof data === 'object') {
    // Only the bare name is taken, so that it cannot point out of the folder.
    const path = join(modelDir, FOLDER, basename(data.file));
    const bytes = await readFile(path).catch((error: Error) => {
      throw new ModelLoadError(`model_warmup input '${name}': ${error.message}`);
    });
    return { name, datatype: type, shape, data: decodeElements(type, shape, bytes, path) };
  }
  const zeros = allocate(type, count);
  return { name, datatype: type, shape, data: data === 'random' ? randomized(zeros, type) : zeros };
}

function randomized(data: TensorData, type: Tensor['datatype']): TensorData {
  const { kind } = datatype(type);
  if (kind !== 'float') return data;
  return (data as Float32Array).map(() => Math.random());
}
