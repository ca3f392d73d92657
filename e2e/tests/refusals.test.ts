/** What the cluster refuses, and what belongs to somebody else, is told in the status and taken from nobody. */
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../harness/cluster.ts';
import {
  apply,
  conditionOf,
  get,
  infer,
  isvc,
  kubectl,
  ready,
  removeAll,
  type Status,
  statusOf,
} from '../harness/kubectl.ts';
import { eventually } from '../harness/load.ts';
import { run } from '../harness/shell.ts';

/** Waits until Ready is False with a message that fits. */
function refused(name: string, pattern: RegExp, namespace = 'default'): Promise<Status> {
  return eventually(
    `${name} says ${pattern}`,
    async () => {
      const status = await statusOf(name, namespace);
      const is = conditionOf(status, 'Ready');
      return is?.status === 'False' && pattern.test(`${is.reason}: ${is.message}`) && status;
    },
    10,
  );
}

/** The events of this very service; earlier ones of its name have theirs, too. */
async function eventsOf(name: string): Promise<string[]> {
  const { uid } = (await get('isvc', name)).metadata;
  const selector = `involvedObject.uid=${uid},reason=InferenceServiceNotReady`;
  const { items } = await get<{ items: { message?: string }[] }>(
    ...['events', '--field-selector', selector],
  );
  return items.map(({ message = '' }) => message);
}

const named = (name: string, namespace: string, predictor: object = {}) => {
  const service = isvc(name, predictor) as { metadata: object };
  return { ...service, metadata: { ...service.metadata, namespace } };
};

describe('what the API server refuses', function () {
  this.timeout(120_000);
  afterEach(() => removeAll('refused'));

  const cases: [string, object, object, RegExp][] = [
    [
      'a limit below the request',
      {},
      { resources: { limits: { memory: '128Mi' } } },
      /must be less than or equal to memory limit/,
    ],
    ['a label with an umlaut', { labels: { team: 'Möbel' } }, {}, /a valid label must be/],
    [
      'a quantity that is none',
      {},
      { resources: { requests: { memory: '2GB' } } },
      /quantities must match the regular expression|unable to parse quantity/,
    ],
    [
      'a toleration operator that is none',
      { tolerations: [{ key: 'a', operator: 'Equals' }] },
      {},
      /tolerations\[\d+\]\.operator: Unsupported value: "Equals"/,
    ],
    ['a path on a volume that is none', {}, { storageUri: 'pvc://claim//x' }, /subPath/],
  ];
  for (const [name, predictor, model, pattern] of cases) {
    it(`${name} is told with its own words, once, and the other objects are there`, async () => {
      await apply(isvc('refused', predictor, model));
      const status = await refused('refused', pattern);
      expect(conditionOf(status, 'PredictorReady')?.reason).to.equal('ApplyRefused');
      expect(status.modelStatus?.transitionStatus).to.equal('InvalidSpec');
      await get('service', 'refused');
      await get('service', 'refused-predictor');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      expect(await eventsOf('refused')).to.have.length(1);
    });
  }

  it('an update of a service that is ready makes it not ready, and the old revision serves on', async () => {
    await apply(isvc('refused'));
    await ready('refused');
    await apply(isvc('refused', {}, { resources: { limits: { memory: '128Mi' } } }));
    await refused('refused', /must be less than or equal to memory limit/);
    expect((await infer('refused')).status).to.equal(200);
    await apply(isvc('refused'));
    await ready('refused');
  });
});

describe('what the cluster lets no pod be made for', function () {
  this.timeout(180_000);
  const namespaces = ['no-pods', 'small-pods', 'strict'];
  before(async () => {
    for (const namespace of namespaces) await kubectl('create', 'namespace', namespace);
  });
  after(async () => {
    await removeAll('priority', 'memory', 'disk', 'n'.repeat(47));
    await kubectl('delete', 'namespace', ...namespaces);
  });

  it('a quota', async () => {
    const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'none' } };
    await apply({ ...quota, spec: { hard: { pods: '0' } } }, '-n', 'no-pods');
    await apply(named('iris', 'no-pods'));
    await refused('iris', /PodsRefused: .*exceeded quota: none/, 'no-pods');
    await kubectl('delete', 'resourcequota', 'none', '-n', 'no-pods');
  });

  it('a limit range', async () => {
    const limits = [{ type: 'Container', max: { memory: '64Mi' } }];
    await apply(
      { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'small' }, spec: { limits } },
      ...['-n', 'small-pods'],
    );
    await apply(named('iris', 'small-pods'));
    await refused(
      'iris',
      /PodsRefused: .*maximum memory usage per Container is 64Mi/,
      'small-pods',
    );
  });

  it('a priority class that is missing', async () => {
    await apply(isvc('priority', { priorityClassName: 'no-such-class' }));
    await refused('priority', /PodsRefused: .*no PriorityClass with name no-such-class was found/);
  });

  it('a restricted namespace admits a default pod, and tells what it does not', async () => {
    const level = 'pod-security.kubernetes.io/enforce=restricted';
    await kubectl('label', 'namespace', 'strict', level);
    await apply(named('iris', 'strict'));
    await eventually(
      'iris in strict is ready',
      async () => conditionOf(await statusOf('iris', 'strict'), 'Ready')?.status === 'True',
      60,
    );
    await apply(named('host', 'strict', { hostNetwork: true }));
    await refused('host', /PodsRefused: .*violates PodSecurity "restricted/, 'strict');
  });

  it('a container killed for memory', async () => {
    const resources = { requests: { memory: '16Mi' }, limits: { memory: '24Mi' } };
    await apply(isvc('memory', {}, { resources }));
    await refused('memory', /OOMKilled: .*raise resources\.limits\.memory/);
  });

  it('an evicted pod', async () => {
    const { items } = await get<{ items: { spec: { containers: { image: string }[] } }[] }>(
      ...['clusterservingruntimes', '--field-selector', 'metadata.name=wherry-predictor'],
    );
    const write =
      "require('node:fs').writeFileSync('/data/x', Buffer.alloc(32 << 20)); setInterval(() => {}, 1000)";
    await apply({
      ...isvc('disk'),
      spec: {
        predictor: {
          containers: [
            {
              name: 'kserve-container',
              image: items[0]?.spec.containers[0]?.image,
              command: ['node', '-e', write],
              volumeMounts: [{ name: 'data', mountPath: '/data' }],
            },
          ],
          volumes: [{ name: 'data', emptyDir: { sizeLimit: '1Mi' } }],
        },
      },
    });
    await eventually(
      'a pod is evicted',
      async () => {
        const selector = 'serving.kserve.io/inferenceservice=disk';
        const pods = await kubectl(
          'get',
          'pods',
          '-l',
          selector,
          '-o',
          'jsonpath={.items[*].status.reason}',
        );
        return pods.includes('Evicted');
      },
      120,
    );
    await refused('disk', /Evicted: .*exceeds the limit/);
  });

  it('a name of 47 characters gets its pods', async () => {
    await apply(isvc('n'.repeat(47)));
    await ready('n'.repeat(47));
  });
});

