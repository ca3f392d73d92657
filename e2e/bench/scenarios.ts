/** What is measured under load, as a table: requests, and the servers that are asked. */
import {
  FLOWER,
  IRIS_JOBLIB,
  IRIS_ONNX,
  inferPath,
  rows,
  serving,
  xgboostModel,
} from './own-models.ts';
import { bentoml, kserve, mlserver, torchserve, triton } from './peers.ts';
import { CONNECTIONS, type Contender, type Scenario } from './scenario.ts';
import { TENSOR_SCENARIOS } from './tensor-scenarios.ts';

const IRIS_ROW = { path: inferPath('iris'), body: rows('X', 1, FLOWER) };
const IRIS_GRPC = {
  path: '',
  body: Buffer.from(Float32Array.from(FLOWER).buffer),
  grpc: { model: 'iris', input: 'X', datatype: 'FP32', shape: [1, FLOWER.length] },
};
const IRIS = async () => serving('iris', IRIS_ONNX, '--threads=1');
const TRITON_IRIS = () =>
  triton({
    ...{ name: 'iris', file: IRIS_ONNX, threads: 1 },
    config: `max_batch_size: 64 dynamic_batching { }
input [ { name: "X" data_type: TYPE_FP32 dims: [4] } ]
output [
  { name: "label" data_type: TYPE_INT64 dims: [1] reshape { shape: [] } },
  { name: "probabilities" data_type: TYPE_FP32 dims: [3] }
]`,
  });
const TRITON_ROWS = () =>
  triton({
    ...{ name: 'iris', file: IRIS_JOBLIB, threads: 1 },
    config: `max_batch_size: 0
input [ { name: "x" data_type: TYPE_FP32 dims: [-1, 4] } ]
output [ { name: "predict" data_type: TYPE_INT64 dims: [-1, 1] } ]`,
  });

/** Our server, KServe's and MLServer's with one model of scikit-learn. */
function irisPeers(body: Buffer): Contender[] {
  const model = { name: 'iris', format: 'sklearn', file: IRIS_JOBLIB } as const;
  const request = { path: inferPath('iris'), body };
  return [
    { name: 'Wherry', launch: async () => serving('iris', IRIS_JOBLIB), ...request },
    { name: 'KServe', launch: () => kserve(model), ...request },
    { name: 'MLServer', launch: () => mlserver(model), ...request },
  ];
}

/** Our server, KServe's and MLServer's with one model of XGBoost. */
function treePeers(count: number): Contender[] {
  const features = Array.from({ length: 30 }, (_, i) => Math.round(Math.sin(i) * 2000) / 1000);
  const request = { path: inferPath('trees'), body: rows('x', count, features) };
  const model = async () =>
    ({ name: 'trees', format: 'xgboost', file: await xgboostModel() }) as const;
  const own = async () => serving('trees', await xgboostModel(), '--executor=inline');
  return [
    { name: 'Wherry', launch: own, ...request },
    { name: 'KServe', launch: async () => kserve(await model()), ...request },
    { name: 'MLServer', launch: async () => mlserver(await model()), ...request },
  ];
}

const ONE_ROW = rows('x', 1, FLOWER);
const MANY_ROWS = rows('x', 10_000, FLOWER);

export const SCENARIOS: readonly Scenario[] = [
  {
    ...{ key: 'iris', title: 'iris, 1 row, V2 JSON (ONNX)', connections: CONNECTIONS, floor: true },
    contenders: [
      { name: 'Wherry', launch: IRIS, ...IRIS_ROW },
      { name: 'Triton', launch: TRITON_IRIS, ...IRIS_ROW },
      {
        ...{ name: 'TorchServe', launch: () => torchserve(IRIS_ONNX) },
        ...{ path: '/predictions/iris', body: IRIS_ROW.body },
      },
    ],
  },
  {
    ...{ key: 'iris-steady', title: 'iris, 1 row, V2 JSON, at 70 % of the highest rate' },
    ...{ connections: 64, share: 0.7 },
    contenders: [{ name: 'Wherry', launch: IRIS, ...IRIS_ROW }],
  },
  {
    ...{ key: 'iris-grpc', title: 'iris, 1 row, gRPC (ONNX)', connections: CONNECTIONS },
    contenders: [
      { name: 'Wherry', launch: IRIS, ...IRIS_GRPC },
      { name: 'Triton', launch: TRITON_IRIS, ...IRIS_GRPC },
    ],
  },
  {
    ...{ key: 'iris-peers', title: 'iris, 1 row, V2 JSON (scikit-learn)' },
    connections: CONNECTIONS,
    contenders: [
      ...irisPeers(ONE_ROW),
      { name: 'BentoML', launch: () => bentoml(IRIS_JOBLIB), path: '/infer', body: ONE_ROW },
    ],
  },
  {
    ...{ key: 'trees-1', title: 'XGBoost, 300 trees, 1 row, V2 JSON', connections: CONNECTIONS },
    contenders: treePeers(1),
  },
  {
    ...{ key: 'trees-1000', title: 'XGBoost, 300 trees, 1,000 rows, V2 JSON', connections: 4 },
    contenders: treePeers(1000),
  },
  {
    ...{ key: 'rows', title: '10,000 rows of iris in and out, V2 JSON', connections: 4 },
    contenders: [
      ...irisPeers(MANY_ROWS),
      { name: 'Triton', launch: TRITON_ROWS, path: inferPath('iris'), body: MANY_ROWS },
    ],
  },
  ...TENSOR_SCENARIOS,
];
