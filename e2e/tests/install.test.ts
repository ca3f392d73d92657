/** What a user sees first: install, apply, get, curl. */
import { expect } from 'chai';
import { NAMESPACE, ROOT } from '../harness/cluster.ts';
import { inferOverGrpc } from '../harness/grpc.ts';
import {
  apply,
  get,
  IRIS_INPUT,
  infer,
  kubectl,
  ready,
  removeAll,
  router,
  sample,
} from '../harness/kubectl.ts';
import { run } from '../harness/shell.ts';

describe('install and first service', function () {
  this.timeout(120_000);
  before(async () => {
    await apply(sample('iris.yaml'));
    await ready('iris');
  });
  after(() => removeAll('iris'));

  it('the chart passes helm lint, and refuses values it does not know', async () => {
    await run('helm', ['lint', '--strict', `${ROOT}/charts/wherry`]);
    const template = ['template', 'x', `${ROOT}/charts/wherry`, '--kube-version', '1.34.0'];
    const wrong = await run('helm', [...template, '--set', 'router.replica=3']).catch(
      (e: Error) => e.message,
    );
    expect(wrong).to.contain('replica');
  });

  it('brings the runtimes of other servers, with what they can serve', async () => {
    const columns =
      'custom-columns=NAME:.metadata.name,FORMATS:.spec.supportedModelFormats[*].name';
    const table = await kubectl('get', 'clusterservingruntimes', '--no-headers', '-o', columns);
    const names = table
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/)[0]);
    expect(names).to.include.members([
      'wherry-predictor',
      'kserve-tensorflow-serving',
      'kserve-torchserve',
      'kserve-tritonserver',
      'kserve-mlserver',
      'kserve-sklearnserver',
      'kserve-huggingfaceserver',
    ]);
    expect(table).to.match(/wherry-predictor\s+onnx,xgboost,.*lightgbm,.*sklearn/);
  });

  it('kubectl get isvc shows URL and READY, and no split', async () => {
    const table = (await kubectl('get', 'isvc', 'iris')).trim().split('\n');
    expect(table[0]?.split(/\s{2,}|\s+/)).to.deep.equal([
      ...[
        'NAME',
        'URL',
        'READY',
        'PREV',
        'LATEST',
        'PREVROLLEDOUTREVISION',
        'LATESTREADYREVISION',
        'AGE',
      ],
    ]);
    expect(table[1]).to.match(
      /^iris\s+http:\/\/iris-default\.example\.com\s+True\s+100\s+iris-predictor-00001\s+\d+s$/,
    );
  });

  it('answers by host, by path, and what the model says', async () => {
    const { status, body } = await infer('iris');
    expect(status, body).to.equal(200);
    expect(JSON.parse(body)).to.have.nested.property('outputs[0].data[0]', 1);
    const byPath = await fetch(`${router()}/serving/default/iris/v2/models/iris`);
    expect(await byPath.json()).to.have.property('name', 'iris');
  });

  it('answers gRPC by host on the same port', async () => {
    const authority = 'iris-default.example.com';
    const { metadata, reply } = await inferOverGrpc(new URL(router()).host, authority, 'iris');
    expect(reply.outputs[0]).to.include({ name: 'label', datatype: 'INT64' });
    expect(reply.raw_output_contents[0]?.readBigInt64LE()).to.equal(1n);
    expect(metadata.get('x-wherry-revision')).to.deep.equal(['iris-predictor-00001']);
  });

  it('answers callers in the cluster under both Service names', async () => {
    for (const host of [
      'iris.default.svc.cluster.local',
      'iris-predictor.default.svc.cluster.local',
      'iris.default',
    ]) {
      const script = `fetch('http://${host}/v2/models/iris/infer', {method: 'POST', body: '${IRIS_INPUT}'}).then(async (r) => console.log(r.status, await r.text()))`;
      const out = await kubectl(
        'exec',
        '-n',
        NAMESPACE,
        'deploy/wherry-operator',
        '--',
        'node',
        '-e',
        script,
      );
      expect(out, host).to.match(/^200 .*"label"/);
    }
  });

  it('writes the events and the status that KServe users read', async () => {
    const { items } = await get<{ items: { reason: string }[] }>(
      'events',
      '--field-selector',
      'involvedObject.name=iris',
    );
    expect(items.map(({ reason }) => reason)).to.include('InferenceServiceReady');
    const { status } = await get<{ status: object }>('isvc', 'iris');
    expect(status).to.deep.include({
      observedGeneration: 1,
      url: 'http://iris-default.example.com',
      address: { url: 'http://iris-predictor.default.svc.cluster.local' },
      clusterServingRuntimeName: 'wherry-predictor',
      deploymentMode: 'Standard',
    });
    expect(status).to.have.nested.property('modelStatus.transitionStatus', 'UpToDate');
    await kubectl('wait', '--for=condition=Ready', 'isvc/iris', '--timeout=5s');
  });

  it('runs with the least rights: non-root, read-only, no Secret in reach', async () => {
    const pods = await get<{ items: { spec: { containers: { securityContext: object }[] } }[] }>(
      'pods',
      '-n',
      NAMESPACE,
    );
    for (const { spec } of pods.items) {
      for (const { securityContext } of spec.containers) {
        expect(securityContext).to.include({
          runAsNonRoot: true,
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
        });
      }
    }
    const as = `--as=system:serviceaccount:${NAMESPACE}:wherry-operator`;
    // It may delete pods here, as the tests have warm pools; operator/test/chart.test.ts holds that right to them.
    for (const [verb, resource] of [
      ['get', 'secrets'],
      ['update', 'inferenceservices'],
      ['create', 'pods'],
    ] as const) {
      const answer = await kubectl('auth', 'can-i', verb, resource, '-A', as).catch(
        (e: Error) => e.message,
      );
      expect(answer, `${verb} ${resource}`).to.contain('no');
    }
  });

  it('serves with a runtime of the user, which gets its model from the storage-initializer', async () => {
    await apply(sample('runtime.yaml'));
    const status = await ready('iris-own-runtime');
    expect(status.servingRuntimeName).to.equal('my-onnx');
    await removeAll('iris-own-runtime');
    await kubectl('delete', 'servingruntime', 'my-onnx');
  });
});
