/** A pod gets its model from each kind of storage. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { apply, isvc, kubectl, ready, removeAll, router } from '../harness/kubectl.ts';
import { eventually } from '../harness/load.ts';
import { manifest, modelFile, startModelStore, stopModelStore } from '../harness/model-store.ts';

/** The address at which the test node's pods reach this machine. */
const HOST_IP = '172.31.77.1';
const S3_PORT = 17_080;

describe('storage', function () {
  this.timeout(120_000);
  before(startModelStore);
  after(stopModelStore);

  async function servesTheModel(name: string): Promise<void> {
    await ready(name);
    const answer = await fetch(`${router()}/serving/default/${name}/v2/models/${name}`);
    expect(await answer.json()).to.have.nested.property('inputs[0].name', 'a');
    await removeAll(name);
  }

  it('http', async () => {
    await apply(isvc('web', {}, { storageUri: 'http://model-store.default/good/model.onnx' }));
    await servesTheModel('web');
  });

  it('a volume', async () => {
    await apply(await manifest('tests/storage.yaml'));
    await kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/fill', '--timeout=60s');
    await apply(isvc('claim', {}, { storageUri: 'pvc://models/sum' }));
    await servesTheModel('claim');
    await apply(isvc('claim', {}, { storageUri: 'pvc://models/sum/model.onnx' }));
    await servesTheModel('claim');
    await kubectl('delete', 'pod/fill', 'pvc/models', 'pv/wherry-models');
  });

  it('s3, with the keys of a Secret that the annotation names', async function () {
    const binary = process.env.WHERRY_VERSITYGW;
    if (binary === undefined || process.env.WHERRY_PROVIDER !== 'test-node') this.skip();
    const root = mkdtempSync(join(tmpdir(), 'wherry-test-'));
    mkdirSync(join(root, 'models/sum'), { recursive: true });
    cpSync(modelFile('good'), join(root, 'models/sum/model.onnx'));
    const flags = ['--port', `${HOST_IP}:${S3_PORT}`, '--access', 'key', '--secret', 'secret'];
    const server: ChildProcess = spawn(binary as string, [...flags, 'posix', root], {
      stdio: 'ignore',
    });
    try {
      await eventually('the server answers', () => fetch(`http://${HOST_IP}:${S3_PORT}`), 10);
      await kubectl(
        ...['create', 'secret', 'generic', 's3-keys'],
        ...['--from-literal=AWS_ACCESS_KEY_ID=key', '--from-literal=AWS_SECRET_ACCESS_KEY=secret'],
      );
      const env = [
        { name: 'S3_ENDPOINT', value: `${HOST_IP}:${S3_PORT}` },
        { name: 'S3_USE_HTTPS', value: '0' },
      ];
      const annotations = { 'serving.kserve.io/storageSecretName': 's3-keys' };
      const service = isvc('bucket', {}, { storageUri: 's3://models/sum', env });
      await apply({ ...service, metadata: { name: 'bucket', annotations } });
      await servesTheModel('bucket');

      // KServe's other way: the Secret and the endpoint belong to the pod's ServiceAccount.
      const account = {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: {
          name: 'models',
          annotations: {
            'serving.kserve.io/s3-endpoint': `${HOST_IP}:${S3_PORT}`,
            'serving.kserve.io/s3-usehttps': '0',
          },
        },
        secrets: [{ name: 's3-keys' }],
      };
      await apply(account);
      await apply(
        isvc('account', { serviceAccountName: 'models' }, { storageUri: 's3://models/sum' }),
      );
      await servesTheModel('account');
      await kubectl('delete', 'secret/s3-keys', 'serviceaccount/models');
    } finally {
      server.kill();
      rmSync(root, { recursive: true });
    }
  });
});
