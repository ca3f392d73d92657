/** What is measured: requests, and the servers that are asked. */
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../harness/cluster.ts';
import { CACHE, pythonWith } from '../harness/python.ts';
import { run } from '../harness/shell.ts';
import { bentoml, kserve, mlserver, XGBOOST } from './peers.ts';
import { type Launch, modelFolder, wherry } from './servers.ts';

export interface Contender {
  readonly name: string;
  readonly launch: Launch;
  readonly path: string;
  readonly body: Buffer;
  readonly headers?: readonly string[];
  /** Asked over gRPC instead: model, input, datatype and shape of the raw tensor in `body`. */
  readonly grpc?: readonly string[];
}

export interface Scenario {
  readonly key: string;
  readonly title: string;
  readonly connections: number;
  /** Gets an echo of the first one's answer beside it. */
  readonly floor: boolean;
  readonly contenders: readonly Contender[];
}

const fixture = (path: string) => join(ROOT, 'predictor-runtime/test/models', path);
export const IMAGE_MODEL = join(ROOT, 'e2e/bench/models/image_nchw/model.onnx');
/** Made by models/slow_mlp.py. */
export const SLOW_MODEL = join(ROOT, 'e2e/bench/models/slow_mlp/model.onnx');
export const CPUS = availableParallelism();
const FLOWER = [6.8, 2.8, 4.8, 1.4];

/** Rows of a feature matrix as a V2 request; numbers as a client that has float32 writes them. */
function rows(name: string, count: number, row: readonly number[]): Buffer {
  const data = Array.from({ length: count }, () => row).flat();
  const inputs = [{ name, datatype: 'FP32', shape: [count, row.length], data }];
  return Buffer.from(JSON.stringify({ inputs }));
}

/** Our server with one model, of a folder that holds nothing else. */
function serving(name: string, file: string, ...flags: readonly string[]): Launch {
  const dir = modelFolder({});
  cpSync(file, join(dir, file.slice(file.lastIndexOf('/') + 1)));
  return wherry(`--model_name=${name}`, `--model_dir=${dir}`, ...flags);
}

/** Trained once, with XGBoost itself. */
export async function xgboostModel(): Promise<string> {
  const file = join(CACHE, 'bench-xgboost-300.ubj');
  if (existsSync(file)) return file;
  mkdirSync(CACHE, { recursive: true });
  const script = join(ROOT, 'e2e/bench/peers/xgboost_model.py');
  await run(await pythonWith(XGBOOST), [script, 'train', file]);
  return file;
}

export async function scenarios(): Promise<Scenario[]> {
  const iris = {
    name: 'iris',
    format: 'sklearn',
    file: fixture('sklearn_iris_logreg/model.joblib'),
  } as const;
  const trees = { name: 'trees', format: 'xgboost', file: await xgboostModel() } as const;
  const path = (name: string) => `/v2/models/${name}/infer`;
  const peers = async (model: typeof iris | typeof trees, body: Buffer): Promise<Contender[]> => [
    { name: 'KServe', launch: await kserve(model), path: path(model.name), body },
    { name: 'MLServer', launch: await mlserver(model), path: path(model.name), body },
  ];
  const features = Array.from({ length: 30 }, (_, i) => Math.round(Math.sin(i) * 2000) / 1000);
  const one = rows('x', 1, FLOWER);
  const many = rows('x', 10_000, FLOWER);
  const own = (model: typeof iris | typeof trees, body: Buffer, ...flags: string[]) => ({
    name: 'Wherry',
    launch: serving(model.name, model.file, ...flags),
    path: path(model.name),
    body,
  });
  const onnx = join(ROOT, 'predictor-runtime/models/iris/model.onnx');
  return [
    {
      ...{ key: 'iris', title: 'iris, 1 row, V2 JSON (ONNX)', connections: 16, floor: true },
      contenders: [
        {
          name: 'Wherry',
          launch: serving('iris', onnx, '--threads=1'),
          path: path('iris'),
          body: rows('X', 1, FLOWER),
        },
      ],
    },
    {
      ...{
        key: 'iris-peers',
        title: 'iris, 1 row, V2 JSON (scikit-learn)',
        connections: 16,
        floor: false,
      },
      contenders: [
        own(iris, one),
        ...(await peers(iris, one)),
        { name: 'BentoML', launch: await bentoml(iris.file), path: '/infer', body: one },
      ],
    },
    {
      ...{
        key: 'trees-1',
        title: 'XGBoost, 300 trees, 1 row, V2 JSON',
        connections: 16,
        floor: false,
      },
      contenders: [
        own(trees, rows('x', 1, features), '--executor=inline'),
        ...(await peers(trees, rows('x', 1, features))),
      ],
    },
    {
      ...{
        key: 'trees-1000',
        title: 'XGBoost, 300 trees, 1,000 rows, V2 JSON',
        connections: 4,
        floor: false,
      },
      contenders: [
        own(trees, rows('x', 1000, features), '--executor=inline'),
        ...(await peers(trees, rows('x', 1000, features))),
      ],
    },
    {
      ...{
        key: 'rows',
        title: '10,000 rows of iris in and out, V2 JSON',
        connections: 4,
        floor: false,
      },
      contenders: [own(iris, many), ...(await peers(iris, many))],
    },
    ...tensors(path),
  ];
}

