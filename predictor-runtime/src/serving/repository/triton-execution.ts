/** The part of Triton's configuration that says how ONNX Runtime runs a model: instances, optimisation, parameters. */
import type { GraphOptimization } from '../../engine/onnx/graph-optimization.ts';
import { MAX_WORKERS, type ModelConfig } from './model-config.ts';
import { unsupported } from './proto-schema.ts';

/** The message ModelInstanceGroup. */
export interface InstanceGroupMessage {
  count?: number;
  kind?: string;
  gpus?: number[];
}

/** The map `parameters`. */
export type ParameterMessages = Record<string, { string_value?: string }>;

interface ExecutionMessage {
  instance_group?: InstanceGroupMessage[];
  optimization?: { graph?: { level?: number } };
  parameters?: ParameterMessages;
}

type Execution = Pick<
  ModelConfig,
  'workers' | 'device' | 'graphOptimization' | 'threads' | 'parameters'
>;

/** Reads how a model is to be run over the defaults. @throws SyntaxError with the field. */
export function executionOf(message: ExecutionMessage, defaults: ModelConfig): Execution {
  const groups = message.instance_group ?? [];
  const parameters = Object.fromEntries(
    Object.entries(message.parameters ?? {}).map(([key, { string_value = '' }]) => [
      key,
      string_value,
    ]),
  );
  return {
    workers: workersOf(groups) || defaults.workers,
    device: deviceOf(groups),
    graphOptimization: graphOptimizationOf(message.optimization?.graph?.level ?? 0),
    threads: threadsOf(parameters) ?? defaults.threads,
    parameters,
  };
}

function workersOf(groups: readonly InstanceGroupMessage[]): number {
  const workers = groups.reduce((sum, { count = 1 }, i) => {
    if (count < 0) {
      throw new SyntaxError(`instance_group[${i}].count: expected 0 or more, got ${count}`);
    }
    return sum + Math.max(1, count);
  }, 0);
  if (workers <= MAX_WORKERS) return workers;
  throw new SyntaxError(
    `instance_group: expected at most ${MAX_WORKERS} instances, got ${workers}`,
  );
}

/** Returns the device that the groups ask for; undefined when they leave it to the server. */
function deviceOf(groups: readonly InstanceGroupMessage[]): ModelConfig['device'] {
  const devices = groups.map(({ kind = 'KIND_AUTO', gpus = [] }, i) => {
    const path = `instance_group[${i}].gpus`;
    if (gpus.some((gpu) => gpu !== 0)) {
      throw new SyntaxError(
        unsupported(path, `a server has one GPU, 0: give it the other with CUDA_VISIBLE_DEVICES`),
      );
    }
    if (kind === 'KIND_CPU' && gpus.length > 0) throw new SyntaxError(`${path}: is for KIND_GPU`);
    if (kind === 'KIND_CPU') return 'cpu';
    return kind === 'KIND_GPU' || gpus.length > 0 ? 'gpu' : undefined;
  });
  const kinds = new Set(devices);
  if (kinds.size > 1) throw new SyntaxError('instance_group: all groups need the same kind');
  return devices[0];
}

/** Triton's numbers of the levels of a graph's optimisation. Source: Triton's ONNX Runtime backend. */
const LEVELS: readonly (readonly [level: number, GraphOptimization])[] = [
  [-1, 'basic'],
  [0, 'all'],
  [1, 'extended'],
  [2, 'off'],
];

function graphOptimizationOf(level: number): GraphOptimization {
  const [, found] = LEVELS.find(([number]) => number === level) ?? [];
  if (found !== undefined) return found;
  throw new SyntaxError(`optimization.graph.level: expected -1, 0, 1 or 2, got ${level}`);
}

/** Returns Triton's number of a level. */
export function toGraphLevel(optimization: GraphOptimization): number | undefined {
  return LEVELS.find(([, name]) => name === optimization)?.[0];
}

const THREADS = 'intra_op_thread_count';

/** Parameters of Triton's ONNX Runtime backend that cannot be obeyed: name → the values that ask for nothing. */
const IDLE_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  inter_op_thread_count: ['0', '1'],
  execution_mode: ['0'],
  enable_mem_arena: ['1'],
  enable_mem_pattern: ['1'],
  'memory.enable_memory_arena_shrinkage': [''],
  'session.use_device_allocator_for_initializers': ['0'],
  cudnn_conv_algo_search: [],
  cudnn_conv_use_max_workspace: [],
  gpu_mem_limit: [],
  arena_extend_strategy: [],
  do_copy_in_default_stream: ['1'],
};

function threadsOf(parameters: Readonly<Record<string, string>>): number | undefined {
  for (const [name, idle] of Object.entries(IDLE_PARAMETERS)) {
    const value = parameters[name];
    if (value === undefined || idle.includes(value)) continue;
    throw new SyntaxError(
      unsupported(`parameters.${name}`, `'${value}' has no effect, leave it out`),
    );
  }
  const { [THREADS]: text = '0' } = parameters;
  const threads = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(threads)) {
    throw new SyntaxError(`parameters.${THREADS}: expected a whole number, got '${text}'`);
  }
  return threads || undefined;
}
