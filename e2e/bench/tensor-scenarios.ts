/** Scenarios of ONNX models whose requests are large, or whose runs are long. */
import { readFileSync } from 'node:fs';
import { CPUS } from './cores.ts';
import { fixture, IMAGE_MODEL, inferPath, SLOW_MODEL, serving } from './own-models.ts';
import { triton } from './peers.ts';
import { CONNECTIONS, type Scenario } from './scenario.ts';

const SHAPE = [4, 3, 224, 224];
const PIXELS = Buffer.alloc(4 * 3 * 224 * 224, 7);
const IMAGE = async () => serving('image', IMAGE_MODEL, '--threads=1');
const TRITON_IMAGE = () =>
  triton({
    ...{ name: 'image', file: IMAGE_MODEL, threads: 1 },
    config: `max_batch_size: 0
input [ { name: "img" data_type: TYPE_UINT8 dims: [-1, 3, 224, 224] } ]
output [ { name: "mean" data_type: TYPE_FP32 dims: [-1, 3] } ]`,
  });

interface BinaryTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** A V2 request whose one tensor follows its JSON as raw bytes. */
function binary(tensor: BinaryTensor, bytes: Buffer) {
  const parameters = { binary_data_size: bytes.length };
  const head = JSON.stringify({ inputs: [{ ...tensor, parameters }] });
  return {
    body: Buffer.concat([Buffer.from(head), bytes]),
    headers: [`Inference-Header-Content-Length: ${head.length}`],
  };
}

const IMAGE_TENSOR = { name: 'img', datatype: 'UINT8', shape: SHAPE };
const IMAGE_JSON = JSON.stringify({ inputs: [{ ...IMAGE_TENSOR, data: [...PIXELS] }] });
const IMAGE_GRPC = {
  path: '',
  body: PIXELS,
  grpc: { model: 'image', input: 'img', datatype: 'UINT8', shape: SHAPE },
};
const SMALL = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i));

interface GoldenInput {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** The first image of the golden request of the digits model. */
function oneDigit(): Buffer {
  const [{ request }] = JSON.parse(readFileSync(fixture('digits_cnn/golden.json'), 'utf8')).cases;
  const inputs = (request.inputs as readonly GoldenInput[]).map(({ shape, data, ...about }) => ({
    ...about,
    shape: [1, ...shape.slice(1)],
    data: data.slice(0, data.length / (shape[0] as number)),
    raw_b64: undefined,
  }));
  return Buffer.from(JSON.stringify({ inputs }));
}

export const TENSOR_SCENARIOS: readonly Scenario[] = [
  {
    ...{ key: 'digits', title: 'digits CNN, 1 image, V2 JSON', floor: true },
    connections: CONNECTIONS,
    contenders: [
      {
        name: 'Wherry',
        launch: async () => serving('digits', fixture('digits_cnn/model.onnx'), '--threads=1'),
        path: inferPath('digits'),
        body: oneDigit(),
      },
    ],
  },
  {
    ...{ key: 'tensor-binary', title: '600 KB tensor, binary REST', connections: 8, floor: true },
    contenders: [
      {
        ...{ name: 'Wherry', launch: IMAGE, path: inferPath('image') },
        ...binary(IMAGE_TENSOR, PIXELS),
      },
    ],
  },
  {
    ...{ key: 'tensor-json', title: '600 KB tensor, V2 JSON', connections: 8, floor: true },
    contenders: [
      {
        ...{ name: 'Wherry', launch: IMAGE, path: inferPath('image') },
        body: Buffer.from(IMAGE_JSON),
      },
    ],
  },
  {
    ...{ key: 'tensor-grpc', title: '600 KB tensor, gRPC', connections: 8 },
    contenders: [
      { name: 'Wherry', launch: IMAGE, ...IMAGE_GRPC },
      { name: 'Triton', launch: TRITON_IMAGE, ...IMAGE_GRPC },
    ],
  },
  {
    ...{ key: 'batch', title: 'a slow model, 32 clients, batching', allCores: true },
    connections: 32,
    contenders: [
      {
        name: 'Wherry',
        launch: async () =>
          serving(
            ...(['slow', SLOW_MODEL, '--max_batch_size=32', '--threads=1'] as const),
            `--concurrency=${CPUS}`,
          ),
        path: inferPath('slow'),
        ...binary({ name: 'x', datatype: 'FP32', shape: [1, 256] }, Buffer.from(SMALL.buffer)),
      },
    ],
  },
];
