/** Other projects' servers, and how each is started with the same model. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../harness/cluster.ts';
import { pythonWith } from '../harness/python.ts';
import { run } from '../harness/shell.ts';
import { TRITON_PACKAGES, tritonProgram } from '../harness/triton.ts';
import { TORCHSERVE, writeTorch } from '../peers/torchserve.ts';
import { type Launch, modelFolder } from './servers.ts';

const KSERVE = ['kserve==0.21.0', 'scikit-learn==1.9.1', 'xgboost-cpu==3.2.0'];
const MLSERVER = [
  'mlserver==1.7.1',
  'mlserver-sklearn==1.7.1',
  'mlserver-xgboost==1.7.1',
  // Later ones give its workers no event loop.
  'uvloop==0.21.0',
];
const BENTOML = ['bentoml==1.4.40', 'scikit-learn==1.9.1'];
const TRITON = [...TRITON_PACKAGES, 'onnxruntime==1.30.0', 'scikit-learn==1.9.1'];
const TORCHSERVE_ONNX = [...TORCHSERVE, 'onnxruntime==1.30.0'];
/** The Python that has XGBoost itself. */
export const XGBOOST = KSERVE;

const script = (name: string) => join(ROOT, 'e2e/bench/peers', name);

export interface PeerModel {
  readonly name: string;
  readonly format: 'sklearn' | 'xgboost';
  readonly file: string;
}

export async function kserve({ name, format, file }: PeerModel): Promise<Launch> {
  const command = await pythonWith(KSERVE);
  return {
    command,
    args: (port) => [script('kserve_server.py'), name, format, file, String(port)],
    ready: `/v2/models/${name}/ready`,
  };
}

export async function mlserver({ name, format, file }: PeerModel): Promise<Launch> {
  const python = await pythonWith(MLSERVER);
  const implementation = {
    sklearn: 'mlserver_sklearn.SKLearnModel',
    xgboost: 'mlserver_xgboost.XGBoostModel',
  }[format];
  const dir = modelFolder({
    'model-settings.json': JSON.stringify({ name, implementation, parameters: { uri: file } }),
  });
  return {
    command: join(dirname(python), 'mlserver'),
    args: (port) => {
      const ports = { http_port: port, grpc_port: port + 1, metrics_port: port + 2 };
      writeFileSync(join(dir, 'settings.json'), JSON.stringify({ host: '127.0.0.1', ...ports }));
      return ['start', dir];
    },
    ready: `/v2/models/${name}/ready`,
  };
}

export async function bentoml(file: string): Promise<Launch> {
  const python = await pythonWith(BENTOML);
  return {
    command: join(dirname(python), 'bentoml'),
    args: (port) => ['serve', 'bento_service:Service', '--host=127.0.0.1', `--port=${port}`],
    cwd: script(''),
    env: { MODEL_FILE: file, BENTOML_DO_NOT_TRACK: 'true' },
    ready: '/readyz',
  };
}

/** A model for Triton's Python backend. */
export interface TritonModel {
  readonly name: string;
  /** Ends in `.onnx` or `.joblib`. */
  readonly file: string;
  /** The rest of `config.pbtxt`: inputs, outputs and batching. */
  readonly config: string;
  /** Threads of ONNX Runtime. */
  readonly threads: number;
}

/** Returns how to start Triton with one model in its Python backend. */
export async function triton({ name, file, config, threads }: TritonModel): Promise<Launch> {
  const repository = modelFolder({});
  const version = join(repository, name, '1');
  mkdirSync(version, { recursive: true });
  cpSync(script('triton_model.py'), join(version, 'model.py'));
  cpSync(file, join(version, `model${file.slice(file.lastIndexOf('.'))}`));
  const parameters = `parameters { key: "threads" value { string_value: "${threads}" } }`;
  writeFileSync(
    join(repository, name, 'config.pbtxt'),
    `backend: "python"\n${config}\n${parameters}\n`,
  );
  const program = await tritonProgram(await pythonWith(TRITON), repository);
  process.once('exit', () => rmSync(program.backends, { recursive: true, force: true }));
  return {
    command: program.command,
    args: (port) => program.args({ http: port, grpc: port + 1, metrics: port + 2 }),
    env: program.env,
    ready: `/v2/models/${name}/ready`,
    endWith: 'SIGTERM',
  };
}

/** Requests that a worker of TorchServe takes at once, and how long it waits for them in ms. */
const TORCHSERVE_BATCH = { batchSize: 16, maxBatchDelay: 1 };

/** Returns how to start TorchServe with iris, one worker that takes batches. */
export async function torchserve(file: string): Promise<Launch> {
  const bin = dirname(await pythonWith(TORCHSERVE_ONNX));
  const dir = modelFolder({});
  const modules = writeTorch(dir);
  const path = `${bin}:${process.env.PATH}`;
  await run(
    join(bin, 'torch-model-archiver'),
    [
      ...['--model-name', 'iris', '--version', '1.0', '--handler', script('torchserve_handler.py')],
      ...['--extra-files', file, '--export-path', dir],
    ],
    { env: { PATH: path } },
  );
  const workers = { minWorkers: 1, maxWorkers: 1, ...TORCHSERVE_BATCH };
  const models = { iris: { '1.0': { defaultVersion: true, marName: 'iris.mar', ...workers } } };
  const config = join(dir, 'config.properties');
  return {
    command: join(bin, 'torchserve'),
    args: (port) => {
      const address = (name: string, offset: number) =>
        `${name}_address=http://127.0.0.1:${port + offset}`;
      const lines = [
        address('inference', 0),
        ...[address('management', 2), address('metrics', 3)],
        ...[`grpc_inference_port=${port + 1}`, `grpc_management_port=${port + 4}`],
        ...['load_models=iris.mar', `models=${JSON.stringify(models)}`],
      ];
      writeFileSync(config, `${lines.join('\n')}\n`);
      const flags = ['--start', '--foreground', '--ncs', '--disable-token-auth'];
      return [...flags, '--model-store', dir, '--ts-config', config];
    },
    env: { PATH: path, PYTHONPATH: modules, TMPDIR: dir },
    cwd: dir,
    ready: '/ping',
  };
}
