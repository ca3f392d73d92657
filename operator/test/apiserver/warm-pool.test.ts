/**
 * Warm pools on a real API server: the Deployments that runtimes ask for, and pods that are taken. The pods' processes are
 * real, too, in place of those that a kubelet would run.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import { newAuthority, newLeaf } from '../../../e2e/harness/certificates.ts';
import type { FaultProxy } from '../../../e2e/harness/fault-proxy.ts';
import { eventually } from '../../../e2e/harness/load.ts';
import {
  call,
  type RunningPredictor,
  withPredictor,
} from '../../../predictor-runtime/test/server.ts';
import { DEFAULT_CONFIG } from '../../src/api/config.ts';
import type { InferenceServiceData, ServingRuntimeData } from '../../src/api/inferenceservice.ts';
import type { Deployment, KubeObject, Observed, Pod } from '../../src/api/kube.ts';
import { trustBundle } from '../../src/certificates/authorities.ts';
import type { Authorities, KeyCertPair } from '../../src/certificates/issue.ts';
import { StandIns } from '../../src/controller/stand-ins.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { KubeCluster } from '../../src/kube/cluster.ts';
import { isNotFound } from '../../src/kube/errors.ts';
import { components } from '../../src/plan/component.ts';
import { deployment } from '../../src/plan/deployment.ts';
import { podTemplate } from '../../src/plan/pod.ts';
import { poolName } from '../../src/plan/warm-pool.ts';
import { recordedLog } from './recorded-log.ts';
import {
  namespaceWithAccount,
  proxyOf,
  type RunningOperator,
  startOperator,
} from './running-operator.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

const WARM_POOL = 'serving.wherry.dev/warm-pool';
const CLAIMED = 'serving.wherry.dev/claimed';
const RUNTIME = 'warm-onnx';
const POOL = poolName('ServingRuntime', RUNTIME);
const REVISION = 'iris-predictor-00001';

interface RevisionOptions {
  /** Port of the revision's server. */
  readonly port: number;
  readonly env?: object[];
  readonly uri?: string;
}

