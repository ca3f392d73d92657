/** The same models for a real Triton, in Python, and for this server, as ONNX or JavaScript. */
import { RepositoryFolder } from '../repository-folder.ts';

/** One model of both servers. */
interface ComparedModel {
  /** What this server has in the model's folder: a folder of the tests' models, or JavaScript. */
  readonly here: { readonly model: string } | { readonly code: string };
  /** The body of Python's `execute` for one request: `x` has its inputs, the value its outputs. */
  readonly python: string;
  /** The configuration that both read, but for the backend. */
  readonly config: string;
  readonly labels?: string;
}

const INT32 = (names: readonly string[], dims = '[-1, 4]') =>
  names.map((name) => `{ name: "${name}" data_type: TYPE_INT32 dims: ${dims} }`).join(', ');
const ADD = {
  here: { model: 'add_two' },
  python: '{"sum": x["a"] + x["b"], "diff": x["a"] - x["b"]}',
};
const ADD_CONFIG = `input [ ${INT32(['a', 'b'])} ] output [ ${INT32(['sum', 'diff'])} ]`;
const ADD_ROWS = `input [ ${INT32(['a', 'b'], '[4]')} ] output [ ${INT32(['sum', 'diff'], '[4]')} ]`;

export const DATATYPES = [
  'FP32',
  'FP64',
  'FP16',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'BOOL',
  'BYTES',
];
const TENSORS = (way: string) =>
  DATATYPES.map((type) => {
    const name = type === 'BYTES' ? 'STRING' : type;
    return `{ name: "${way}_${type}" data_type: TYPE_${name} dims: [-1, 2] }`;
  }).join(', ');

/** Answers its input after as many milliseconds. */
const SLEEPER = {
  here: {
    code: `const tensor = { name: 'ms', datatype: 'INT32', shape: [-1, 1] };
export const inputs = [tensor];
export const outputs = [{ ...tensor, name: 'slept' }];
export async function infer({ ms }) {
  await new Promise((resolve) => setTimeout(resolve, ms.data[0]));
  return { slept: ms };
}`,
  },
  python: '(time.sleep(int(x["ms"].flat[0]) / 1000), {"slept": x["ms"]})[1]',
};
const SLEEPER_CONFIG = (batching: string) =>
  `max_batch_size: 1 input [ ${INT32(['ms'], '[1]')} ] output [ ${INT32(['slept'], '[1]')} ] dynamic_batching { ${batching} }`;

const ENSEMBLE = (model: string) => `platform: "ensemble"
  input [ ${INT32(['x'])} ] output [ ${INT32(['y'])} ]
  ensemble_scheduling { step { model_name: "${model}" model_version: -1
    input_map { key: "a" value: "x" } input_map { key: "b" value: "x" } output_map { key: "sum" value: "y" } } }`;

const MODELS: Readonly<Record<string, ComparedModel>> = {
  add: { ...ADD, config: ADD_CONFIG },
  rows: {
    ...ADD,
    config: `max_batch_size: 4 ${ADD_ROWS.replace('name: "sum"', 'name: "sum" label_filename: "labels.txt"')}`,
    labels: 'one\ntwo\nthree\n',
  },
  batched: {
    ...ADD,
    config: `max_batch_size: 8 ${ADD_ROWS} dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 100 }`,
  },
  loaded: { ...ADD, config: ADD_CONFIG },
  step: { ...ADD, config: ADD_CONFIG },
  types: {
    here: { model: 'dtypes_identity' },
    python: '{name.replace("in_", "out_"): value for name, value in x.items()}',
    config: `input [ ${TENSORS('in')} ] output [ ${TENSORS('out')} ]`,
  },
  reject: {
    ...SLEEPER,
    config: SLEEPER_CONFIG(
      'default_queue_policy { default_timeout_microseconds: 100000 allow_timeout_override: true }',
    ),
  },
  delay: {
    ...SLEEPER,
    config: SLEEPER_CONFIG(
      'default_queue_policy { default_timeout_microseconds: 50000 timeout_action: DELAY }',
    ),
  },
  short: { ...SLEEPER, config: SLEEPER_CONFIG('default_queue_policy { max_queue_size: 1 }') },
  levels: {
    ...SLEEPER,
    config: SLEEPER_CONFIG(
      'priority_levels: 2 default_priority_level: 2 priority_queue_policy { key: 1 value { default_timeout_microseconds: 100000 } }',
    ),
  },
};
const ENSEMBLES = { ensemble: ENSEMBLE('step'), orphan: ENSEMBLE('nowhere') };

const PYTHON = (execute: string) => `import time
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            outputs = ${execute}
            answers.append(pb.InferenceResponse([pb.Tensor(k, v) for k, v in outputs.items()]))
        return answers
`;

/** Both servers' repositories. */
export interface Repositories extends Disposable {
  readonly triton: string;
  readonly wherry: string;
}

/** Writes the models for each of the servers. */
export function writeRepositories(): Repositories {
  const triton = new RepositoryFolder({});
  const wherry = new RepositoryFolder({});
  for (const [name, { here, python, config, labels }] of Object.entries(MODELS)) {
    triton.put(`${name}/1/model.py`, PYTHON(python));
    triton.put(`${name}/config.pbtxt`, `backend: "python" ${config}`);
    if ('model' in here) wherry.put(`${name}/1`, here);
    else wherry.put(`${name}/1/model.mjs`, here.code);
    wherry.put(`${name}/config.pbtxt`, config);
    if (labels === undefined) continue;
    for (const repository of [triton, wherry]) repository.put(`${name}/labels.txt`, labels);
  }
  for (const [name, config] of Object.entries(ENSEMBLES)) {
    triton.put(`${name}/1/keep`, '');
    for (const repository of [triton, wherry]) repository.put(`${name}/config.pbtxt`, config);
  }
  return {
    triton: triton.dir,
    wherry: wherry.dir,
    [Symbol.dispose]() {
      triton[Symbol.dispose]();
      wherry[Symbol.dispose]();
    },
  };
}

/** The models that both servers load at the start. */
export const LOADED = Object.keys(MODELS).filter((name) => !['loaded', 'step'].includes(name));
