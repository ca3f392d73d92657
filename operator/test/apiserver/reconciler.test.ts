/**
 * The controller of InferenceServices with its caches and workers on a real API server. No kubelet and no
 * controller of Kubernetes runs: what these would do, a test does itself.
 */
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import type { FaultProxy } from '../../../e2e/harness/fault-proxy.ts';
import { eventually } from '../../../e2e/harness/load.ts';
import type { InferenceServiceData } from '../../src/api/inferenceservice.ts';
import type { KubeObject, Observed, Service } from '../../src/api/kube.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { isNotFound } from '../../src/kube/errors.ts';
import {
  installRuntime,
  namespaceWithAccount,
  proxyOf,
  QUIET_MS,
  type RunningOperator,
  runPod,
  settled,
  startOperator as startOperatorBehind,
} from './running-operator.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

const REVISION = 'iris-predictor-00001';

describeWithApiServer('reconciler', function () {
  this.timeout(40_000);
  let server: ApiServer;
  let client: KubeClient;
  let proxy: FaultProxy;
  let namespace: string;
  let operator: RunningOperator | undefined;

  before(async () => {
    server = await sharedApiServer();
    client = new KubeClient(server.kubeConfig());
    await installRuntime(client);
  });

  beforeEach(async () => {
    proxy = await proxyOf(server);
    namespace = await namespaceWithAccount(server, 'reconciler');
  });

  afterEach(async () => {
    await operator?.stop();
    operator = undefined;
    proxy.close();
    await server.request('DELETE', services()).catch(() => undefined);
  });

  async function startOperator(): Promise<RunningOperator> {
    operator = await startOperatorBehind(server, proxy);
    return operator;
  }

  const services = () =>
    `/apis/serving.kserve.io/v1beta1/namespaces/${namespace}/inferenceservices`;

  function isvc(predictor: object = {}, model: object = {}): KubeObject {
    return {
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata: { name: 'iris', namespace },
      spec: {
        predictor: {
          model: { modelFormat: { name: 'onnx' }, storageUri: 'builtin://iris', ...model },
          ...predictor,
        },
      },
    } as KubeObject;
  }

  const read = <T = KubeObject>(kind: string, name: string) =>
    client.get<T>({ kind, namespace, name });

  const exists = (kind: string, name: string) =>
    read(kind, name).then(
      () => true,
      (error) => {
        if (isNotFound(error)) return false;
        throw error;
      },
    );

  /** Waits until a condition of the service has this reason, and returns its message. */
  function told(type: string, reason: string): Promise<string> {
    return eventually(
      `${type} says ${reason}`,
      async () => {
        const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
        const condition = status?.conditions?.find((c) => c.type === type);
        return condition?.status === 'False' && condition.reason === reason && condition.message;
      },
      10,
    );
  }

  interface Told {
    readonly reason?: string;
    readonly message?: string;
    readonly involvedObject: { readonly kind?: string; readonly name?: string };
  }

  async function eventsIn(where: string): Promise<readonly Told[]> {
    const text = await server.request('GET', `/api/v1/namespaces/${where}/events`);
    return (JSON.parse(text) as { items: Told[] }).items;
  }

  it('makes the children of a new service, writes its status once, and then rests', async () => {
    const running = await startOperator();
    const { metadata } = await client.create<KubeObject>(isvc());
    await eventually('the revision is there', () => exists('Deployment', REVISION));
    await settled(running);
    for (const [kind, name] of [
      ['Deployment', REVISION],
      ['Service', 'iris'],
      ['Service', 'iris-predictor'],
      ['EndpointSlice', 'iris-predictor-router'],
    ] as const) {
      const child = await read(kind, name);
      expect(child.metadata.ownerReferences?.[0]?.uid, `${kind} ${name}`).to.equal(metadata.uid);
    }
    const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
    expect(status?.components?.predictor?.latestCreatedRevision).to.equal(REVISION);
    expect(running.requests.filter((request) => request.startsWith('apply status'))).to.deep.equal([
      'apply status InferenceService 200',
    ]);
    expect(running.requests.filter((request) => / [45]\d\d$/.test(request))).to.deep.equal([]);

    running.requests.length = 0;
    running.reconciliation.enqueueAll();
    await sleep(QUIET_MS);
    expect(running.requests).to.deep.equal([]);
  });

  it('finds everything as it should be when it starts again, and writes nothing', async () => {
    const first = await startOperator();
    await client.create(isvc());
    await eventually('the revision is there', () => exists('Deployment', REVISION));
    await settled(first);
    await first.stop();
    const second = await startOperator();
    await sleep(QUIET_MS);
    expect(second.requests).to.deep.equal([]);
  });

  it('repairs a child that somebody has changed or deleted', async () => {
    const running = await startOperator();
    await client.create(isvc());
    await eventually('the revision is there', () => exists('Deployment', REVISION));
    await settled(running);
    const collection = `/api/v1/namespaces/${namespace}/services`;
    const labels = { 'serving.kserve.io/inferenceservice': 'iris' };
    const { metadata } = await read<Observed<Service>>('Service', 'iris-predictor');
    await server.request('DELETE', `${collection}/iris`);
    await eventually('the Service is back', () => exists('Service', 'iris'));
    const changed = { spec: { ports: [{ name: 'other', port: 8080 }] } };
    await server.request('PATCH', `${collection}/iris-predictor`, changed);
    await eventually('the port is back', async () => {
      const { spec } = await read<Observed<Service>>('Service', 'iris-predictor');
      return spec?.ports?.some(({ port }) => port === 80);
    });
    expect(metadata.labels).to.include(labels);
  });

  describe('what the API server refuses', () => {
    for (const [what, predictor, model, expected] of [
      [
        'a quantity that is none',
        {},
        { resources: { requests: { memory: '2GB' } } },
        /quantities must match the regular expression|unable to parse quantity/,
      ],
      [
        'a toleration operator that is none',
        { tolerations: [{ key: 'a', operator: 'Is' }] },
        {},
        /tolerations\[\d+\]\.operator: Unsupported value: "Is"/,
      ],
      [
        'a label of 64 characters',
        { labels: { team: 'x'.repeat(64) } },
        {},
        /must be no more than 63/,
      ],
    ] as const) {
      it(`${what} is told in the API server's words, once, and the other children are there`, async () => {
        const running = await startOperator();
        await client.create(isvc(predictor, model));
        const message = await told('Ready', 'ApplyRefused');
        expect(message).to.match(expected);
        expect(message).to.match(new RegExp(`^Deployment "${REVISION}": `));
        // Neither our verb nor our path is of use to a user.
        expect(message).not.to.match(/\/apis\/|^create|^apply/);
        for (const name of ['iris', 'iris-predictor']) {
          expect(await exists('Service', name), name).to.equal(true);
        }
        await eventually('it has been tried again', () => {
          const tries = running.requests.filter((request) => /^create Deployment/.test(request));
          return tries.length > 2;
        });
        const all = await eventsIn(namespace);
        const events = all.filter(
          ({ involvedObject }) => involvedObject.kind === 'InferenceService',
        );
        expect(events.map(({ reason }) => reason)).to.deep.equal(['InferenceServiceNotReady']);
        expect(events[0]?.message).to.match(expected);
        const statuses = running.requests.filter((request) => request.startsWith('apply status'));
        expect(statuses).to.have.length(1);
      });
    }

    it('heals when the user repairs the service', async () => {
      await startOperator();
      await client.create(isvc({ labels: { team: 'x'.repeat(64) } }));
      await told('Ready', 'ApplyRefused');
      const repaired = { spec: { predictor: { labels: { team: 'x' } } } };
      await server.request('PATCH', `${services()}/iris`, repaired);
      await eventually('the revision is there', () => exists('Deployment', REVISION));
      await eventually('the refusal is gone', async () => {
        const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
        return status?.conditions?.every(({ reason }) => reason !== 'ApplyRefused');
      });
    });
  });

  describe("what is somebody else's", () => {
    const shop = (kind: string, name: string, spec: object, apiVersion = 'v1') =>
      client.create<KubeObject>({
        apiVersion,
        kind,
        metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'shop' } },
        spec,
      } as KubeObject);

    async function isLeftAlone(object: KubeObject): Promise<void> {
      const { metadata } = await read(object.kind, object.metadata.name);
      expect(metadata.resourceVersion).to.equal(object.metadata.resourceVersion);
    }

    for (const name of ['iris', 'iris-predictor']) {
      it(`the Service ${name} is left alone and named`, async () => {
        const spec = { selector: { app: 'shop' }, ports: [{ port: 80 }] };
        const theirs = await shop('Service', name, spec);
        const running = await startOperator();
        await client.create(isvc());
        const message = await told('IngressReady', 'NameTaken');
        expect(message).to.include(`Service "${name}" exists`).and.include('managed by shop');
        await settled(running);
        await isLeftAlone(theirs);
        expect(await exists('Deployment', REVISION)).to.equal(true);

        await server.request('DELETE', `/api/v1/namespaces/${namespace}/services/${name}`);
        await eventually('the name is taken when it is free', () => exists('Service', name), 30);
      });
    }

    it('a Deployment of the revision is left alone and named', async () => {
      const labels = { app: 'shop' };
      const spec = {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'shop', image: 'i' }] } },
      };
      const theirs = await shop('Deployment', REVISION, spec, 'apps/v1');
      const running = await startOperator();
      await client.create(isvc());
      const message = await told('PredictorReady', 'NameTaken');
      expect(message).to.include(`Deployment "${REVISION}" exists`).and.include('managed by shop');
      await settled(running);
      await isLeftAlone(theirs);
      expect(await exists('Service', 'iris')).to.equal(true);
    });
  });

  it('adopts children that have lost their owner', async () => {
    const running = await startOperator();
    const { metadata } = await client.create<KubeObject>(isvc());
    await eventually('the revision is there', () => exists('Deployment', REVISION));
    await settled(running);
    const orphaned = { metadata: { ownerReferences: null } };
    const children = [
      ['Deployment', REVISION, `/apis/apps/v1/namespaces/${namespace}/deployments`],
      ['Service', 'iris', `/api/v1/namespaces/${namespace}/services`],
      [
        'EndpointSlice',
        'iris-predictor-router',
        `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
      ],
    ] as const;
    for (const [kind, name, collection] of children) {
      await server.request('PATCH', `${collection}/${name}`, orphaned);
      await eventually(`${kind} ${name} has an owner again`, async () => {
        const child = await read(kind, name);
        return child.metadata.ownerReferences?.[0]?.uid === metadata.uid;
      });
    }
  });

  describe('while the watches of children are behind', () => {
    const held = new Map<string, PromiseWithResolvers<undefined>>();

    /** Holds the watches of these collections, and the list of services, until `catchUp`. */
    function hold(...collections: string[]): void {
      for (const collection of collections) held.set(collection, Promise.withResolvers());
      proxy.decide = ({ pathname, searchParams }) => {
        const collection = basename(pathname);
        const isHeld = searchParams.has('watch') || collection === 'inferenceservices';
        return isHeld ? held.get(collection)?.promise : undefined;
      };
    }

    function catchUp(...collections: string[]): void {
      for (const collection of collections) held.get(collection)?.resolve(undefined);
    }

    afterEach(() => {
      catchUp(...held.keys());
      held.clear();
    });

    /**
     * Starts an operator that knows of a service, but not of the Deployment, which another operator has made that led
     * before. @param told false where that one ended before it wrote the status
     */
    async function startBehind({ told }: { readonly told: boolean }): Promise<RunningOperator> {
      hold('deployments', 'inferenceservices');
      const starting = startOperator();
      await eventually('the Deployments were listed', () =>
        proxy.requests.some(
          ({ pathname, searchParams }) =>
            basename(pathname) === 'deployments' && searchParams.has('watch'),
        ),
      );
      const other = await proxyOf(server);
      other.decide = ({ pathname }) =>
        !told && basename(pathname) === 'status' ? { status: 504, body: 'no answer' } : undefined;
      const before = await startOperatorBehind(server, other);
      await client.create(isvc());
      await eventually('it tried to write the status', () =>
        before.requests.some((request) => request.startsWith('apply status')),
      );
      await before.stop();
      other.close();
      catchUp('inferenceservices');
      return starting;
    }

    async function hasOneRevisionAndRests(running: RunningOperator): Promise<void> {
      catchUp(...held.keys());
      await settled(running);
      running.requests.length = 0;
      running.reconciliation.enqueueAll();
      await sleep(QUIET_MS);
      expect(running.requests).to.deep.equal([]);
      expect(await exists('Deployment', REVISION)).to.equal(true);
      expect(await exists('Deployment', 'iris-predictor-00002')).to.equal(false);
      const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
      expect(status?.components?.predictor?.latestCreatedRevision).to.equal(REVISION);
      const reasons = status?.conditions?.map(({ reason }) => reason);
      expect(reasons).not.to.include('NameTaken');
    }

    it('the operator knows what it has written itself, and writes it once', async () => {
      hold('deployments', 'services', 'endpointslices');
      const running = await startOperator();
      await client.create(isvc());
      await eventually('the revision is there', () => exists('Deployment', REVISION));
      await settled(running);
      running.reconciliation.enqueueAll();
      await settled(running);
      expect(running.requests).to.deep.equal([
        'create Deployment 201',
        'apply Service 201',
        'apply Service 201',
        'apply EndpointSlice 201',
        'apply status InferenceService 200',
      ]);
      await hasOneRevisionAndRests(running);
    });

    it('the revision that the status names is not made again under another number', async () => {
      const running = await startBehind({ told: true });
      await settled(running);
      const deployments = running.requests.filter((request) => request.includes('Deployment'));
      expect(new Set(deployments)).to.deep.equal(new Set(['get Deployment 200']));
      await hasOneRevisionAndRests(running);
    });

    it('one that no status names yet is found by its name, and is its own', async () => {
      const running = await startBehind({ told: false });
      await eventually('the name is found taken', () =>
        running.requests.includes('create Deployment 409'),
      );
      await hasOneRevisionAndRests(running);
    });
  });

  it('makes a new revision when the Deployment of the last one was deleted', async () => {
    const running = await startOperator();
    await client.create(isvc());
    await eventually('the revision is there', () => exists('Deployment', REVISION));
    await settled(running);
    const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
    await server.request('DELETE', `${deployments}/${REVISION}`);
    await eventually('there is a new one', () => exists('Deployment', 'iris-predictor-00002'));
    await settled(running);
    expect(await exists('Deployment', 'iris-predictor-00003')).to.equal(false);
    running.requests.length = 0;
    running.reconciliation.enqueueAll();
    await sleep(QUIET_MS);
    expect(running.requests).to.deep.equal([]);
  });

  it('makes what it owes when the API server was away meanwhile', async () => {
    const running = await startOperator();
    await server.kill();
    await eventually('the watches are interrupted', () =>
      running.entries.some(({ message }) => message === 'watch interrupted'),
    );
    await server.restart();
    await client.create(isvc());
    await eventually('the revision is there', () => exists('Deployment', REVISION), 30);
    await eventually('the Services are there', () => exists('Service', 'iris-predictor'));
  });

  for (const kind of ['ServingRuntime', 'ClusterServingRuntime'] as const) {
    it(`tells who edits a ${kind} how many services go on as before`, async () => {
      const isShared = kind === 'ClusterServingRuntime';
      const name = `edited-in-${namespace}`;
      const runtime = (image: string) =>
        ({
          apiVersion: 'serving.kserve.io/v1alpha1',
          kind,
          metadata: { name, ...(isShared ? {} : { namespace }) },
          spec: {
            supportedModelFormats: [{ name: 'onnx', autoSelect: false }],
            containers: [{ name: 'kserve-container', image }],
          },
        }) as KubeObject;
      await client.apply(runtime('server:1'));
      const running = await startOperator();
      await client.create(isvc({}, { runtime: name }));
      await eventually('the revision is there', () => exists('Deployment', REVISION));
      await runPod(server, { namespace, name: REVISION });
      await eventually('the revision has served', async () => {
        const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
        return status?.components?.predictor?.latestReadyRevision === REVISION;
      });
      await settled(running);
      await client.apply(runtime('server:2'));
      const events = await eventually('an event tells of the edit', async () => {
        const all = await eventsIn(isShared ? 'default' : namespace);
        const told = all.filter(({ reason }) => reason === 'RuntimeEdited');
        const about = told.filter(({ involvedObject }) => involvedObject.name === name);
        return about.length > 0 && about;
      });
      await settled(running);
      expect(events).to.have.length(1);
      expect(events[0]?.involvedObject.kind).to.equal(kind);
      expect(events[0]?.message).to.match(/^1 InferenceService runs what this runtime was before/);
      const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
      const condition = status?.conditions?.find(({ type }) => type === 'NewerRuntimeAvailable');
      expect(condition?.reason).to.equal('RuntimeEdited');
    });
  }

  it('tells nobody that nothing can be made in a namespace that is being deleted', async () => {
    const running = await startOperator();
    await client.create(isvc());
    await eventually('the revision is there', () => exists('Deployment', REVISION));
    await settled(running);
    // Nothing finalises it here, so that it stays as it is while its objects go.
    await server.request('DELETE', `/api/v1/namespaces/${namespace}`);
    await server.request('DELETE', `/api/v1/namespaces/${namespace}/services/iris`);
    await eventually('it was tried', () =>
      running.requests.some((request) => request === 'apply Service 403'),
    );
    expect(running.entries.filter(({ level }) => level !== 'info')).to.deep.equal([]);
    const { status } = await read<InferenceServiceData>('InferenceService', 'iris');
    expect(status?.conditions?.map(({ reason }) => reason)).not.to.include('ApplyRefused');
  });

  it('leaves a service alone that is being deleted', async () => {
    const running = await startOperator();
    const service = isvc();
    await client.create({
      ...service,
      metadata: { ...service.metadata, finalizers: ['example.com/wait'] },
    } as KubeObject);
    await eventually('the revision is there', () => exists('Deployment', REVISION));
    await settled(running);
    await server.request('DELETE', `${services()}/iris`);
    running.requests.length = 0;
    await server.request('DELETE', `/api/v1/namespaces/${namespace}/services/iris`);
    await sleep(QUIET_MS);
    expect(running.requests).to.deep.equal([]);
    await server.request('PATCH', `${services()}/iris`, { metadata: { finalizers: null } });
  });
});