describe("what is somebody else's", function () {
  this.timeout(180_000);
  const service = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
    spec: { selector: { app: 'shop' }, ports: [{ port: 80, targetPort: 8080 }] },
  });
  after(async () => {
    await removeAll('shop', 'kubernetes', 'pair', 'pair-predictor', 'orphan');
    await kubectl('delete', 'service', 'shop', 'shop-predictor', '--ignore-not-found');
    await kubectl('delete', 'deployment', 'shop-predictor-00001', '--ignore-not-found');
  });

  for (const name of ['shop', 'shop-predictor']) {
    it(`the Service ${name} stays as it is and is named, until it goes`, async () => {
      await apply(service(name));
      const before = await get('service', name);
      await apply(isvc('shop'));
      const taken = new RegExp(`NameTaken: Service "${name}" exists .*it is managed by Helm`);
      await refused('shop', taken);
      expect(await get('service', name)).to.deep.equal(before);
      await kubectl('delete', 'service', name);
      await ready('shop', 90);
      await removeAll('shop');
    });
  }

  it('a Deployment of a revision stays as it is and is named', async () => {
    const labels = { app: 'theirs' };
    const container = { name: 'x', image: 'example.com/none' };
    await apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'shop-predictor-00001' },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    });
    const { metadata } = await get('deployment', 'shop-predictor-00001');
    await apply(isvc('shop'));
    await refused(
      'shop',
      /NameTaken: Deployment "shop-predictor-00001" exists .*it was made by kubectl/,
    );
    const after = await get('deployment', 'shop-predictor-00001');
    expect(after.metadata.generation).to.equal(metadata.generation);
    expect(after.metadata.ownerReferences).to.equal(undefined);
  });

  it("the API server's own Service stays as it is", async () => {
    const before = await get('service', 'kubernetes');
    await apply(isvc('kubernetes'));
    await refused('kubernetes', /NameTaken: Service "kubernetes" exists/);
    expect(await get('service', 'kubernetes')).to.deep.equal(before);
    await removeAll('kubernetes');
    expect(await get('service', 'kubernetes')).to.deep.equal(before);
  });

  it('of two services that need one name the older keeps it, and the other says why not', async () => {
    await apply(isvc('pair'));
    await ready('pair');
    await apply(isvc('pair-predictor'));
    await refused(
      'pair-predictor',
      /HostTaken: host pair-predictor-default\.example\.com belongs to the older service default\/pair/,
    );
    const { metadata } = await get('service', 'pair-predictor');
    expect(metadata.ownerReferences?.map(({ name }) => name)).to.deep.equal(['pair']);
    await removeAll('pair-predictor');
    expect((await infer('pair')).status).to.equal(200);
  });

  it('children that were left without an owner are adopted, and no pod restarts', async () => {
    await apply(isvc('orphan'));
    await ready('orphan');
    const before = await get('deployment', 'orphan-predictor-00001');
    await kubectl('delete', 'isvc', 'orphan', '--cascade=orphan');
    await apply(isvc('orphan'));
    await ready('orphan');
    const { metadata } = await get('isvc', 'orphan');
    for (const [kind, name] of [
      ['deployment', 'orphan-predictor-00001'],
      ['service', 'orphan'],
      ['service', 'orphan-predictor'],
      ['endpointslice', 'orphan-predictor-router'],
    ] as const) {
      const child = await get(kind, name);
      expect(
        child.metadata.ownerReferences?.map(({ uid }) => uid),
        name,
      ).to.deep.equal([metadata.uid]);
    }
    const after = await get('deployment', 'orphan-predictor-00001');
    expect(after.metadata.uid).to.equal(before.metadata.uid);
  });
});

describe("KServe's Python SDK", function () {
  this.timeout(120_000);
  after(() => removeAll('by-sdk'));

  it('creates a service that becomes ready', async function () {
    const python = process.env.WHERRY_PYTHON;
    if (python === undefined) return this.skip();
    await run(python, [join(ROOT, 'e2e/tests/create_with_sdk.py'), 'by-sdk']);
    await ready('by-sdk');
    expect((await infer('by-sdk')).status).to.equal(200);
  });
});
