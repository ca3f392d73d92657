/** Local mode as a person starts it: `wherry local`, files that change, Ctrl-C. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { eventually, Load } from '../../e2e/harness/load.ts';
import type { KubeObject } from '../src/api/kube.ts';
import type { RouteTarget } from '../src/api/route-table.ts';
import { chartAdmission } from '../src/local/admission.ts';
import { pick } from '../src/local/proxy.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SAMPLES = new URL('../../config/samples/', import.meta.url);
const sample = (name: string) => readFileSync(new URL(name, SAMPLES), 'utf8');
const INPUT = JSON.stringify({
  inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.8, 2.8, 4.8, 1.4] }],
});

class Local {
  readonly tmp = mkdtempSync(join(tmpdir(), 'wherry-test-'));
  readonly file = join(this.tmp, 'iris.yaml');
  output = '';
  child: ChildProcess | undefined;
  exit: Promise<number | null> = Promise.resolve(null);

  start(args: readonly string[] = ['-f', this.file, '--port', '0']): void {
    const child = spawn(process.execPath, [join(ROOT, 'operator/src/main.ts'), 'local', ...args], {
      cwd: ROOT,
      env: { ...process.env, TMPDIR: this.tmp },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk;
      });
    }
    this.child = child;
    this.exit = new Promise((resolve) => child.once('exit', resolve));
  }

  async says(text: string | RegExp): Promise<string> {
    const found = () =>
      typeof text === 'string' ? this.output.includes(text) : text.test(this.output);
    await eventually(`${text} in:\n${this.output}`, found, 20);
    return this.output;
  }

  async url(): Promise<string> {
    await this.says('listening on');
    return /listening on (http:\S+);/.exec(this.output)?.[1] ?? '';
  }

  /** Says whether there is a predictor process. */
  runs(): boolean {
    return spawnSync('pgrep', ['-f', `model_dir=${this.tmp}`]).status === 0;
  }

  async stop(): Promise<void> {
    this.child?.kill('SIGINT');
    await this.exit;
    rmSync(this.tmp, { recursive: true });
  }
}

