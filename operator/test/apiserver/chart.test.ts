/** The chart's objects before a real API server, which knows rules that no schema tells. */
import { expect } from 'chai';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import { availableHelm, renderChart } from '../../../e2e/harness/helm.ts';
import type { KubeObject } from '../../src/api/kube.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

const helm = await availableHelm();
const IRREGULAR: Readonly<Record<string, string>> = {
  NetworkPolicy: 'networkpolicies',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
};

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
