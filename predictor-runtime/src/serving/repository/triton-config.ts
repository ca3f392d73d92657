/** Triton's `config.pbtxt`, and the same as JSON (its repository API) → ModelConfig. */
import { DATATYPES, type Datatype, isDatatype } from '../../protocol/v2/datatypes.ts';
import { readJsonProto } from './json-proto.ts';
import type { DeclaredTensor, EnsembleStep, ModelConfig, WarmupSample } from './model-config.ts';
import { parseTextProto } from './text-proto.ts';
import {
  executionOf,
  type InstanceGroupMessage,
  type ParameterMessages,
} from './triton-execution.ts';
import { checkOrder, type QueueMessage, queuePolicyOf } from './triton-queue-policy.ts';
import { MODEL_CONFIG } from './triton-schema.ts';
import { tritonType } from './triton-type.ts';
import { type PolicyMessage, policyOf } from './version-policy.ts';

interface TritonTensor {
  name?: string;
  data_type?: string;
  dims?: number[];
  label_filename?: string;
  format?: string;
  optional?: boolean;
}

interface TritonConfig {
  name?: string;
  platform?: string;
  backend?: string;
  default_model_filename?: string;
  version_policy?: PolicyMessage;
  max_batch_size?: number;
  input?: TritonTensor[];
  output?: TritonTensor[];
  instance_group?: InstanceGroupMessage[];
  dynamic_batching?: {
    preferred_batch_size?: number[];
    max_queue_delay_microseconds?: number;
    preserve_ordering?: boolean;
  } & QueueMessage;
  model_warmup?: {
    name?: string;
    batch_size?: number;
    count?: number;
    inputs?: Record<
      string,
      { data_type?: string; dims?: number[]; random_data?: boolean; input_data_file?: string }
    >;
  }[];
  response_cache?: { enable?: boolean };
  ensemble_scheduling?: {
    step?: {
      model_name?: string;
      model_version?: number;
      input_map?: Record<string, string>;
      output_map?: Record<string, string>;
    }[];
  };
  model_transaction_policy?: { decoupled?: boolean };
  optimization?: { graph?: { level?: number } };
  parameters?: ParameterMessages;
}

const BACKENDS = new Set(['onnxruntime', 'onnxruntime_onnx', 'ensemble', undefined, '']);

/** Reads Triton's `config.pbtxt` over the defaults. @throws SyntaxError with the line or field. */
export function parseTritonConfig(text: string, defaults: ModelConfig): ModelConfig {
  return fromTriton(parseTextProto(text, MODEL_CONFIG), defaults);
}

/**
 * Reads a configuration in JSON, as Triton's repository API takes it, over the defaults.
 * @throws SyntaxError with the field.
 */
export function parseTritonJson(text: string, defaults: ModelConfig): ModelConfig {
  return fromTriton(readJsonProto(JSON.parse(text), MODEL_CONFIG), defaults);
}

function fromTriton(config: TritonConfig, defaults: ModelConfig): ModelConfig {
  for (const kind of ['platform', 'backend'] as const) {
    if (!BACKENDS.has(config[kind])) {
      throw new SyntaxError(
        `${kind}: '${config[kind]}' is not supported, use onnxruntime or ensemble`,
      );
    }
  }
  if (config.model_transaction_policy?.decoupled) {
    throw new SyntaxError('model_transaction_policy: decoupled models are not supported');
  }
  const maxBatchSize = config.max_batch_size ?? defaults.maxBatchSize;
  if (maxBatchSize < 0)
    throw new SyntaxError(`max_batch_size: expected 0 or more, got ${maxBatchSize}`);
  const batching = config.dynamic_batching;
  if (batching !== undefined && maxBatchSize === 0) {
    throw new SyntaxError('dynamic_batching: needs a max_batch_size above 0');
  }
  const queue = queuePolicyOf(batching, defaults.queue);
  checkOrder(queue, batching?.preserve_ordering ?? false);
  return {
    ...defaults,
    ...executionOf(config, defaults),
    name: config.name || undefined,
    file: config.default_model_filename || undefined,
    versionPolicy: policyOf(config.version_policy) ?? defaults.versionPolicy,
    maxBatchSize,
    isUnbatched: maxBatchSize === 0 && saysBatch(config),
    batch: batching && {
      maxRows: maxBatchSize,
      preferredRows: preferredRows(batching.preferred_batch_size, maxBatchSize),
      maxDelayMs: (batching.max_queue_delay_microseconds ?? 0) / 1000,
      preservesOrder: batching.preserve_ordering ?? false,
    },
    queue,
    inputs: (config.input ?? []).map((tensor, i) => declared(tensor, `input[${i}]`)),
    outputs: (config.output ?? []).map((tensor, i) => declared(tensor, `output[${i}]`)),
    warmup: (config.model_warmup ?? []).map(warmupSample),
    responseCache: config.response_cache?.enable ?? defaults.responseCache,
    ensemble: config.ensemble_scheduling && ensembleSteps(config.ensemble_scheduling.step ?? []),
  };
}

