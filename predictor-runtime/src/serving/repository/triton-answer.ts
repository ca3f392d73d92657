/** ModelConfig → Triton's configuration in full, as `GET /v2/models/M/config` and gRPC's ModelConfig answer it. */
import type { ModelMetadata, TensorMetadata } from '../../protocol/v2/types.ts';
import type { DeclaredTensor, EnsembleStep, ModelConfig, WarmupSample } from './model-config.ts';
import { toGraphLevel } from './triton-execution.ts';
import { toQueueMessage } from './triton-queue-policy.ts';
import { tritonType } from './triton-type.ts';
import type { VersionPolicy } from './version-policy.ts';

type Json = Record<string, unknown>;

/** Writes a configuration with every field that Triton's own answer has, in its order. */
export function toTriton(config: ModelConfig, metadata: ModelMetadata): Json {
  const { maxBatchSize, ensemble } = config;
  return {
    name: metadata.name,
    platform: metadata.platform,
    backend: ensemble === undefined ? 'onnxruntime' : '',
    runtime: '',
    version_policy: toVersionPolicy(config.versionPolicy),
    max_batch_size: maxBatchSize,
    input: metadata.inputs.map((input) => inputOf(input, config)),
    output: metadata.outputs.map((output) => outputOf(output, config)),
    batch_input: [],
    batch_output: [],
    ...(ensemble === undefined ? execution(config, metadata.name) : ensembleFields(ensemble)),
    cc_model_filenames: {},
    metric_tags: {},
    parameters: Object.fromEntries(
      Object.entries(config.parameters).map(([key, value]) => [key, { string_value: value }]),
    ),
    model_warmup: config.warmup.map(warmup),
    ...(config.responseCache && { response_cache: { enable: true } }),
  };
}

function tensorOf({ name, datatype, shape }: TensorMetadata, { maxBatchSize }: ModelConfig): Json {
  return {
    name,
    data_type: tritonType(datatype),
    // Triton leaves the batch dimension out where there is batching.
    dims: maxBatchSize > 0 ? shape.slice(1) : shape,
    is_shape_tensor: false,
    is_non_linear_format_io: false,
  };
}

function declaredOf(list: readonly DeclaredTensor[], name: string): Partial<DeclaredTensor> {
  return list.find((tensor) => tensor.name === name) ?? {};
}

function inputOf(input: TensorMetadata, config: ModelConfig): Json {
  return {
    ...tensorOf(input, config),
    format: declaredOf(config.inputs, input.name).format ?? 'FORMAT_NONE',
    allow_ragged_batch: false,
    optional: input.optional ?? false,
  };
}

function outputOf(output: TensorMetadata, config: ModelConfig): Json {
  const { labelFile = '' } = declaredOf(config.outputs, output.name);
  return { ...tensorOf(output, config), label_filename: labelFile };
}

/** Writes the fields that say how a model of its own is run. */
function execution(config: ModelConfig, name: string): Json {
  const { batch, device, graphOptimization = 'all' } = config;
  return {
    optimization: {
      ...(graphOptimization !== 'all' && { graph: { level: toGraphLevel(graphOptimization) } }),
      priority: 'PRIORITY_DEFAULT',
      input_pinned_memory: { enable: true },
      output_pinned_memory: { enable: true },
      gather_kernel_buffer_threshold: 0,
      eager_batching: false,
    },
    ...(batch && {
      dynamic_batching: {
        preferred_batch_size:
          batch.preferredRows.length > 0 ? batch.preferredRows : [batch.maxRows],
        max_queue_delay_microseconds: batch.maxDelayMs * 1000,
        preserve_ordering: batch.preservesOrder ?? false,
        ...toQueueMessage(config.queue),
      },
    }),
    instance_group: [
      {
        name,
        kind: device === 'gpu' ? 'KIND_GPU' : 'KIND_CPU',
        count: config.workers,
        gpus: device === 'gpu' ? [0] : [],
        secondary_devices: [],
        profile: [],
        passive: false,
        host_policy: '',
      },
    ],
    default_model_filename: config.file ?? 'model.onnx',
  };
}

function ensembleFields(steps: readonly EnsembleStep[]): Json {
  return {
    ensemble_scheduling: {
      step: steps.map(({ model, version = -1, inputs, outputs }) => ({
        model_name: model,
        model_version: version,
        input_map: inputs,
        output_map: outputs,
        model_namespace: '',
      })),
    },
    instance_group: [],
    default_model_filename: '',
    model_transaction_policy: { decoupled: false },
  };
}

function warmup({ name, count, batchSize, inputs }: WarmupSample): Json {
  return {
    name,
    batch_size: batchSize,
    inputs: Object.fromEntries(
      inputs.map(({ name: input, datatype, dims, data }) => [
        input,
        {
          data_type: tritonType(datatype),
          dims,
          ...(typeof data === 'object'
            ? { input_data_file: data.file }
            : { [`${data}_data`]: true }),
        },
      ]),
    ),
    count,
  };
}

function toVersionPolicy(policy: VersionPolicy): object {
  switch (policy.kind) {
    case 'all':
      return { all: {} };
    case 'latest':
      return { latest: { num_versions: policy.count } };
    case 'specific':
      return { specific: { versions: policy.versions } };
  }
}