describe('local mode', function () {
  this.timeout(60_000);
  let local: Local;
  beforeEach(() => {
    local = new Local();
  });
  afterEach(() => local.stop());

  it('serves the sample by host and by path, and prints a curl line that works', async () => {
    local.start(['-f', 'config/samples/iris.yaml', '--port', '0']);
    const url = await local.url();
    await local.says('try: ');
    const port = new URL(url).port;
    expect(local.output).to.contain(`http://iris-default.localhost:${port}/v2/models/iris/infer`);
    const line = /try: (curl .*)/.exec(local.output)?.[1] ?? '';
    const answer = JSON.parse(execFileSync('bash', ['-c', line], { encoding: 'utf8' })) as object;
    expect(answer).to.have.property('model_name', 'iris');
    const byPath = await fetch(`${url}/serving/default/iris/v2/models/iris/infer`, {
      method: 'POST',
      body: INPUT,
    });
    const { outputs } = (await byPath.json()) as { outputs: { data: number[] }[] };
    expect(outputs[0]?.data).to.deep.equal([1]);
    expect(outputs[1]?.data[1]).to.be.closeTo(0.80127, 1e-4);
    const none = await fetch(`${url}/v2`);
    expect([none.status, await none.json()]).to.deep.equal([
      404,
      { error: `no service at localhost:${port}/v2; there is iris-default.localhost` },
    ]);
  });

  it('serves one file of this machine, whatever is in its name', async () => {
    const model = join(local.tmp, 'iris#1 100% $(HOME) $$.onnx');
    cpSync(join(ROOT, 'predictor-runtime/models/iris/model.onnx'), model);
    writeFileSync(
      local.file,
      sample('iris.yaml').replace('builtin://iris', () => JSON.stringify(`file://${model}`)),
    );
    local.start();
    const url = await local.url();
    await local.says('ready, 100 %');
    const answer = await fetch(`${url}/serving/default/iris/v2/models/iris/infer`, {
      method: 'POST',
      body: INPUT,
    });
    expect(answer.status).to.equal(200);
  });

  it('reconciles a saved file: canary, split, promotion, with no request lost, then deletion', async () => {
    writeFileSync(local.file, sample('iris.yaml'));
    local.start();
    const url = await local.url();
    await local.says('ready, 100 % to iris-predictor-00001');
    const load = new Load({
      url: `${url}/serving/default/iris/v2/models/iris/infer`,
      body: INPUT,
      rate: 200,
    });
    writeFileSync(local.file, sample('canary.yaml'));
    await local.says('10 % to iris-predictor-00002, 90 % to iris-predictor-00001');
    const from = load.now;
    await new Promise((resolve) => setTimeout(resolve, 6000));
    const shares = load.shares(from);
    writeFileSync(local.file, sample('canary.yaml').replace(/ *canaryTrafficPercent: 10\n/, ''));
    await local.says('ready, 100 % to iris-predictor-00002');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await load.stop();
    expect(load.failures).to.deep.equal([]);
    expect(shares['iris-predictor-00002']).to.be.closeTo(10, 4);
    writeFileSync(local.file, '');
    await eventually(
      'the service is gone',
      async () => (await fetch(`${url}/serving/default/iris/v2`)).status === 404,
    );
  });

  it('lets an unused service have no process, and starts one for requests that wait', async () => {
    const annotations = '\n  annotations: {autoscaling.knative.dev/window: 6s}\nspec:';
    const zero = sample('iris.yaml')
      .replace('\nspec:', annotations)
      .replace('predictor:', 'predictor:\n    minReplicas: 0\n    containerConcurrency: 2');
    writeFileSync(local.file, zero);
    local.start();
    const url = `${await local.url()}/serving/default/iris/v2/models/iris`;
    await local.says('ready, 100 % to iris-predictor-00001');
    const ask = async (body: string) => {
      const answer = await fetch(`${url}/infer`, { method: 'POST', body });
      expect(answer.status).to.equal(200);
      return (await answer.json()) as { outputs: { data: number[] }[] };
    };
    await ask(INPUT);
    const isIdle = () => local.output.endsWith('idle, the next request starts a pod\n');
    await eventually('no process is left', () => isIdle() && !local.runs(), 30);
    // Longer than the time after which an idle service would be looked at again.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(isIdle() && !local.runs()).to.equal(true);
    await local.says(/^default.iris: iris-predictor-00001: 1 → 0: 0 under way, [\d.]+ a pod$/m);
    const rows = 30_000;
    const data = new Array<number>(4 * rows).fill(1.5);
    const large = JSON.stringify({
      inputs: [{ name: 'X', datatype: 'FP32', shape: [rows, 4], data }],
    });
    const answers = await Promise.all([INPUT, INPUT, large, INPUT, INPUT].map(ask));
    expect(answers.map(({ outputs }) => outputs[0]?.data.length)).to.deep.equal([1, 1, rows, 1, 1]);
    await local.says(/idle, .*ready, 100 % to iris-predictor-00001/s);
    await local.says(/iris-predictor-00001: 0 → \d: woken by requests that waited$/m);
    await eventually('no process is left again', () => isIdle() && !local.runs(), 30);
  });

  it('leaves no process and no temporary file behind', async () => {
    writeFileSync(local.file, sample('iris.yaml'));
    local.start();
    await local.says('ready, 100 %');
    expect(local.runs()).to.equal(true);
    local.child?.kill('SIGINT');
    expect(await local.exit).to.equal(0);
    expect(local.runs()).to.equal(false);
    expect(readdirSync(local.tmp)).to.deep.equal(['iris.yaml']);
  });

  it('tells why a model does not load while the old one serves on', async () => {
    writeFileSync(local.file, sample('iris.yaml'));
    local.start();
    const url = await local.url();
    await local.says('ready, 100 %');
    writeFileSync(
      local.file,
      sample('iris.yaml').replace('builtin://iris', 'file:///no/such/model'),
    );
    await local.says(/not ready, ModelLoadFailed: .*\/no\/such\/model cannot be read: ENOENT/);
    const answer = await fetch(`${url}/serving/default/iris/v2/models/iris/infer`, {
      method: 'POST',
      body: INPUT,
    });
    expect(answer.status).to.equal(200);
    writeFileSync(local.file, sample('iris.yaml').replace('builtin://iris', 'gopher://x'));
    await local.says(/not ready, InvalidPredictorSpec: storageUri "gopher:\/\/x" is not supported/);
    writeFileSync(local.file, '{ this is: [not yaml');
    await local.says('file not applied, what it held before stays');
    expect((await fetch(`${url}/serving/default/iris/v2/health/live`)).status).to.equal(200);
  });

  it('refuses a file that the API server would refuse, with all that is wrong', async () => {
    writeFileSync(
      local.file,
      sample('iris.yaml').replace(
        'predictor:',
        'predictor:\n    canaryTrafficPercent: 150\n    minReplica: 2',
      ),
    );
    local.start();
    expect(await local.exit).to.equal(1);
    expect(local.output).to.contain('spec.predictor.canaryTrafficPercent: must be <= 100');
    expect(local.output).to.contain('spec.predictor.minReplica: unknown field');
  });

  it('says when its port is taken', async () => {
    writeFileSync(local.file, sample('iris.yaml'));
    local.start();
    const port = new URL(await local.url()).port;
    const second = new Local();
    second.start(['-f', local.file, '--port', port]);
    expect(await second.exit).to.equal(1);
    expect(second.output).to.contain(`port ${port} is taken: choose another with --port`);
    await second.stop();
  });
});

