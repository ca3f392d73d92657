/** The fields of Triton's ModelConfig, and which of them this runtime obeys. Source: Triton, model_config.proto. */
import type { FieldType, MessageType } from './proto-schema.ts';

const DATA_TYPE: FieldType = {
  enum: [
    'TYPE_INVALID',
    'TYPE_BOOL',
    'TYPE_UINT8',
    'TYPE_UINT16',
    'TYPE_UINT32',
    'TYPE_UINT64',
    'TYPE_INT8',
    'TYPE_INT16',
    'TYPE_INT32',
    'TYPE_INT64',
    'TYPE_FP16',
    'TYPE_FP32',
    'TYPE_FP64',
    'TYPE_STRING',
    'TYPE_BF16',
  ],
};
const INTS: FieldType = { repeated: 'int' };
const TENSOR: MessageType = {
  name: 'string',
  data_type: DATA_TYPE,
  dims: INTS,
  reshape: { unsupported: "declare the model's own shape" },
  is_shape_tensor: { idle: 'bool' },
  is_non_linear_format_io: { idle: 'bool' },
};
const QUEUE_POLICY: MessageType = {
  timeout_action: { enum: ['REJECT', 'DELAY'] },
  default_timeout_microseconds: 'int',
  allow_timeout_override: 'bool',
  max_queue_size: 'int',
};

/** Fields of a version policy; TensorFlow Serving's message has the same ones. */
export const VERSION_POLICY: MessageType = {
  latest: { message: { num_versions: 'int' } },
  all: { message: {} },
  specific: { message: { versions: INTS } },
};

const INSTANCE_GROUP: MessageType = {
  name: 'string',
  count: 'int',
  kind: { enum: ['KIND_AUTO', 'KIND_GPU', 'KIND_CPU', 'KIND_MODEL'] },
  gpus: INTS,
  rate_limiter: { unsupported: 'bound the runs by count and --concurrency' },
  secondary_devices: { idle: { repeated: { message: {} } } },
  profile: { idle: { repeated: 'string' } },
  passive: { idle: 'bool' },
  host_policy: { idle: 'string' },
};

const DYNAMIC_BATCHING: MessageType = {
  preferred_batch_size: INTS,
  max_queue_delay_microseconds: 'int',
  preserve_ordering: 'bool',
  priority_levels: 'int',
  default_priority_level: 'int',
  default_queue_policy: { message: QUEUE_POLICY },
  priority_queue_policy: { map: { message: QUEUE_POLICY } },
};

const WARMUP_INPUT: MessageType = {
  data_type: DATA_TYPE,
  dims: INTS,
  zero_data: 'bool',
  random_data: 'bool',
  input_data_file: 'string',
};

/** Memory that is pinned for copies to a GPU. ONNX Runtime decides that by itself: either value is as good. */
const PINNED_MEMORY: FieldType = { message: { enable: 'bool' } };

const OPTIMIZATION: MessageType = {
  graph: { message: { level: 'int' } },
  priority: { idle: { enum: ['PRIORITY_DEFAULT', 'PRIORITY_MAX', 'PRIORITY_MIN'] } },
  cuda: {
    idle: {
      message: {
        graphs: 'bool',
        busy_wait_events: 'bool',
        output_copy_stream: 'bool',
        graph_spec: { repeated: { message: {} } },
      },
    },
  },
  execution_accelerators: { unsupported: 'start the server with --execution_providers' },
  input_pinned_memory: PINNED_MEMORY,
  output_pinned_memory: PINNED_MEMORY,
  gather_kernel_buffer_threshold: { idle: 'int' },
  eager_batching: { idle: 'bool' },
};

const ENSEMBLE_STEP: MessageType = {
  model_name: 'string',
  model_version: 'int',
  input_map: { map: 'string' },
  output_map: { map: 'string' },
  model_namespace: { idle: 'string' },
};

export const MODEL_CONFIG: MessageType = {
  name: 'string',
  platform: 'string',
  backend: 'string',
  runtime: { idle: 'string' },
  default_model_filename: 'string',
  cc_model_filenames: { idle: { map: 'string' } },
  version_policy: { message: VERSION_POLICY },
  max_batch_size: 'int',
  input: {
    repeated: {
      message: {
        ...TENSOR,
        // What an image's dimensions mean is between its caller and the model.
        format: { enum: ['FORMAT_NONE', 'FORMAT_NHWC', 'FORMAT_NCHW'] },
        optional: 'bool',
        allow_ragged_batch: { idle: 'bool' },
      },
    },
  },
  output: { repeated: { message: { ...TENSOR, label_filename: 'string' } } },
  batch_input: { idle: { repeated: { message: {} } } },
  batch_output: { idle: { repeated: { message: {} } } },
  instance_group: { repeated: { message: INSTANCE_GROUP } },
  dynamic_batching: { message: DYNAMIC_BATCHING },
  sequence_batching: { unsupported: 'keep the state of a sequence in the client' },
  ensemble_scheduling: {
    message: {
      step: { repeated: { message: ENSEMBLE_STEP } },
      max_inflight_requests: { idle: 'int' },
    },
  },
  model_warmup: {
    repeated: {
      message: {
        name: 'string',
        batch_size: 'int',
        count: 'int',
        inputs: { map: { message: WARMUP_INPUT } },
      },
    },
  },
  response_cache: { message: { enable: 'bool' } },
  model_transaction_policy: { message: { decoupled: 'bool' } },
  optimization: { message: OPTIMIZATION },
  parameters: { map: { message: { string_value: 'string' } } },
  metric_tags: { idle: { map: 'string' } },
  model_metrics: { idle: { message: { metric_control: { repeated: { message: {} } } } } },
  model_operations: { idle: { message: { op_library_filename: { repeated: 'string' } } } },
  model_repository_agents: {
    unsupported: 'the files of models are checked and unpacked as they are downloaded',
  },
};