/** ONNX models whose requests are large, or whose runs are long. */
function tensors(path: (name: string) => string): Scenario[] {
  const shape = [4, 3, 224, 224];
  const pixels = Buffer.alloc(4 * 3 * 224 * 224, 7);
  const about = { name: 'img', datatype: 'UINT8', shape };
  const head = JSON.stringify({
    inputs: [{ ...about, parameters: { binary_data_size: pixels.length } }],
  });
  const text = JSON.stringify({ inputs: [{ ...about, data: [...pixels] }] });
  const image = serving('image', IMAGE_MODEL, '--threads=1');
  const binary = {
    path: path('image'),
    body: Buffer.concat([Buffer.from(head), pixels]),
    headers: [`Inference-Header-Content-Length: ${head.length}`],
  };
  const digit = readFileSync(fixture('digits_cnn/golden.json'), 'utf8');
  const [{ request }] = JSON.parse(digit).cases;
  const small = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i));
  const row = { name: 'x', datatype: 'FP32', shape: [1, 256] };
  const smallHead = JSON.stringify({
    inputs: [{ ...row, parameters: { binary_data_size: small.byteLength } }],
  });
  return [
    {
      ...{ key: 'digits', title: 'digits CNN, 1 image, V2 JSON', connections: 16, floor: true },
      contenders: [
        {
          name: 'Wherry',
          launch: serving('digits', fixture('digits_cnn/model.onnx'), '--threads=1'),
          path: path('digits'),
          body: Buffer.from(JSON.stringify({ inputs: firstRow(request.inputs) })),
        },
      ],
    },
    {
      ...{ key: 'tensor-binary', title: '600 KB tensor, binary REST', connections: 8, floor: true },
      contenders: [{ name: 'Wherry', launch: image, ...binary }],
    },
    {
      ...{ key: 'tensor-json', title: '600 KB tensor, V2 JSON', connections: 8, floor: true },
      contenders: [{ name: 'Wherry', launch: image, path: path('image'), body: Buffer.from(text) }],
    },
    {
      ...{ key: 'tensor-grpc', title: '600 KB tensor, gRPC', connections: 8, floor: false },
      contenders: [
        {
          name: 'Wherry',
          launch: { ...image, args: (port) => [...image.args(port), `--grpc_port=${port + 1}`] },
          path: '',
          body: pixels,
          grpc: ['image', 'img', 'UINT8', shape.join(',')],
        },
      ],
    },
    {
      ...{
        key: 'batch',
        title: 'a slow model, 32 clients, batching',
        connections: 32,
        floor: false,
      },
      contenders: [
        {
          name: 'Wherry',
          launch: serving(
            'slow',
            SLOW_MODEL,
            '--max_batch_size=32',
            '--threads=1',
            `--concurrency=${CPUS}`,
          ),
          path: path('slow'),
          body: Buffer.concat([Buffer.from(smallHead), Buffer.from(small.buffer)]),
          headers: [`Inference-Header-Content-Length: ${smallHead.length}`],
        },
      ],
    },
  ];
}

interface GoldenInput {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

function firstRow(inputs: readonly GoldenInput[]): object[] {
  return inputs.map(({ shape, data, ...about }) => ({
    ...about,
    shape: [1, ...shape.slice(1)],
    data: data.slice(0, data.length / (shape[0] as number)),
    raw_b64: undefined,
  }));
}