describe('admission on the laptop', () => {
  const admission = chartAdmission();
  const annotated = (annotations: Record<string, string>, predictor: object = { model }) => ({
    ...isvc(predictor),
    metadata: { name: 'iris', annotations },
  });
  const isvc = (predictor: object, name = 'iris') => ({
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name },
    spec: { predictor },
  });
  const model = { modelFormat: { name: 'onnx' }, storageUri: 'builtin://iris' };

  for (const [title, object, problem] of [
    ['a good service', isvc({ model }), undefined],
    [
      'fields that a client leaves empty',
      {
        ...isvc({}),
        spec: {
          predictor: {
            model: {
              ...model,
              name: '',
              runtime: '',
              protocolVersion: '',
              env: [],
              confidential: {},
            },
            ...{
              sklearn: {},
              scaleMetric: '',
              workerSpec: {},
              storageUris: [],
              logger: {},
              batcher: {},
            },
          },
          ...{ transformer: {}, explainer: {}, canary: [] },
        },
      },
      undefined,
    ],
    ['an empty model', isvc({ model: {} }), /no model source/],
    ['a name with capitals', isvc({ model }, 'Iris'), /name must consist of lower case/],
    ['no model', isvc({}), /no model source/],
    ['two models', isvc({ model, onnx: { storageUri: 's3://x' } }), /more than one model source/],
    [
      'min above max',
      isvc({ model, minReplicas: 3, maxReplicas: 2 }),
      /minReplicas .* cannot be greater than maxReplicas/,
    ],
    [
      'a name in the model',
      isvc({ model: { ...model, name: 'x' } }),
      /'name' field is not allowed/,
    ],
    [
      'a transformer',
      { ...isvc({ model }), spec: { predictor: { model }, transformer: { containers: [] } } },
      /spec.transformer is not supported/,
    ],
    [
      'PYTHONPATH',
      isvc({ model: { ...model, env: [{ name: 'PYTHONPATH', value: '/x' }] } }),
      /PYTHONPATH is not allowed/,
    ],
    [
      'a pace of rolling out',
      isvc({ model, deploymentStrategy: { rollingUpdate: { maxSurge: 0 } } }),
      /rollingUpdate is not supported .* set type Recreate/,
    ],
    [
      'a canary that has to wait for the old revision to end',
      isvc({ model, canaryTrafficPercent: 10, deploymentStrategy: { type: 'Recreate' } }),
      /remove canaryTrafficPercent/,
    ],
    ['another strategy', isvc({ model, deploymentStrategy: { type: 'Recreate' } }), undefined],
    [
      'a transformer beside the model',
      isvc({ model, containers: [{ name: 'transformer-container', image: 't:1' }] }),
      /transformer-container is not supported/,
    ],
    [
      'a schema of the model',
      isvc({ model: { ...model, storageUri: undefined, storage: { path: 'm', schemaPath: 's' } } }),
      /schemaPath is not supported/,
    ],
    [
      'a deployment mode that there is not',
      annotated({ 'serving.kserve.io/deploymentMode': 'Serverless' }),
      /\[Serverless\] is not a supported deployment mode/,
    ],
    [
      'the deployment mode that there is',
      annotated({ 'serving.kserve.io/deploymentMode': 'RawDeployment' }),
      undefined,
    ],
    [
      'an autoscaler that there is not',
      annotated({ 'serving.kserve.io/autoscalerClass': 'kpa' }),
      /\[kpa\] is not a supported autoscaler class/,
    ],
    [
      'a metric that there is not',
      isvc({ model, scaleMetric: 'cpu' }),
      /\[cpu\] is not a supported/,
    ],
    [
      'a metric for a scaler of their own',
      annotated(
        { 'serving.kserve.io/autoscalerClass': 'external' },
        { model, scaleMetric: 'cpu', scaleMetricType: 'Utilization' },
      ),
      undefined,
    ],
    [
      'a type of a metric that there is not',
      isvc({ model, scaleMetric: 'rps', scaleMetricType: 'Utilization' }),
      /\[Utilization\] is not a supported type/,
    ],
    [
      'an annotation of Knative that has no effect',
      annotated({ 'autoscaling.knative.dev/target-burst-capacity': '3' }),
      /autoscaling.knative.dev\/target-burst-capacity has no effect/,
    ],
    [
      'an annotation of the predictor that has no effect',
      isvc({ model, annotations: { 'autoscaling.knative.dev/maximum-scale': '3' } }),
      /autoscaling.knative.dev\/maximum-scale has no effect/,
    ],
    [
      'an autoscaler of Knative that there is not',
      annotated({ 'autoscaling.knative.dev/class': 'hpa.autoscaling.knative.dev' }),
      /\[hpa.autoscaling.knative.dev\] is not a supported autoscaler/,
    ],
    [
      'a metric of an annotation that there is not',
      annotated({ 'autoscaling.knative.dev/metric': 'memory' }),
      /\[memory\] is not a supported metric/,
    ],
    [
      'a label by which only Knative hides a service',
      {
        ...isvc({ model }),
        metadata: {
          name: 'iris',
          labels: { 'networking.knative.dev/visibility': 'cluster-local' },
        },
      },
      /use networking.kserve.io\/visibility/,
    ],
    [
      'annotations of Knative that have one',
      annotated({
        'autoscaling.knative.dev/window': '60s',
        'autoscaling.knative.dev/class': 'kpa.autoscaling.knative.dev',
      }),
      undefined,
    ],
    [
      'an unknown kind',
      { ...isvc({ model }), kind: 'Deployment' },
      /kind: "Deployment" is not served here/,
    ],
  ] as const) {
    it(title, () => {
      const problems = admission.problems(object as KubeObject).join('\n');
      if (problem === undefined) expect(problems).to.equal('');
      else expect(problems).to.match(problem);
    });
  }
});

describe('pick', () => {
  const target = (revision: number, weight: number): RouteTarget => ({
    ref: { namespace: 'default', service: 'iris', component: 'predictor', revision },
    weight,
    percent: weight,
    grpc: false,
  });
  it('follows the weights exactly', () => {
    const targets = [target(1, 10), target(2, 0), target(3, 90)];
    const counts: Record<string, number> = {};
    for (let i = 0; i < 1000; i++) {
      const revision = pick(targets, i / 1000)?.ref.revision ?? 0;
      counts[revision] = (counts[revision] ?? 0) + 1;
    }
    expect(counts).to.deep.equal({ 1: 100, 3: 900 });
    expect(pick([target(1, 0)], 0.5)).to.equal(undefined);
  });
});