/** True when a configuration says whether there is a batch: by its number, or by dimensions, which leave it out. */
function saysBatch({ max_batch_size: size, input = [], output = [] }: TritonConfig): boolean {
  return size !== undefined || [...input, ...output].some(({ dims }) => dims !== undefined);
}

/** Returns the preferred sizes; the largest size alone is no preference, and what Triton tells where there is none. */
function preferredRows(sizes: readonly number[] = [], largest: number): readonly number[] {
  const wrong = sizes.find((size) => size < 1 || size > largest);
  if (wrong !== undefined) {
    throw new SyntaxError(
      `dynamic_batching.preferred_batch_size: expected 1 to max_batch_size, which is ${largest}, got ${wrong}`,
    );
  }
  return sizes.length === 1 && sizes[0] === largest ? [] : sizes;
}

function declared(tensor: TritonTensor, path: string): DeclaredTensor {
  if (!tensor.name) throw new SyntaxError(`${path}: has no name`);
  return {
    name: tensor.name,
    datatype: tensor.data_type === undefined ? undefined : fromTritonType(tensor.data_type, path),
    dims: tensor.dims,
    labelFile: tensor.label_filename || undefined,
    format: tensor.format,
    optional: tensor.optional || undefined,
  };
}

function warmupSample(
  sample: NonNullable<TritonConfig['model_warmup']>[number],
  index: number,
): WarmupSample {
  const path = `model_warmup[${index}]`;
  return {
    name: sample.name ?? path,
    count: sample.count || 1,
    batchSize: sample.batch_size ?? 0,
    inputs: Object.entries(sample.inputs ?? {}).map(([name, input]) => ({
      name,
      datatype: fromTritonType(input.data_type ?? '', `${path}.inputs.${name}`),
      dims: input.dims ?? [],
      data: input.input_data_file
        ? { file: input.input_data_file }
        : input.random_data
          ? 'random'
          : 'zero',
    })),
  };
}

function ensembleSteps(
  steps: NonNullable<NonNullable<TritonConfig['ensemble_scheduling']>['step']>,
): EnsembleStep[] {
  if (steps.length === 0) throw new SyntaxError('ensemble_scheduling: has no step');
  return steps.map((step, i) => {
    if (!step.model_name)
      throw new SyntaxError(`ensemble_scheduling.step[${i}]: has no model_name`);
    const version = step.model_version ?? -1;
    return {
      model: step.model_name,
      version: version < 0 ? undefined : version,
      inputs: step.input_map ?? {},
      outputs: step.output_map ?? {},
    };
  });
}

/** Translates Triton's name of a datatype, which is V2's with a prefix, but for strings. @throws SyntaxError. */
function fromTritonType(type: string, path: string): Datatype {
  const name = type === 'TYPE_STRING' ? 'BYTES' : type.replace(/^TYPE_/, '');
  if (!type.startsWith('TYPE_') || !isDatatype(name)) {
    const known = Object.keys(DATATYPES).map((known) => tritonType(known as Datatype));
    throw new SyntaxError(`${path}.data_type: '${type}' is not one of ${known.join(', ')}`);
  }
  return name;
}