describeWithApiServer('warm pools', function () {
  this.timeout(60_000);
  let server: ApiServer;
  let client: KubeClient;
  let proxy: FaultProxy;
  let operator: RunningOperator;
  let namespace: string;

  before(async () => {
    server = await sharedApiServer();
    client = new KubeClient(server.kubeConfig());
  });

  beforeEach(async () => {
    namespace = await namespaceWithAccount(server, 'pools');
    proxy = await proxyOf(server);
    operator = await startOperator(server, proxy);
  });

  afterEach(async () => {
    // Operators of other tests would look at it, too.
    await client.delete(await client.get({ kind: 'ServingRuntime', namespace, name: RUNTIME }));
    await operator.stop();
    proxy.close();
  });

  function runtime(annotations: Record<string, string> = { [WARM_POOL]: '2' }) {
    return {
      apiVersion: 'serving.kserve.io/v1alpha1',
      kind: 'ServingRuntime',
      metadata: {
        ...{ name: RUNTIME, namespace },
        annotations: { 'serving.wherry.dev/fetches-model': 'true', ...annotations },
      },
      spec: {
        supportedModelFormats: [{ name: 'onnx' }],
        containers: [
          {
            name: 'kserve-container',
            image: 'i',
            args: ['--model_name={{.Name}}', '--threads=1'],
            ports: [{ containerPort: 8080 }],
          },
        ],
      },
    } as ServingRuntimeData;
  }

  const pool = () =>
    client
      .get<Observed<Deployment>>({ kind: 'Deployment', namespace, name: POOL })
      .catch((error) => {
        if (!isNotFound(error)) throw error;
        return undefined;
      });
  const ask = (size: string | null) =>
    client.patch(
      { kind: 'ServingRuntime', namespace, name: RUNTIME },
      { metadata: { annotations: { [WARM_POOL]: size } } },
    );

  it('have as many pods as the annotation says, and go with it', async () => {
    await client.create(runtime());
    await eventually('it has two pods', async () => (await pool())?.spec?.replicas === 2);
    const { metadata } = (await pool()) as KubeObject;
    expect(metadata.ownerReferences?.map(({ kind, name }) => [kind, name])).to.deep.equal([
      ['ServingRuntime', RUNTIME],
    ]);
    await ask('3');
    await eventually('it has three', async () => (await pool())?.spec?.replicas === 3);
    await ask(null);
    await eventually('it is gone', async () => (await pool()) === undefined);
  });

  it('come back when somebody deletes or scales one', async () => {
    await client.create(runtime());
    await eventually('it is there', async () => (await pool()) !== undefined);
    await client.scale({ kind: 'Deployment', namespace, name: POOL }, 7);
    await eventually('it has its size', async () => (await pool())?.spec?.replicas === 2);
    const before = (await pool()) as KubeObject;
    await client.delete(before);
    await eventually('there is another', async () => {
      const uid = (await pool())?.metadata.uid;
      return uid !== undefined && uid !== before.metadata.uid;
    });
  });

  it('of a wrong size are told on the runtime, and stay as they are', async () => {
    await client.create(runtime());
    await eventually('it is there', async () => (await pool()) !== undefined);
    await ask('many');
    await eventually('it is told', async () => {
      const events = await server.request('GET', `/api/v1/namespaces/${namespace}/events`);
      return events.includes('is not a number of pods, such as 2');
    });
    expect((await pool())?.spec?.replicas).to.equal(2);
  });

  it('give up pods that an operator which is gone has claimed', async () => {
    await client.create(runtime());
    await eventually('it is there', async () => (await pool()) !== undefined);
    const claims = { left: '1000', fresh: String(Math.floor(Date.now() / 1000)) };
    for (const [name, at] of Object.entries(claims)) {
      await makePod(name);
      const metadata = { labels: { [CLAIMED]: at } };
      await client.patch({ kind: 'Pod', namespace, name }, { metadata });
    }
    await eventually('one is left', async () => (await podNames()).join() === 'fresh');
  });

  /** Makes a pod of the pool that is ready, and whose server listens on a port of this machine. */
  async function makePod(name: string, containerPort = 8080) {
    const pods = `/api/v1/namespaces/${namespace}/pods`;
    const metadata = {
      name,
      labels: {
        'app.kubernetes.io/managed-by': 'wherry',
        'serving.wherry.dev/pool': POOL,
      },
    };
    const containers = [{ name: 'kserve-container', image: 'i', ports: [{ containerPort }] }];
    await server.request('POST', pods, { metadata, spec: { containers } });
    const conditions = [{ type: 'Ready', status: 'True' }];
    const status = { phase: 'Running', podIP: '127.0.0.1', conditions };
    await server.request('PATCH', `${pods}/${name}/status`, { status });
  }

  const podsThere = async () =>
    (
      JSON.parse(await server.request('GET', `/api/v1/namespaces/${namespace}/pods`)) as {
        items: Observed<Pod>[];
      }
    ).items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const podNames = async () => (await podsThere()).map(({ metadata }) => metadata.name);

  describe('pods of them', () => {
    let authorities: Authorities;
    let certificate: KeyCertPair;
    let stopped: AbortController;
    let modelDir: string;

    before(async () => {
      authorities = await newAuthority();
      certificate = await newLeaf('operator', authorities);
    });

    beforeEach(async () => {
      stopped = new AbortController();
      modelDir = mkdtempSync(join(tmpdir(), 'wherry-pool-'));
      await client.create(runtime());
      await eventually('the pool is there', async () => (await pool()) !== undefined);
    });

    afterEach(() => {
      stopped.abort();
      rmSync(modelDir, { recursive: true });
    });

    /** An operator's stand-ins, with caches of their own. */
    async function standIns() {
      const { log, entries } = recordedLog();
      const own = new KubeClient(server.kubeConfig());
      const { log: quiet } = recordedLog();
      const cluster = new KubeCluster({ client: own, log: quiet, onChange: () => undefined });
      await cluster.start(stopped.signal);
      const made = new StandIns({
        ...{ lister: cluster, writer: cluster, log },
        certificate: () => certificate,
      });
      return { take: (name: string) => made.take(isvc(name), refOf(name)), entries };
    }

    const refOf = (service: string) =>
      ({ namespace, service, component: 'predictor', revision: 1 }) as const;

    const isvc = (name: string) =>
      ({
        apiVersion: 'serving.kserve.io/v1beta1',
        kind: 'InferenceService',
        metadata: { name, namespace, uid: `uid-of-${name}` },
        spec: { predictor: { model: { modelFormat: { name: 'onnx' }, runtime: RUNTIME } } },
      }) as InferenceServiceData;

    /** The Deployment of a service's first revision, which has no pods; its server listens where the pod's does. */
    async function makeRevision(
      name: string,
      { port, env, uri = 'builtin://iris' }: RevisionOptions,
    ) {
      const args = [`--http_port=${port}`, '--host=127.0.0.1', `--model_dir=${modelDir}`];
      const model = { storageUri: uri, args, env } as object;
      const { predictor } = isvc(name).spec;
      const spec = { predictor: { ...predictor, model: { ...predictor.model, ...model } } };
      const [component] = components({ ...isvc(name), spec } as InferenceServiceData);
      if (component === undefined) throw new Error('a service has a component');
      const revision = `${name}-predictor-00001`;
      const options = { component, runtime: runtime(), revision };
      const template = podTemplate({ ...options, config: DEFAULT_CONFIG });
      if (!template.ok) throw new Error(template.problem.message);
      const made = deployment({ ...options, template: template.value, replicas: 0 });
      await client.create({ ...made, metadata: { ...made.metadata, ownerReferences: [] } });
    }

    /** Makes a pod of the pool, and runs its server until `run` has ended. */
    async function withPoolPod(run: (port: number, predictor: RunningPredictor) => Promise<void>) {
      const port = await freePort();
      await makePod('warm', port);
      const { metadata } = await client.get<KubeObject>({ kind: 'Pod', namespace, name: 'warm' });
      const flags = [
        ...[`--http_port=${port}`, `--model_dir=${modelDir}`, `--pod_uid=${metadata.uid}`],
        `--pool_authority=${trustBundle(authorities)}`,
      ];
      await withPredictor(flags, async (predictor) => {
        await predictor.waiting;
        await run(port, predictor);
      });
    }

    it('stand in for a revision with its model, as its own would', async () => {
      await withPoolPod(async (port) => {
        await makeRevision('iris', { port });
        const { take, entries } = await standIns();
        await take('iris');
        expect(entries.map(({ message }) => message)).to.deep.equal(['stands in']);
        const [pod] = await podsThere();
        expect(pod?.metadata.labels).to.include({
          'serving.kserve.io/inferenceservice': 'iris',
          'serving.wherry.dev/revision': REVISION,
          component: 'predictor',
        });
        // Its Deployment would take it for one of its own, and its pool must make another.
        expect(pod?.metadata.labels).to.not.have.any.keys('app', 'serving.wherry.dev/pool');
        expect(pod?.metadata.ownerReferences?.map(({ name }) => name)).to.deep.equal([REVISION]);
        const answer = await call(`http://127.0.0.1:${port}/v2/models/iris/ready`);
        expect(answer.status).to.equal(200);
      });
    });

    it('are taken by one of several operators, for one revision', async () => {
      await withPoolPod(async (port) => {
        const names = ['iris', 'rose', 'lily'];
        for (const name of names) await makeRevision(name, { port });
        const operators = await Promise.all(names.map(standIns));
        await Promise.all(operators.map(({ take }, i) => take(names[i] ?? '')));
        const told = operators.flatMap(({ entries }) => entries.map(({ message }) => message));
        expect(told).to.deep.equal(['stands in']);
        const answers = names.map((name) => call(`http://127.0.0.1:${port}/v2/models/${name}`));
        const statuses = (await Promise.all(answers)).map(({ status }) => status);
        expect(statuses.sort()).to.deep.equal([200, 404, 404]);
      });
    });

    it('are left alone for a revision that they do not fit, which is told', async () => {
      await withPoolPod(async (port) => {
        await makeRevision('iris', { port, env: [{ name: 'PREDICT_PROBA', value: 'true' }] });
        await (await standIns()).take('iris');
        const [pod] = await podsThere();
        expect(pod?.metadata.labels).to.not.have.property(CLAIMED);
        const events = await server.request('GET', `/api/v1/namespaces/${namespace}/events`);
        expect(events).to.contain('starts without the warm pool: its pods differ in env');
      });
    });

    it('are deleted when the model does not load, or nobody answers', async () => {
      await withPoolPod(async (port, { exit }) => {
        await makeRevision('iris', { port, uri: 'builtin://no-such-model' });
        const { take, entries } = await standIns();
        await take('iris');
        expect(entries.map(({ message }) => message)).to.deep.equal(['no stand-in']);
        expect(String(entries[0]?.error)).to.match(/pod warm: 400 .*no-such-model/);
        expect(await podNames()).to.deep.equal([]);
        expect(await exit).to.equal(1);
      });
      await makePod('silent', await freePort());
      const { take, entries } = await standIns();
      await take('iris');
      expect(String(entries[0]?.error)).to.match(/ECONNREFUSED/);
      expect(await podNames()).to.deep.equal([]);
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
