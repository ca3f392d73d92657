/** A Service that leads to the operator that leads, on a real API server. */
import { expect } from 'chai';
import { eventually } from '../../../e2e/harness/load.ts';
import type { EndpointSlice, KubeObject, Observed } from '../../src/api/kube.ts';
import { keepLeaderEndpoints } from '../../src/controller/leader-endpoints.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { recordedLog } from './recorded-log.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

describeWithApiServer('endpoints of the leader', function () {
  this.timeout(60_000);
  const service = 'wherry-external-scaler';
  let client: KubeClient;
  let namespace: string;
  let stopped: AbortController;

  beforeEach(async () => {
    const server = await sharedApiServer();
    client = new KubeClient(server.kubeConfig());
    namespace = await server.namespace('leader');
    stopped = new AbortController();
  });

  afterEach(() => stopped.abort());

  const lead = (...podIPs: string[]) => {
    const { log, entries } = recordedLog();
    const options = { client, namespace, service, podIPs, port: 18001, log };
    return { entries, ended: keepLeaderEndpoints(options, stopped.signal) };
  };

  const createService = () =>
    client.create<KubeObject>({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: service, namespace },
      spec: { ports: [{ name: 'grpc', port: 18001 }] },
    } as KubeObject);

  const slice = (family: string) =>
    client.get<Observed<EndpointSlice>>({
      kind: 'EndpointSlice',
      namespace,
      name: `${service}-leader-${family}`,
    });

  const addresses = async (family = 'ipv4') =>
    (await slice(family)).endpoints?.flatMap((endpoint) => endpoint.addresses) ?? [];

  it('names the new leader alone, in each IP family, and goes with the Service', async () => {
    const { metadata } = await createService();
    lead('10.1.1.1', 'fd00::1');
    await eventually('the first leads', async () => (await addresses('ipv6'))[0] === 'fd00::1');
    expect(await addresses()).to.deep.equal(['10.1.1.1']);
    stopped.abort();
    stopped = new AbortController();
    lead('10.1.1.2', 'fd00::2');
    await eventually('the second leads', async () => (await addresses('ipv6'))[0] === 'fd00::2');
    expect(await addresses()).to.deep.equal(['10.1.1.2']);
    const written = await slice('ipv4');
    expect(written.metadata.ownerReferences?.[0]?.uid).to.equal(metadata.uid);
    expect(written.metadata.labels?.['kubernetes.io/service-name']).to.equal(service);
    expect(written.ports).to.deep.equal([{ name: 'grpc', port: 18001, protocol: 'TCP' }]);
  });

  it('waits for a Service that is not there yet, and says so', async () => {
    const { entries, ended } = lead('10.1.1.1');
    await eventually('it is said', () => entries.length > 0);
    expect(entries[0]).to.include({ message: 'endpoints not written', service });
    await createService();
    await eventually('it leads', async () => (await addresses()).length === 1);
    stopped.abort();
    await ended;
  });
});
