/** The fields of Triton's ModelConfig that this runtime reads. Source: Triton, model_config.proto. */
import type { MessageType } from './text-proto.ts';

const TENSOR = { name: 'string', data_type: 'enum', dims: { repeated: 'int' } } as const;
const QUEUE_POLICY: MessageType = {
  timeout_action: 'enum',
  default_timeout_microseconds: 'int',
  allow_timeout_override: 'bool',
  max_queue_size: 'int',
};

/** Fields of a version policy; TensorFlow Serving's message has the same ones. */
export const VERSION_POLICY: MessageType = {
  latest: { message: { num_versions: 'int' } },
  all: { message: {} },
  specific: { message: { versions: { repeated: 'int' } } },
};

export const MODEL_CONFIG: MessageType = {
  name: 'string',
  platform: 'string',
  backend: 'string',
  default_model_filename: 'string',
  version_policy: { message: VERSION_POLICY },
  max_batch_size: 'int',
  input: { repeated: { message: { ...TENSOR, format: 'enum', optional: 'bool' } } },
  output: { repeated: { message: { ...TENSOR, label_filename: 'string' } } },
  instance_group: {
    repeated: {
      message: { name: 'string', count: 'int', kind: 'enum', gpus: { repeated: 'int' } },
    },
  },
  dynamic_batching: {
    message: {
      preferred_batch_size: { repeated: 'int' },
      max_queue_delay_microseconds: 'int',
      preserve_ordering: 'bool',
      priority_levels: 'int',
      default_priority_level: 'int',
      default_queue_policy: { message: QUEUE_POLICY },
      priority_queue_policy: { map: { message: QUEUE_POLICY } },
    },
  },
  model_warmup: {
    repeated: {
      message: {
        name: 'string',
        batch_size: 'int',
        count: 'int',
        inputs: {
          map: {
            message: {
              data_type: 'enum',
              dims: { repeated: 'int' },
              zero_data: 'bool',
              random_data: 'bool',
              input_data_file: 'string',
            },
          },
        },
      },
    },
  },
  response_cache: { message: { enable: 'bool' } },
  ensemble_scheduling: {
    message: {
      step: {
        repeated: {
          message: {
            model_name: 'string',
            model_version: 'int',
            input_map: { map: 'string' },
            output_map: { map: 'string' },
          },
        },
      },
    },
  },
  model_transaction_policy: { message: { decoupled: 'bool' } },
  optimization: { message: { graph: { message: { level: 'int' } }, priority: 'enum' } },
  parameters: { map: { message: { string_value: 'string' } } },
};
