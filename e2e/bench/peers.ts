/** Other projects' servers, and how each is started with the same model. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../harness/cluster.ts';
import { pythonWith } from '../harness/python.ts';
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
