/** Models of the bench and their requests, and our own server with each. */
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../harness/cluster.ts';
import { CACHE, pythonWith } from '../harness/python.ts';
import { run } from '../harness/shell.ts';
import { XGBOOST } from './peers.ts';
import { type Launch, modelFolder, wherry } from './servers.ts';

/** Returns the path of one of the runtime's test models. */
export const fixture = (path: string) => join(ROOT, 'predictor-runtime/test/models', path);
export const IRIS_ONNX = join(ROOT, 'predictor-runtime/models/iris/model.onnx');
export const IRIS_JOBLIB = fixture('sklearn_iris_logreg/model.joblib');
export const IMAGE_MODEL = join(ROOT, 'e2e/bench/models/image_nchw/model.onnx');
/** Made by models/slow_mlp.py. */
export const SLOW_MODEL = join(ROOT, 'e2e/bench/models/slow_mlp/model.onnx');
export const FLOWER = [6.8, 2.8, 4.8, 1.4];

/** Returns the path that V2 requests for a model are sent to. */
export const inferPath = (name: string) => `/v2/models/${name}/infer`;

/** Returns rows of a feature matrix as a V2 request; numbers as a client that has float32 writes them. */
export function rows(name: string, count: number, row: readonly number[]): Buffer {
  const data = Array.from({ length: count }, () => row).flat();
  const inputs = [{ name, datatype: 'FP32', shape: [count, row.length], data }];
  return Buffer.from(JSON.stringify({ inputs }));
}

/** Returns how to start our server with one model, of a folder that holds nothing else; with gRPC beside HTTP. */
export function serving(name: string, file: string, ...flags: readonly string[]): Launch {
  const dir = modelFolder({});
  cpSync(file, join(dir, file.slice(file.lastIndexOf('/') + 1)));
  const own = wherry(`--model_name=${name}`, `--model_dir=${dir}`, ...flags);
  return { ...own, args: (port) => [...own.args(port), `--grpc_port=${port + 1}`] };
}

/** Returns the file of a model of 300 trees, trained once, with XGBoost itself. */
export async function xgboostModel(): Promise<string> {
  const file = join(CACHE, 'bench-xgboost-300.ubj');
  if (existsSync(file)) return file;
  mkdirSync(CACHE, { recursive: true });
  const script = join(ROOT, 'e2e/bench/peers/xgboost_model.py');
  await run(await pythonWith(XGBOOST), [script, 'train', file]);
  return file;
}
