/** The chart's objects before a real API server, which knows rules that no schema tells. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { loadAll } from 'js-yaml';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import { availableHelm, renderChart } from '../../../e2e/harness/helm.ts';
import { eventually } from '../../../e2e/harness/load.ts';
import type { KubeObject } from '../../src/api/kube.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

const helm = await availableHelm();
const IRREGULAR: Readonly<Record<string, string>> = {
  NetworkPolicy: 'networkpolicies',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
};

const README = new URL('../../../README.md', import.meta.url);
const CRD = new URL(
  '../../../config/crd/serving.kserve.io_inferenceservices.yaml',
  import.meta.url,
);

interface Crd {
  readonly scope: string;
  readonly names: { readonly categories: string[] };
  readonly versions: object[];
}

const of = ({ apiVersion, metadata }: KubeObject) =>
  `/apis/${apiVersion}/customresourcedefinitions/${metadata.name}`;

function collection({ apiVersion, kind, metadata }: KubeObject): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  // Nothing is made, so that any namespace will do.
  const scope = metadata.namespace === undefined ? '' : '/namespaces/default';
  return `${root}${scope}/${IRREGULAR[kind] ?? `${kind.toLowerCase()}s`}`;
}

(helm === undefined ? describe.skip : describeWithApiServer)(
  'chart before the API server',
  function () {
    this.timeout(60_000);
    let server: ApiServer;

    before(async () => {
      server = await sharedApiServer();
    });

    it('refuses by its policy what is accepted without effect', async () => {
      const objects = await renderChart<KubeObject>(helm ?? '');
      const policy = objects.filter(({ kind }) => kind.startsWith('ValidatingAdmissionPolicy'));
      const services =
        '/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices?dryRun=All';
      const answer = async (metadata: object, predictor: object = {}) => {
        const model = { modelFormat: { name: 'onnx' }, storageUri: 'builtin://iris' };
        return server
          .request('POST', services, {
            apiVersion: 'serving.kserve.io/v1beta1',
            kind: 'InferenceService',
            metadata: { name: 'iris', ...metadata },
            spec: { predictor: { model, ...predictor } },
          })
          .then(
            () => 'accepted',
            (error: Error) => error.message,
          );
      };
      for (const object of policy) await server.request('POST', collection(object), object);
      try {
        const serverless = { annotations: { 'serving.kserve.io/deploymentMode': 'Serverless' } };
        await eventually('the policy is in force', async () =>
          (await answer(serverless)).includes('[Serverless] is not a supported deployment mode'),
        );
        const scaled = (name: string, value: string) => ({
          annotations: { [`autoscaling.knative.dev/${name}`]: value },
        });
        expect(await answer({})).to.equal('accepted');
        expect(await answer(scaled('window', '60s'))).to.equal('accepted');
        expect(await answer(scaled('min-scale', '2'))).to.equal('accepted');
        expect(await answer({}, scaled('max-scale', '2'))).to.equal('accepted');
        expect(await answer(scaled('max-scale', '-1'))).to.include('max-scale is [-1]');
        expect(await answer(scaled('metric', 'cpu'))).to.include('[cpu] is not a supported metric');
        expect(await answer({}, { scaleMetricType: 'Utilization' })).to.include('[Utilization]');
        const hidden = { labels: { 'networking.knative.dev/visibility': 'cluster-local' } };
        expect(await answer(hidden)).to.include('networking.kserve.io/visibility');
        expect(await answer(scaled('window', 'abc'))).to.include('set a duration from 6s to 1h');
        expect(await answer(scaled('target', '0'))).to.include('set a number from 0.01 to');
        const kserves = (name: string, value: string) => ({
          annotations: { [`serving.kserve.io/${name}`]: value },
        });
        expect(await answer(kserves('nodegroup', 'n'))).to.include('nodegroup has no effect');
        expect(await answer(kserves('stop', 'True'))).to.equal('accepted');
        expect(await answer(kserves('stop', 'yes'))).to.include('set it to true or false');
        expect(await answer(kserves('storage-initializer-uid', '0'))).to.include('other than root');
        expect(await answer({}, kserves('stop', 'true'))).to.include('set it in metadata.annotat');
        const ofHpa = kserves('autoscalerClass', 'hpa');
        const metric = (target: object) => ({
          autoScaling: { metrics: [{ type: 'Resource', resource: { name: 'memory', target } }] },
        });
        const average = metric({ type: 'AverageValue', averageValue: '2Gi' });
        expect(await answer(ofHpa)).to.equal('accepted');
        expect(await answer(ofHpa, average)).to.equal('accepted');
        expect(await answer({}, average)).to.include('autoScaling has no effect with Wherry');
        expect(await answer(ofHpa, metric({ type: 'Utilization' }))).to.include('averageUtil');
        const inBytes = metric({ type: 'AverageValue', averageValue: '2GB' });
        expect(await answer(ofHpa, inBytes)).to.include('averageValue in body should match');
        expect(await answer(ofHpa, { scaleMetric: 'rps' })).to.include('[rps] is not a supported');
        expect(await answer(ofHpa, { scaleTarget: 101 })).to.include('scaleTarget is [101]');
        expect(
          await answer({
            annotations: { ...ofHpa.annotations, ...scaled('window', '60s').annotations },
          }),
        ).to.include('window has no effect with the autoscaler class hpa');
        const env = (value: string) => ({ env: [{ name: 'PROTOCOL', value }] });
        const own = (value: string) => ({
          model: undefined,
          containers: [{ name: 'mine', image: 'm:1', ...env(value) }],
        });
        expect(await answer({}, own('v2'))).to.equal('accepted');
        expect(await answer({}, own('foo'))).to.include('PROTOCOL of the container that serves');
      } finally {
        for (const object of policy) {
          await server.request('DELETE', `${collection(object)}/${object.metadata.name}`);
        }
      }
    });

    it('refuses another mode on an update, and lets an object go that is older than a rule', async () => {
      const policy = (await renderChart<KubeObject>(helm ?? '')).filter(({ kind }) =>
        kind.startsWith('ValidatingAdmissionPolicy'),
      );
      const services = '/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices';
      const path = `${services}/older`;
      const annotated = (name: string, value: string) => ({
        metadata: { annotations: { [`serving.kserve.io/${name}`]: value } },
      });
      const patched = (patch: object, query = '') =>
        server.request('PATCH', `${path}${query}`, patch).then(
          () => 'accepted',
          (error: Error) => error.message,
        );
      const older = {
        apiVersion: 'serving.kserve.io/v1beta1',
        kind: 'InferenceService',
        metadata: { name: 'older', ...annotated('nodegroup', 'n').metadata },
        spec: { predictor: { sklearn: { storageUri: 's3://b/m' } } },
      };
      // The policy of the test before may be in force for a moment yet.
      await eventually('there is no policy', () => server.request('POST', services, older));
      for (const object of policy) await server.request('POST', collection(object), object);
      try {
        await eventually('the policy is in force', async () =>
          (await patched(annotated('deploymentMode', 'Knative'), '?dryRun=All')).includes(
            '[Knative] is not a supported deployment mode',
          ),
        );
        expect(await patched(annotated('stop', 'true'))).to.include('nodegroup has no effect');
        const finalizers = ['example.com/kept'];
        expect(await patched({ metadata: { finalizers } })).to.equal('accepted');
        await server.request('DELETE', path);
        expect(await patched({ metadata: { finalizers: null } })).to.equal('accepted');
        const left = await server.request('GET', services);
        expect(left).not.to.include('"older"');
      } finally {
        for (const object of policy) {
          await server.request('DELETE', `${collection(object)}/${object.metadata.name}`);
        }
      }
    });

    it('has CRDs that the command of the README upgrades after Helm has made them', async () => {
      const [command = ''] =
        /kubectl apply [^`]*config\/crd/.exec(readFileSync(README, 'utf8')) ?? [];
      const [crd] = loadAll(readFileSync(CRD, 'utf8')) as (KubeObject & { spec: Crd })[];
      if (crd === undefined) throw new Error('no CRD');
      const { scope, names, versions } = crd.spec;
      const changed = { scope, names: { ...names, categories: ['kserve'] }, versions };
      const isForced = command.includes('--force-conflicts');
      await server.apply(of(crd), { ...crd, spec: { ...crd.spec, ...changed } }, 'helm', true);
      await server.apply(of(crd), crd, 'kubectl', isForced);
      const { spec } = JSON.parse(await server.request('GET', of(crd))) as { spec: Crd };
      expect(spec.names.categories).to.deep.equal(['all']);
    });

    for (const values of [[], ['operator.replicas=3', 'router.service.type=LoadBalancer']]) {
      it(`is accepted with ${values.join(' and ') || 'its defaults'}`, async () => {
        const objects = await renderChart<KubeObject>(helm ?? '', values);
        expect(objects).not.to.have.length(0);
        for (const object of objects) {
          const metadata = {
            ...object.metadata,
            namespace: object.metadata.namespace && 'default',
          };
          const path = `${collection(object)}?dryRun=All&fieldValidation=Strict`;
          await server.request('POST', path, { ...object, metadata });
        }
      });
    }
  },
);
